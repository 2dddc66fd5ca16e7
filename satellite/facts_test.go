package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
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
	for _, more := range [][]string{nil, {"--site", "ams1"}} {
		out := lamplighter(t, append(args, more...)...)
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
	// A sweep of simulated BMCs has no typed user name, and no ICMP, which loopback answers itself.
	elsewhere := map[string]bool{"fence_ignored": true, "icmp": true}
	for name := range documented {
		if seen[name] == elsewhere[name] {
			t.Errorf("docs/facts.md explains %s: emitted %v, expected %v", name, seen[name], !elsewhere[name])
		}
	}
}
