package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// discoverable is a simulated fleet in one network, of which the inventory lacks the first and the last, and has one that is not there.
func discoverable(t *testing.T) (fleet simulated, network netip.Prefix, ghost inventory.BMC) {
	t.Helper()
	fleet = simulateN(t, 9)
	all := fleet.BMCs()
	network = netip.PrefixFrom(all[0].Address, 24).Masked()
	listed := slices.Clone(all[1 : len(all)-1])
	ghost = listed[0]
	ghost.ID, ghost.Address = "ghost", network.Addr().Next()
	for slices.ContainsFunc(all, func(b inventory.BMC) bool { return b.Address == ghost.Address }) {
		ghost.Address = ghost.Address.Next()
	}
	var text bytes.Buffer
	if err := inventory.WriteCSV(&text, append(listed, ghost)); err != nil {
		t.Fatal(err)
	}
	fleet.put(t, "listed.csv", text.String(), 0o644)
	fleet.put(t, "discover.yaml", fmt.Sprintf("inventory: %s\nkeyring: %s\ntargets: {loopback: true}\n", fleet.file("listed.csv"), fleet.file("keyring.yaml")), 0o600)
	return fleet, network, ghost
}

func (s simulated) discover(t *testing.T, network netip.Prefix, more ...string) outcome {
	t.Helper()
	some := s.BMCs()[0]
	args := append([]string{"inventory", "discover", "--config", s.file("discover.yaml"), "--network", network.String(), "--rate", "100", // what simulates them shares the processors with other tests
		"--redfish-port", fmt.Sprint(some.RedfishPort()), "--rmcp-port", fmt.Sprint(some.RMCPPort())}, more...)
	return lamplighter(t, args...)
}

func TestDiscoverListsWhoAnswersAndIsNotListedAndWhoIsListedAndDoesNotAnswer(t *testing.T) {
	t.Parallel()
	fleet, network, ghost := discoverable(t)
	out := fleet.discover(t, network, "-o", "json")
	var found []finding
	if err := json.Unmarshal([]byte(out.stdout), &found); err != nil || out.code != 1 {
		t.Fatalf("exit code %d, %v: %s\n%s", out.code, err, out.stdout, out.stderr)
	}
	all := fleet.BMCs()
	want := map[netip.Addr]string{all[0].Address: "unlisted", all[len(all)-1].Address: "unlisted", ghost.Address: "silent"}
	for _, f := range found {
		if want[f.Address] != f.Finding {
			t.Errorf("%+v", f)
		}
		delete(want, f.Address)
		if f.Finding == "unlisted" && (len(f.Speaks) == 0 || slices.Contains(f.Speaks, "redfish") && f.Vendor == "") || f.Finding == "silent" && f.BMC != ghost.ID {
			t.Errorf("%+v", f)
		}
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
	if n := fleet.Counters().Total.Attempts; n != 0 {
		t.Errorf("%d logins were tried", n)
	}
	if !strings.Contains(out.stderr, "254 of 254 addresses asked, 8 answer") && !strings.Contains(out.stderr, "254 of 254 addresses asked, 9 answer") {
		t.Errorf("stderr: %s", out.stderr)
	}
	table := fleet.discover(t, network)
	if !strings.HasPrefix(table.stdout, "FINDING") || strings.Count(table.stdout, "unlisted") != 2 || !strings.Contains(table.stdout, "ghost") {
		t.Errorf("as a table:\n%s", table.stdout)
	}
}

func TestDiscoverAsksNothingOutsideOfTheTargets(t *testing.T) {
	t.Parallel()
	fleet, _, _ := discoverable(t)
	for _, c := range []struct{ network, want string }{
		{"8.8.8.0/24", "does not lie in targets.networks"},
		{"169.254.0.0/16", "does not lie in targets.networks"},
		{"0.0.0.0/0", "at most 65536 addresses"},
		{"10.0.0.0/8", "at most 65536 addresses"},
		{"10.1.2.3/24", "want a network such as"},
		{"fd00::/64", "at most 65536 addresses"},
		{"ten", "want a network such as"},
	} {
		out := lamplighter(t, "inventory", "discover", "--config", fleet.file("discover.yaml"), "--network", c.network)
		if out.code != 2 || !strings.Contains(out.stderr, c.want) {
			t.Errorf("%s: exit code %d: %s", c.network, out.code, out.stderr)
		}
	}
	if c := fleet.Counters().Total; c != (bmcsim.Counters{}.Total) {
		t.Errorf("something was asked: %+v", c)
	}
}
