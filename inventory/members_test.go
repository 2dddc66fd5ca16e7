package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMembersAreWhatIsWritten(t *testing.T) {
	text := " { \"a\" : 1 ,\"b\":\"x,}\\\"y\", \"c\":{\"d\":[1,{\"e\":\"]\"}],\"f\":null},\"\\u0067\":[ ] , \"h\":-1.5e3\n,\"i\":true , \"\":{ }}"
	var got []string
	members([]byte(text), func(name, value []byte) { got = append(got, fmt.Sprintf("%s=%s", name, value)) })
	want := []string{"a=1", `b="x,}\"y"`, `c={"d":[1,{"e":"]"}],"f":null}`, "g=[ ]", "h=-1.5e3", "i=true", "={ }"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	got = nil
	items([]byte(`[ 1,"a,b" ,{"c":[2,3]},[[]],null ]`), func(value []byte) { got = append(got, string(value)) })
	if want := []string{"1", `"a,b"`, `{"c":[2,3]}`, "[[]]", "null"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, none := range []string{"", "null", "1", `"{"`, "[]", "{}", " { } "} {
		members([]byte(none), func(name, _ []byte) { t.Errorf("%q has a member %q", none, name) })
	}
}

// Whatever JSON there is, members finds what encoding/json finds.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{`{"a":1}`, `{"a":{"b":"\\"},"c":"}"}`, `[1,{"a":[]}]`, netboxDeviceText(1), `{"\ud800":"\ud800","a":"` + "\xff" + `"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) == nil && bytes.TrimLeft(text, " \t\r\n")[0] == '{' {
			got := map[string]string{}
			members(text, func(name, value []byte) { got[string(name)] = string(value) })
			want := map[string]string{}
			for name, value := range object {
				want[name] = string(value)
			}
			n := &netboxReading{reading: newReading(Known{}), columns: map[string]customColumn{}, scalars: texts{}}
			_, _ = n.device(text) // whatever it is, it ends
			if plainNames(text) && !maps.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		}
		var list []json.RawMessage
		if json.Unmarshal(text, &list) == nil && bytes.TrimLeft(text, " \t\r\n")[0] == '[' {
			var got []json.RawMessage
			items(text, func(value []byte) { got = append(got, slices.Clone(value)) })
			if len(got) != len(list) || len(got) > 0 && !reflect.DeepEqual(got, list) {
				t.Errorf("got  %q\nwant %q", got, list)
			}
		}
	})
}

// plainNames: encoding/json mends names that are no UTF-8, which no name that we look for is.
func plainNames(text []byte) bool { return bytes.Equal(bytes.ToValidUTF8(text, nil), text) }

func TestEachFieldOfARecordMakesItAnother(t *testing.T) {
	full := BMC{Labels: map[string]string{"a": "b"}}
	kind := reflect.TypeFor[BMC]()
	for i := range kind.NumField() {
		other := full
		field := reflect.ValueOf(&other).Elem().Field(i)
		switch field.Interface().(type) {
		case map[string]string:
			other.Labels = map[string]string{"a": "c"}
		case Trust:
			other.Trust = Trust{Mode: TrustTOFU}
		case float64:
			field.SetFloat(1)
		case uint16:
			field.SetUint(1)
		case string, ID, Protocol:
			field.SetString("x")
		default:
			other.Address = bmcs(1, 1)[0].Address
		}
		if sameRecord(&full, &other) || !sameRecord(&other, &other) || sameRecord(&other, &full) {
			t.Errorf("%s makes no difference", kind.Field(i).Name)
		}
		if full.Rev() == other.Rev() {
			t.Errorf("%s makes no difference to Rev", kind.Field(i).Name)
		}
	}
}

// A sync that brings the same again is most of them: it must not hold a hundred thousand records twice.
func TestASyncWithoutChangeMakesNoListAnew(t *testing.T) {
	s := netboxOf(300)
	c := opened(t, SyncConfig{Dir: t.TempDir(), Rule: DefaultRule(), Source: netboxAt(s.start(t).URL)})
	sync := func() []BMC {
		t.Helper()
		if _, err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		now, _ := c.Register()
		return now.BMCs
	}
	first := sync()
	answer, err := c.config.Source.BMCs(t.Context(), Known{Held: func(id ID) *BMC { return lookUpIn(first, id) }})
	if err != nil || len(answer.BMCs) != 300 {
		t.Fatal(len(answer.BMCs), err)
	}
	for i, b := range answer.BMCs {
		if b != &first[i] {
			t.Fatalf("%s was read into a record of its own", b.ID)
		}
	}
	if again := sync(); &again[0] != &first[0] {
		t.Error("the list was made anew")
	}
	s.devices[7] = strings.Replace(s.devices[7], "A000008", "A001000", 1)
	if changed := sync(); len(changed) != 300 || &changed[0] == &first[0] {
		t.Errorf("%d BMCs", len(changed))
	}
}

func TestACustomFieldThatIsEmptyHidesNothing(t *testing.T) {
	s := netboxOf(0)
	s.devices = []string{`{"id":1,"name":"a","asset_tag":"A1","serial":"S","device_type":{"id":1,"manufacturer":{"name":"Dell"},"model":"R1"},"oob_ip":{"address":"10.0.0.1/24"},
		"custom_fields":{"bmc_vendor":null,"bmc_model":"","bmc_serial":"T","bmc_id":"other","bmc_port":443,"flag":true,"much":["` + string(bytes.Repeat([]byte("x"), 400)) + `"]}}`}
	got, err := netboxAt(s.start(t).URL).BMCs(t.Context(), Known{})
	if err != nil || len(got.BMCs) != 1 {
		t.Fatal(got, err)
	}
	if b := got.BMCs[0]; b.ID != "A1" || b.Vendor != "Dell" || b.Model != "R1" || b.Serial != "T" || b.Port != 443 || b.Labels["cf_flag"] != "true" || len(b.Labels["cf_much"]) != 400 {
		t.Errorf("got %+v", *b)
	}
}
