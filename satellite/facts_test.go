package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lamplighter/results"
)

// documentedFacts are the names in the first column of docs/facts.md.
func documentedFacts(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(read(t, filepath.Join(repository, "docs/facts.md")), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			names[name[1]] = true
		}
	}
	return names
}

// TestEveryFactIsDocumented sweeps the demo's fleet, which has every fault, twice: the second time refused logins are fenced.
func TestEveryFactIsDocumented(t *testing.T) {
	t.Parallel() // it mostly waits for the silent
	fleet, err := demoFleet()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	serve(t, fleet, dir)
	documented, seen := documentedFacts(t), map[string]bool{}
	args := []string{"sweep", "-o", "ndjson", "--inventory", filepath.Join(dir, "inventory.csv"), "--keyring", filepath.Join(dir, "keyring.yaml"),
		"--ca", filepath.Join(dir, "ca.pem"), "--memory", filepath.Join(dir, "memory"),
		"--timeout", "ping=1s", "--timeout", "tls=2s", "--timeout", "redfish-login=3s", "--timeout", "ipmi-login=2s", "--timeout", "power=3s"}
	// A sweep of simulated BMCs has no typed user name, no ICMP, which loopback answers itself, and no other satellite; whoever has
	// another server's identity in the demo has no serial in its inventory.
	elsewhere := map[string]bool{"fence_ignored": true, "icmp": true, "second_opinion": true, "inventory_serial": true}
	missing := func() bool {
		for name := range documented {
			if !elsewhere[name] && !seen[name] {
				return true
			}
		}
		return false
	}
	// The second sweep finds fences. On a loaded machine the one BMC that tells a fact may not answer in time: then there are more.
	for n := 0; n < 2 || n < 6 && missing(); n++ {
		more := args
		if n == 1 {
			more = append(slices.Clone(args), "--site", "ams1")
		}
		out := lamplighter(t, more...)
		lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
		if len(lines) < 200 {
			t.Fatalf("%d verdicts: %s", len(lines), out.stderr)
		}
		for _, line := range lines {
			var v results.Verdict
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
			for _, r := range v.Trail {
				for name := range r.Facts {
					if strings.HasPrefix(name, "power.") {
						name = "power.<id>"
					}
					if !documented[name] && !seen[name] {
						t.Errorf("docs/facts.md does not explain %s, which %s emits", name, r.Check)
					}
					seen[name] = true
				}
			}
		}
	}
	for name := range documented {
		if seen[name] == elsewhere[name] {
			t.Errorf("docs/facts.md explains %s: emitted %v, expected %v", name, seen[name], !elsewhere[name])
		}
	}
}
