package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestCSVReadsEveryColumnInAnyOrder(t *testing.T) {
	pin := "pin:" + strings.Repeat("aB", 32)
	text := "\ufeff Address ,ID,site,room,row,rack,unit,height,face,slot,chassis,vendor,model,serial,uuid,protocol,port,login,trust,Tenant,rack_height,note\n" +
		" 10.0.0.1 , a1 ,ams1,r1,A,A07,12.5,2,Front,3,c9,Dell,R640,SN1,u-1,REDFISH,8443,idrac," + pin + ",blue,48,\"two\nlines\"\n" +
		"fe80::1%eth0,a2,,,,,,,,,,,,,,,,,,,,\n" +
		"::ffff:10.0.0.2,a3,,,,,,,,,,,,,,ipmi,,,,,,\n"
	got, err := ReadCSV("x.csv", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []BMC{{
		ID: "a1", Address: netip.MustParseAddr("10.0.0.1"), Site: "ams1", Room: "r1", Row: "A", Rack: "A07", Unit: 12.5, Height: 2,
		Face: "front", Slot: "3", Chassis: "c9", Vendor: "Dell", Model: "R640", Serial: "SN1", UUID: "u-1", Protocol: Redfish, Port: 8443,
		Login: "idrac", Trust: Trust{TrustPin, strings.Repeat("ab", 32)},
		Labels: map[string]string{"tenant": "blue", "rack_height": "48", "note": "two\nlines"},
	},
		{ID: "a2", Address: netip.MustParseAddr("fe80::1%eth0"), Protocol: Auto, Login: "default"},
		{ID: "a3", Address: netip.MustParseAddr("10.0.0.2"), Protocol: IPMI, Login: "default"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestCSVReportsMistakes(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"an empty file":                    {"", "x.csv:1: header: want a line of column names with id and address, got an empty file"},
		"a header without address":         {"id,ip\n", `x.csv:1: address: want a column of this name, separated by commas, got "id,ip"`},
		"a header separated by semicolons": {"id;address\n", "x.csv:1: header: want columns separated by commas, got semicolons: export the table with commas"},
		"a header separated by tabs":       {"id\taddress\n", "x.csv:1: header: want columns separated by commas, got tabs: export the table with commas"},
		"a table in UTF-16":                {"\xff\xfei\x00d\x00,\x00", "x.csv:1: header: want UTF-8, got UTF-16: export the table as CSV in UTF-8"},
		"a column twice":                   {"id,address,site,Site\n", "x.csv:1: site: want one column of this name, got column 3 and column 4"},
		"a column without a name":          {"id,address,\n", `x.csv:1: column 3: want a name, got ""`},
		"a missing ID":                     {"id,address\n,10.0.0.1\n", `x.csv:2: id: want the asset ID, got ""`},
		"a host name":                      {"id,address\na,bmc7.example\n", `x.csv:2: address: want an IP address (not a host name: a fault of the name server would look like the BMC's), got "bmc7.example"`},
		"a decimal address":                {"id,address\na,167772161\n", `x.csv:2: address: want an IP address, got "167772161"`},
		"an address with a prefix":         {"id,address\na,10.0.0.1/24\n", `x.csv:2: address: want an IP address, got "10.0.0.1/24"`},
		"an address with leading zeros":    {"id,address\na,010.0.0.1\n", `x.csv:2: address: want an IP address, got "010.0.0.1"`},
		"the unspecified address":          {"id,address\na,::\n", `x.csv:2: address: want the IP address of one BMC, got "::"`},
		"a multicast address":              {"id,address\na,224.0.0.1\n", `x.csv:2: address: want the IP address of one BMC, got "224.0.0.1"`},
		"a mapped unspecified address":     {"id,address\na,::ffff:0.0.0.0\n", `x.csv:2: address: want the IP address of one BMC, got "::ffff:0.0.0.0"`},
		"an unknown protocol":              {"id,address,protocol\na,10.0.0.1,snmp\n", `x.csv:2: protocol: want redfish, ipmi or auto, got "snmp"`},
		"port 0":                           {"id,address,port\na,10.0.0.1,0\n", `x.csv:2: port: want a port from 1 to 65535, got "0"`},
		"port 65536":                       {"id,address,port\na,10.0.0.1,65536\n", `x.csv:2: port: want a port from 1 to 65535, got "65536"`},
		"a short pin":                      {"id,address,trust\na,10.0.0.1,pin:12\n", `x.csv:2: trust: want ca, pin: and 64 hex digits, tofu or insecure, got "pin:12"`},
		"a face that is a side":            {"id,address,face\na,10.0.0.1,left\n", `x.csv:2: face: want front or rear, got "left"`},
		"a third of a unit":                {"id,address,unit\na,10.0.0.1,1.3\n", `x.csv:2: unit: want a number of rack units from 1, whole or half, got "1.3"`},
		"a unit that is not a number":      {"id,address,unit\na,10.0.0.1,NaN\n", `x.csv:2: unit: want a number of rack units from 1, whole or half, got "NaN"`},
		"a height of nothing":              {"id,address,height\na,10.0.0.1,0\n", `x.csv:2: height: want a number of rack units from 0.5, whole or half, got "0"`},
		"a server above its rack":          {"id,address,unit,height\na,10.0.0.1,42,2\n", `x.csv:2: unit: want unit and height within a rack of 42 units (rack_height says another height), got unit 42 and height 2`},
		"a server higher than its rack":    {"id,address,height\na,10.0.0.1,70\n", `x.csv:2: height: want at most the 42 units of the rack (rack_height says another height), got 70`},
		"a server above its low rack":      {"id,address,unit,rack_height\na,10.0.0.1,25,24\n", `x.csv:2: unit: want unit and height within a rack of 24 units, got unit 25 and height 1`},
		"a rack of no height":              {"id,address,rack_height\na,10.0.0.1,tall\n", `x.csv:2: rack_height: want a number of units, got "tall"`},
		"a control character":              {"id,address\n\"a\x1b[2J\",10.0.0.1\n", `x.csv:2: id: want printable UTF-8 text on one line, got "a\x1b[2J"`},
		"Latin-1":                          {"id,address,site\na,10.0.0.1,Z\xfcrich\n", `x.csv:2: site: want printable UTF-8 text on one line, got "Z\xfcrich"`},
		"a cell too few":                   {"id,address,site\na,10.0.0.1\n", "x.csv:2: cells: want 3 as in the header, got 2"},
		"a cell too many":                  {"id,address\na,10.0.0.1,b\n", "x.csv:2: cells: want 2 as in the header, got 3"},
		"a quote that does not end":        {"id,address\na,10.0.0.1\nb,\"10.0.0.2\nc,10.0.0.3\n", `x.csv:3: quote: want a closing " that a comma or the line's end follows (a " inside is written ""), got none in the cell that starts on this line`},
		"a bare quote":                     {"id,address\na\"b,10.0.0.1\n", `x.csv:2: quote: want a cell with " in quotes and each " written "", got a bare "`},
		"an ID twice":                      {"id,address\na,10.0.0.1\na,10.0.0.2\n", `x.csv:3: id: want an ID that no other line has, got "a", which line 2 has`},
		"an address twice":                 {"id,address\na,10.0.0.1\nb,::ffff:10.0.0.1\n", "x.csv:3: address: want an address and port that no other line has, got 10.0.0.1, which line 2 has"},
		"an address and port twice":        {"id,address,port\na,10.0.0.1,99\nb,10.0.0.1,99\n", "x.csv:3: address: want an address and port that no other line has, got 10.0.0.1 port 99, which line 2 has"},
		"a default port written out":       {"id,address,protocol,port\na,10.0.0.1,redfish,\nb,10.0.0.1,redfish,443\n", "x.csv:3: address: want an address and port that no other line has, got 10.0.0.1 tcp port 443, which line 2 has"},
		"several mistakes on several lines, and the line after a multi-line cell": {
			"id,address,note,port\n,x1,\"a\nb\",\nc,10.0.0.3,,70000\nc,10.0.0.3,,\n",
			`x.csv:2: id: want the asset ID, got ""` + "\n" +
				`x.csv:2: address: want an IP address (not a host name: a fault of the name server would look like the BMC's), got "x1"` + "\n" +
				`x.csv:4: port: want a port from 1 to 65535, got "70000"` + "\n" +
				`x.csv:5: id: want an ID that no other line has, got "c", which line 4 has` + "\n" +
				`x.csv:5: address: want an address and port that no other line has, got 10.0.0.3, which line 4 has`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bmcs, err := ReadCSV("x.csv", strings.NewReader(test.text))
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if bmcs != nil && err != nil {
				t.Error("a list came with the error")
			}
		})
	}
}

func TestTheSameAddressOnAnotherPortIsAnotherBMC(t *testing.T) {
	text := "id,address,port,protocol\na,127.0.0.1,8001,ipmi\nb,127.0.0.1,8002,ipmi\nc,127.0.0.1,8001,\n"
	_, err := ReadCSV("x.csv", strings.NewReader(text))
	if err == nil || strings.Count(err.Error(), "\n") != 0 || !strings.Contains(err.Error(), "x.csv:4: address:") {
		t.Errorf("want only line 4 refused, got %v", err)
	}
}

func TestManyBadLinesAreCounted(t *testing.T) {
	text := "id,address\n" + strings.Repeat(",\n", 120)
	_, err := ReadCSV("x.csv", strings.NewReader(text))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 101 || lines[100] != "and 140 more" {
		t.Errorf("got %d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if len(err.(BadLines)) != 240 {
		t.Errorf("got %d bad lines", len(err.(BadLines)))
	}
}

func TestALongCellIsCutInTheMessage(t *testing.T) {
	_, err := ReadCSV("x.csv", strings.NewReader("id,address\na,"+strings.Repeat("é", 5000)+"\n"))
	if err == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), `\x`) {
		t.Errorf("got %v", err)
	}
}

func TestCSVSourceReadsItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.csv")
	if _, err := (CSV{path}).Read(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("id,address\na,10.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if bmcs, err := (CSV{path}).Read(t.Context()); err != nil || len(bmcs) != 1 {
		t.Errorf("got %v, %v", bmcs, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (CSV{path}).Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestAReadThatBreaksIsAnErrorNotAShortList(t *testing.T) {
	broken := fmt.Errorf("disk on fire")
	for _, start := range []string{"", "id,address\na,10.0.0.1\n"} {
		r := &chained{strings.NewReader(start), brokenReader{broken}}
		if bmcs, err := ReadCSV("x.csv", r); !errors.Is(err, broken) || bmcs != nil {
			t.Errorf("after %q: %v, %v", start, bmcs, err)
		}
	}
}

type chained struct {
	first  *strings.Reader
	second brokenReader
}

func (c *chained) Read(p []byte) (int, error) {
	if c.first.Len() > 0 {
		return c.first.Read(p)
	}
	return c.second.Read(p)
}

func TestConflictsAreServersInTheSamePlace(t *testing.T) {
	text := `id,address,site,rack,unit,height,face,slot,chassis
a,10.0.0.1,s,r1,10,2,front,,
b,10.0.0.2,s,r1,11,1,front,,
c,10.0.0.3,s,r1,11,1,rear,,
d,10.0.0.4,s,r1,12,1,front,1,
e,10.0.0.5,s,r1,12,1,front,2,
f,10.0.0.6,s,r1,12,1,front,2,
g,10.0.0.7,s,r2,10,2,front,,
h,10.0.0.8,t,r1,10,2,front,,
i,10.0.0.9,s,,10,2,front,,
j,10.0.1.0,s,r1,,,front,,
k,10.0.1.1,s,r1,5,0.5,,,
l,10.0.1.2,s,r1,5.5,0.5,,,
m,10.0.1.3,s,r3,1,10,front,,c1
n,10.0.1.4,s,r3,1,5,front,1,c1
o,10.0.1.5,s,r3,1,5,front,2,c1
p,10.0.1.6,s,r3,1,5,front,2,c1
`
	bmcs, err := ReadCSV("x.csv", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range Conflicts(bmcs) {
		lines = append(lines, c.String())
	}
	got := strings.Join(lines, "\n")
	want := "rack s/-/-/r1 unit 11: a and b are in the same place\nrack s/-/-/r1 unit 12: e and f are in the same place\nrack s/-/-/r3 unit 1: o and p are in the same place"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add("id,address\na,10.0.0.1\n")
	f.Add("\ufeffid,address,unit,height,rack_height,x\r\na,fe80::1%eth0,1.5,2,50,\"a\"\"b\nc\"\r\n")
	f.Add("id,address,trust,port,protocol\na,::1,tofu,1,ipmi\nb,::1,ca,2,auto\n")
	f.Add("id,address\n\"a,10.0.0.1\n")
	f.Add("id,address,rmcp_port\na,127.0.0.1,623\n\n,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		bmcs, err := ReadCSV("f", strings.NewReader(text))
		if err != nil {
			if bmcs != nil {
				t.Fatal("a list came with an error")
			}
			return
		}
		for _, b := range bmcs {
			valid(t, b)
		}
		var out bytes.Buffer
		if err := WriteCSV(&out, bmcs); err != nil {
			t.Fatal(err)
		}
		again, err := ReadCSV("again", bytes.NewReader(out.Bytes()))
		if err != nil || len(again) != len(bmcs) || len(bmcs) > 0 && !reflect.DeepEqual(again, bmcs) {
			t.Fatalf("written and read again: %v\n%+v\n%+v\n%s", err, bmcs, again, out.String())
		}
	})
}

func valid(t *testing.T, b BMC) {
	if b.ID == "" || !b.Address.IsValid() || b.Address.IsMulticast() || b.Address.IsUnspecified() || b.Login == "" {
		t.Fatalf("accepted %+v", b)
	}
	if b.Unit != 0 && b.Unit < 1 || b.Height < 0 || b.Unit+b.Height > b.RackHeight()+1 {
		t.Fatalf("accepted %+v", b)
	}
	if _, err := ParseProtocol(string(b.Protocol)); err != nil {
		t.Fatal(err)
	}
}
