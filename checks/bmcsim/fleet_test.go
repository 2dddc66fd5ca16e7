package bmcsim

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"lamplighter/inventory"
)

func demoPlan() Plan {
	return Plan{
		Seed: 7, Auto: 0.1, Multi: 0.05, Off: 0.1, Trust: inventory.TrustPin,
		Sites: []Site{{Name: "ams1", BMCs: 200, IPMI: 0.25}, {Name: "fra1", BMCs: 200, IPMI: 0.5, PerRack: 40}, {Name: "lon1", BMCs: 100}},
	}
}

func TestTheTableOfFaultsIsWhole(t *testing.T) {
	if len(Faults) != int(faultCount) || faultCount > 64 {
		t.Fatalf("%d lines for %d faults, at most 64", len(Faults), faultCount)
	}
	names := map[string]bool{}
	for i, info := range Faults {
		parsed, err := ParseFault(info.Name)
		if int(info.Fault) != i || err != nil || parsed != info.Fault || names[info.Name] {
			t.Errorf("line %d: %+v", i, info)
		}
		if info.Meaning == "" || (info.Reason == "") != (info.Check == "") {
			t.Errorf("line %d lacks a meaning, a check or a reason: %+v", i, info)
		}
		names[info.Name] = true
	}
}

func TestFleetsFollowFromTheirPlan(t *testing.T) {
	one, err := NewFleet(demoPlan())
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewFleet(demoPlan())
	if err != nil {
		t.Fatal(err)
	}
	ids, addrs, passwords, slots := map[inventory.ID]bool{}, map[netip.Addr]bool{}, map[string]bool{}, map[string]bool{}
	for i, b := range one.BMCs() {
		password := one.bmcs[i].password
		if b.Rev() != two.BMCs()[i].Rev() || password != two.bmcs[i].password {
			t.Fatalf("%s is another BMC the second time", b.ID)
		}
		place := b.Site + b.Rack + number(b.Unit)
		if ids[b.ID] || addrs[b.Address] || passwords[password] || slots[place] || len(password) > 20 {
			t.Errorf("%s: ID, address, place or password are not its own", b.ID)
		}
		ids[b.ID], addrs[b.Address], passwords[password], slots[place] = true, true, true, true
		if b.Unit < 1 || b.Unit+b.Height-1 > rackUnits || !b.Address.IsLoopback() || b.Login != string(b.ID) {
			t.Errorf("impossible record %+v", b)
		}
		if b.Trust.Mode == inventory.TrustPin && len(b.Trust.Pin) != 64 || b.Labels["ping"] != "rmcp" {
			t.Errorf("record without pin or way to ping: %+v", b)
		}
	}
	if len(ids) != 500 {
		t.Errorf("%d BMCs, want 500", len(ids))
	}
}

func TestSharesOfIPMIAreExact(t *testing.T) {
	f, err := NewFleet(demoPlan())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, b := range f.bmcs {
		if b.speaks == ipmi {
			got[b.record.Site]++
		}
	}
	if got["ams1"] != 50 || got["fra1"] != 100 || got["lon1"] != 0 {
		t.Errorf("IPMI BMCs by site: %v, want 50, 100 and none", got)
	}
}

func TestThePinIsTheOneThatIsShown(t *testing.T) {
	f := start(t, demoPlan())
	for _, b := range f.bmcs[:20] {
		if b.speaks != redfish {
			continue
		}
		state, err := shake(t, f, b, &tls.Config{RootCAs: f.roots()})
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
		if got := hex.EncodeToString(sum[:]); got != b.record.Trust.Pin {
			t.Errorf("%s shows the pin %s, its record says %s", b.record.ID, got, b.record.Trust.Pin)
		}
	}
}

func TestPlansThatCannotBeAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		plan Plan
		want string
	}{
		{"a plan without BMCs", Plan{}, "0 BMCs: want 1 to"},
		{"too many BMCs", One(maxBMCs+1, 0), "want 1 to"},
		{"a share over 1", Plan{Off: 2, Sites: []Site{{Name: "a", BMCs: 1}}}, "off 2: want a share"},
		{"two sites of one name", Plan{Sites: []Site{{Name: "a", BMCs: 1}, {Name: "a", BMCs: 1}}}, "a name of its own"},
		{"a rack that is too full", Plan{Sites: []Site{{Name: "a", BMCs: 1, PerRack: 41}}}, "1 to 40 servers a rack"},
		{"an address elsewhere", Plan{First: netip.MustParseAddr("10.0.0.1"), Sites: []Site{{Name: "a", BMCs: 1}}}, "want one of 127.0.0.0/8"},
		{"addresses that end", Plan{First: netip.MustParseAddr("127.255.255.250"), Sites: []Site{{Name: "a", BMCs: 10}}}, "end after 5 BMCs"},
		{"the trap's address", Plan{First: netip.MustParseAddr("127.6.6.1"), Sites: []Site{{Name: "a", BMCs: 10}}}, "kept for the trap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewFleet(c.plan); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestFilesAreWritten(t *testing.T) {
	f, err := NewFleet(demoPlan())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := f.WriteFiles(dir); err == nil {
		t.Error("files without ports were written")
	}
	if err := f.Listen(0, 0); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFiles(dir); err != nil {
		t.Fatalf("the second time: %v", err)
	}
	file, err := os.Open(filepath.Join(dir, "inventory.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) != 501 || strings.Join(rows[0], ",") != "id,address,site,room,row,rack,unit,height,face,slot,chassis,vendor,model,serial,uuid,protocol,port,login,trust,ping,rmcp_port" {
		t.Errorf("inventory: %d rows, header %v, error %v", len(rows), rows[0], err)
	}
	checkKeyring(t, f, filepath.Join(dir, "keyring.yaml"))
}

func checkKeyring(t *testing.T, f *Fleet, name string) {
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("keyring: mode %v, error %v; want 0600", info.Mode(), err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var keyring struct {
		Credentials map[string]struct{ Username, Password string }
	}
	if err := yaml.Unmarshal(text, &keyring); err != nil {
		t.Fatal(err)
	}
	for _, b := range f.bmcs {
		if got := keyring.Credentials[b.record.Login]; got.Username != username || got.Password != b.password {
			t.Errorf("keyring has %q's credential wrong", b.record.Login)
		}
	}
}

func TestTwoThousandBMCsAnswerAtOnce(t *testing.T) {
	began := time.Now()
	p := plan(2000, 0)
	p.RSA = 0.01
	f := start(t, p)
	started := time.Since(began)
	records := f.BMCs()
	var crowd sync.WaitGroup
	for worker := range 16 {
		crowd.Go(func() {
			for i := worker; i < len(records); i += 16 {
				c := dial(t, f, records[i], &tls.Config{RootCAs: f.roots()})
				if _, root, err := c.ask(t.Context(), "GET", "/redfish/v1/", nil); err != nil || root["UUID"] != records[i].UUID {
					t.Errorf("%s: root %v, error %v", records[i].ID, root, err)
				}
				c.CloseIdleConnections()
			}
		})
	}
	crowd.Wait()
	got := f.Counters().Total
	if got.Connections != 2000 || got.Handshakes != 2000 || got.Requests != 2000 || got.MaxConnections != 1 {
		t.Errorf("counted %+v, want 2000 of each and one connection at once", got)
	}
	t.Logf("2,000 BMCs: started in %s, one request each in %s", started, time.Since(began)-started)
}

func TestCountersPrint(t *testing.T) {
	f, err := NewFleet(plan(3, 0))
	if err != nil {
		t.Fatal(err)
	}
	c := f.Counters()
	text, err := json.Marshal(c)
	if err != nil || !strings.Contains(string(text), `"own_secrets":0`) {
		t.Errorf("JSON %s, error %v", text, err)
	}
	if table := c.String(); !strings.Contains(table, "BMCs                3\n") || strings.Contains(table, f.bmcs[0].password) {
		t.Errorf("table:\n%s", table)
	}
}

func TestFaultsAreSetAndCleared(t *testing.T) {
	f, err := NewFleet(plan(10, 0.5))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Set("sim1-*", NoSlots); n != 5 || err != nil {
		t.Errorf("an IPMI fault for all: %d, %v; want the 5 that speak it", n, err)
	}
	if n, err := f.Clear("*", NoSlots); n != 10 || err != nil || len(f.Planted()) != 0 {
		t.Errorf("cleared %d, %v; left %v", n, err, f.Planted())
	}
	if _, err := f.Set("nobody", Dead); err == nil {
		t.Error("a match of nobody is no error")
	}
	if _, err := f.Set("[", Dead); err == nil {
		t.Error("a broken glob is no error")
	}
}

func TestTheFleetIsItsOwnKeyring(t *testing.T) {
	f, err := NewFleet(plan(2, 0.5))
	if err != nil {
		t.Fatal(err)
	}
	var keyring inventory.Keyring = f
	for i, b := range f.BMCs() {
		c, err := keyring.Credentials(t.Context(), b.Login)
		if err != nil || c.Username != username || c.Password.Reveal() != f.bmcs[i].password || c.Version == "" {
			t.Errorf("credential of %s: %v, %v", b.ID, c, err)
		}
	}
	if _, err := keyring.Credentials(t.Context(), "nobody"); !errors.Is(err, inventory.ErrNoCredential) {
		t.Errorf("an unknown name: %v", err)
	}
}
