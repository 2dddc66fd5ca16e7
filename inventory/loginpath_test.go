package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lamplighter/inventory/vaultstandin"
)

func pathOf(t *testing.T, text string) LoginPath {
	t.Helper()
	p, err := ParseLoginPath(text)
	if err != nil || p.String() != cmp.Or(text, DefaultLogin) {
		t.Fatalf("%q: %v, %v", text, p, err)
	}
	return p
}

func TestALoginIsMadeOfWhatTheInventorySays(t *testing.T) {
	full := BMC{ID: "A1", Site: "ams1", Room: "Room 1", Row: "B", Rack: "R07", Vendor: "Dell Inc.", Model: "R650", Protocol: Redfish, Login: DefaultLogin}
	for path, want := range map[string]string{
		"":                                "default",
		"default":                         "default",
		"one":                             "one",
		"{bmc}":                           "A1",
		"bmc/{site}/{vendor}/{bmc}":       "bmc/ams1/Dell Inc./A1",
		"dc-{site}-x/{rack}":              "dc-ams1-x/R07",
		"{room}/{row}/{model}/{protocol}": "Room 1/B/R650/redfish",
	} {
		b := full
		pathOf(t, path).Complete(&b)
		if b.Login != want {
			t.Errorf("%q: got %q, want %q", path, b.Login, want)
		}
		again := b
		pathOf(t, path).Complete(&again)
		if again.Login != b.Login {
			t.Errorf("%q: a second time %q became %q", path, b.Login, again.Login)
		}
	}
	named := full
	named.Login = "own"
	if pathOf(t, "{bmc}").Complete(&named); named.Login != "own" {
		t.Errorf("the record names %q", named.Login)
	}
}

func TestAPathThatCouldLeadElsewhereIsRefused(t *testing.T) {
	for _, path := range []string{"/", "a/", "/a", "a//b", "..", "../{bmc}", ".{bmc}", "a/./b", "{bmc", "bmc}", "{}", "{asset}", "{site}{rack}", "{site}-{rack}", "{{site}}", "a\\b", "a?b",
		"a#b", "a%2fb", "*", "a\x00", "a\nb", "{site }", "{Site}"} {
		if p, err := ParseLoginPath(path); err == nil {
			t.Errorf("%q was taken: %v", path, p)
		}
	}
}

// hostile are values that somebody may write into a CMDB to have a BMC sent another's password.
var hostile = []string{"", ".", "..", "../x", "a/b", "/", "a/../b", `a\b`, `..\b`, "a\x00b", "a\nb", "%2e%2e", "a%2fb", "a?b", "a#b", "{bmc}", "{", "}", ".hidden", "*", "+", "a\ufffdb", strings.Repeat("x", 129)}

func TestAValueThatCouldLeadElsewhereGivesNoOthersPassword(t *testing.T) {
	for _, value := range hostile {
		b := BMC{ID: "A1", Site: "ams1", Vendor: value, Login: DefaultLogin}
		pathOf(t, "bmc/{vendor}/{site}").Complete(&b)
		if b.Login != "bmc/{vendor}/ams1" {
			t.Errorf("%q: %q", value, b.Login)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"{vendor}.password": "stolen", "{vendor}.username": "x"} {
		write(t, filepath.Join(dir, "bmc", "x", name), text)
		write(t, filepath.Join(dir, name), text)
	}
	file := filepath.Join(dir, "keyring.yaml")
	write(t, file, "credentials:\n  '{vendor}': {username: x, password: stolen}\n  'bmc/{vendor}/ams1': {username: x, password: stolen}\n")
	keyrings := map[string]Keyring{"env": newEnvKeyring(func(string) (string, bool) { return "stolen", true })}
	for name, spec := range map[string]string{"directory": dir, "file": file} {
		k, err := OpenKeyring(spec)
		if err != nil {
			t.Fatal(err)
		}
		keyrings[name] = k
	}
	s := vaultstandin.Start(t)
	s.Write("bmc", "ams1/{vendor}", map[string]any{"username": "x", "password": "stolen"})
	keyrings["vault"] = openVault(t, s, "")
	for name, k := range keyrings {
		for _, login := range []string{"{vendor}", "bmc/{vendor}/ams1"} {
			if c, err := k.Credentials(t.Context(), login); !errors.Is(err, ErrNoCredential) || !strings.Contains(err.Error(), "the BMC's record has no vendor") {
				t.Errorf("%s: %q: %v, %v", name, login, c, err)
			}
		}
	}
}

func TestTwoBMCsNeverComeToOneNameByASlash(t *testing.T) {
	p := pathOf(t, "{site}/{rack}/{bmc}")
	seen := map[string]string{}
	for _, site := range []string{"a", "a-b", "ä", "a b"} {
		for _, rack := range []string{"b", "b-c", "c", "ä"} {
			for _, id := range []string{"1", "c-1", "-1"} {
				b := BMC{ID: ID(id), Site: site, Rack: rack, Login: DefaultLogin}
				p.Complete(&b)
				who := fmt.Sprintf("%q", []string{site, rack, id})
				if other := seen[b.Login]; other != "" {
					t.Errorf("%s and %s are both %q", who, other, b.Login)
				}
				seen[b.Login] = who
			}
		}
	}
}

func TestDirectoriesMayLieInADirectoryKeyring(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bmc/ams1/A1.password"), "one")
	write(t, filepath.Join(dir, "bmc/ams1/A1.username"), "root")
	write(t, filepath.Join(dir, "bmc/ams1/A1.next_password"), "two")
	write(t, filepath.Join(filepath.Dir(dir), "outside.password"), "outside")
	write(t, filepath.Join(dir, ".data/old.password"), "old")
	k, err := OpenKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.Credentials(t.Context(), "bmc/ams1/A1")
	if err != nil || c.Username != "root" || c.Password.Reveal() != "one" || c.Next == nil || c.Next.Password.Reveal() != "two" || c.Next.Version == c.Version {
		t.Errorf("%+v, %v", c, err)
	}
	for _, name := range []string{"../outside", "bmc/../../outside", "bmc//ams1/A1", "/bmc/ams1/A1", "bmc/ams1/", "bmc/./ams1/A1", "bmc/ams1/..", "bmc/ams1/A2", `bmc\ams1\A1`, ".data/old"} {
		if c, err := k.Credentials(t.Context(), name); !errors.Is(err, ErrNoCredential) {
			t.Errorf("%q: %v, %v", name, c, err)
		}
	}
	write(t, filepath.Join(dir, "bmc/open.password"), "open")
	if err := os.Chmod(filepath.Join(dir, "bmc/open.password"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeyring(link); !errors.Is(err, ErrKeyring) {
		t.Errorf("by a link: %v", err)
	}
	if _, err := OpenKeyring(dir); !errors.Is(err, ErrKeyring) || !strings.Contains(err.Error(), "bmc/open.password: mode is 0644") {
		t.Errorf("a file that others can read, at the start: %v", err)
	}
	if _, err := k.Credentials(t.Context(), "bmc/open"); !errors.Is(err, ErrKeyring) || !strings.Contains(err.Error(), "mode is 0644") {
		t.Errorf("a file that others can read: %v", err)
	}
}

// What the CMDB says must not read as a fault of the keyring, which would be an incident about us.
func TestANameThatNoFileCanHaveIsNoFaultOfTheKeyring(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bmc"), "a file where a directory would be")
	k, err := OpenKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bmc/a", strings.Repeat("n", 250), "rack/" + strings.Repeat("ü", 125)} {
		if _, err := k.Credentials(t.Context(), name); !errors.Is(err, ErrNoCredential) || errors.Is(err, ErrKeyring) {
			t.Errorf("%.20s: %v", name, err)
		}
	}
}

// write writes a file that its owner alone can read, and the directories that it lies in.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestASyncCompletesLoginsOfWhateverSource(t *testing.T) {
	s := netboxOf(3)
	s.devices[1] = strings.Replace(s.devices[1], `"bmc_login":"idrac",`, "", 1)
	s.devices[2] = strings.Replace(strings.Replace(s.devices[2], `"bmc_login":"idrac",`, "", 1), `"name":"Dell"`, `"name":"De/ll"`, 1)
	file := filepath.Join(t.TempDir(), "more.csv")
	write(t, file, "id,address,vendor\nA000002,10.1.0.2,\nB1,10.9.0.1,HPE\n")
	for name, source := range map[string]Source{"one source": netboxAt(s.start(t).URL), "several sources": Merged{netboxAt(s.start(t).URL), CSV{Path: file}}} {
		c := opened(t, SyncConfig{Dir: t.TempDir(), Rule: DefaultRule(), Source: source, Logins: pathOf(t, "bmc/{vendor}/{bmc}")})
		var first []BMC
		for range 2 {
			diff, err := c.Sync(t.Context())
			now, _ := c.Register()
			if err != nil || first != nil && (!diff.Empty() || &now.BMCs[0] != &first[0]) {
				t.Fatalf("%s: %v, %v", name, diff, err)
			}
			first = now.BMCs
		}
		want := []string{"idrac", "bmc/Dell/A000002", "bmc/{vendor}/A000003", "bmc/HPE/B1"}
		for i, b := range first {
			if b.Login != want[i] {
				t.Errorf("%s: %s has the login %q, want %q", name, b.ID, b.Login, want[i])
			}
		}
		now, _ := c.Register()
		found := ""
		for _, c := range now.Conflicts {
			if c.Kind == NoLogin {
				found = fmt.Sprintf("%v %v %s", c.BMCs, c.Kind.Hinders(), c.Text)
			}
		}
		if !strings.HasPrefix(found, "[A000003] false of 1 BMCs") || !strings.Contains(found, "A000003: bmc/{vendor}/A000003") {
			t.Errorf("%s: conflicts %v", name, now.Conflicts)
		}
	}
}

// Where a thousand BMCs come to one name they cost one reading of Vault, and where each has its own, one each.
func TestBMCsOfOnePathCostOneReadingOfVault(t *testing.T) {
	for path, want := range map[string]int{"bmc/{site}": 1, "bmc/{bmc}": 100} {
		s := vaultstandin.Start(t)
		k := openVault(t, s, "cache: 10m\n")
		for n := range 10_000 {
			b := BMC{ID: ID(fmt.Sprint("b", n%100)), Site: "ams 1", Login: DefaultLogin}
			pathOf(t, path).Complete(&b)
			if n < 100 {
				s.Write("bmc", "ams1/"+b.Login, map[string]any{"username": "u", "password": b.Login})
			}
			if c, err := k.Credentials(t.Context(), b.Login); err != nil || c.Password.Reveal() != b.Login {
				t.Fatal(c, err)
			}
		}
		if got := s.Reads(); got != want {
			t.Errorf("%s: %d readings, want %d", path, got, want)
		}
	}
}
