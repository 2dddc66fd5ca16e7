package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

// long says whether the tests have the time of make long.
var long = os.Getenv("LAMPLIGHTER_LONG") != ""

// simulated is a simulated fleet that serves for the length of a test, and the files that a checker needs to go round it.
type simulated struct {
	*bmcsim.Fleet
	dir string
}

// simulate serves the fleet of a plan.
func simulate(t testing.TB, p bmcsim.Plan) simulated {
	t.Helper()
	fleet, err := bmcsim.NewFleet(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Listen(0, 0); err != nil {
		t.Fatal(err)
	}
	s := simulated{fleet, t.TempDir()}
	if err := fleet.WriteFiles(s.dir); err != nil {
		fleet.Close()
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- fleet.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the simulated fleet did not end within 20 s")
		}
	})
	return s
}

// simulateN is n BMCs, a third of them IPMI, all of them healthy.
func simulateN(t testing.TB, n int) simulated { return simulate(t, bmcsim.One(n, 0.33)) }

func (s simulated) file(name string) string { return filepath.Join(s.dir, name) }

// args are the flags that a sweep or check of this fleet needs, without --memory.
func (s simulated) args(command string, more ...string) []string {
	return append([]string{command, "--inventory", s.file("inventory.csv"), "--keyring", s.file("keyring.yaml"), "--ca", s.file("ca.pem")}, more...)
}

// sweep sweeps the fleet with nothing remembered and NDJSON printed.
func (s simulated) sweep(t testing.TB, more ...string) outcome {
	t.Helper()
	return lamplighter(t, s.args("sweep", append([]string{"-o", "ndjson", "--memory", "none"}, more...)...)...)
}

// one is the first BMC that speaks p.
func (s simulated) one(t testing.TB, p inventory.Protocol) inventory.BMC {
	t.Helper()
	for _, b := range s.BMCs() {
		if b.Protocol == p {
			return b
		}
	}
	t.Fatalf("no BMC of the simulated fleet speaks %s", p)
	return inventory.BMC{}
}

// plant sets a fault.
func (s simulated) plant(t testing.TB, id inventory.ID, fault bmcsim.Fault) {
	t.Helper()
	if n, err := s.Set(string(id), fault); err != nil || n == 0 {
		t.Fatalf("plant %s in %s: %d BMCs, %v", fault, id, n, err)
	}
}

// cure takes a fault back.
func (s simulated) cure(t testing.TB, id inventory.ID, fault bmcsim.Fault) {
	t.Helper()
	if _, err := s.Clear(string(id), fault); err != nil {
		t.Fatal(err)
	}
}

// verdicts reads NDJSON.
func verdicts(t testing.TB, ndjson string) []results.Verdict {
	t.Helper()
	var all []results.Verdict
	for line := range strings.Lines(ndjson) {
		var v results.Verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("verdict %q: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// byBMC is one verdict for each BMC; a second one is an error.
func byBMC(t testing.TB, all []results.Verdict) map[inventory.ID]results.Verdict {
	t.Helper()
	found := make(map[inventory.ID]results.Verdict, len(all))
	for _, v := range all {
		if _, twice := found[v.BMC]; twice {
			t.Errorf("%s has two verdicts", v.BMC)
		}
		found[v.BMC] = v
	}
	return found
}

// mustEnd fails unless v ended at check by reason.
func mustEnd(t testing.TB, v results.Verdict, check, reason string) {
	t.Helper()
	if string(v.Failed) != check || string(v.Reason) != reason {
		t.Errorf("%s ended at %q by %q, want %q by %q: %+v", v.BMC, v.Failed, v.Reason, check, reason, v.Trail)
	}
}

// eventually waits for what another goroutine or process brings about.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// nothingLeft fails where a session stayed open, or where a secret or a connection went astray.
func (s simulated) nothingLeft(t testing.TB) {
	t.Helper()
	c := s.Counters()
	if c.Total.Open != 0 || c.Total.MaxOpen > 1 {
		t.Errorf("%d sessions left open, at most %d at once at one BMC; want 0 and 1", c.Total.Open, c.Total.MaxOpen)
	}
	if c.Total.ForeignSecrets != 0 || c.Total.UnknownSecrets != 0 || c.Trap != (bmcsim.TrapCount{}) || c.Strays != 0 {
		t.Errorf("went astray: %d secrets of other BMCs, %d unknown secrets, trap %+v, %d strays; want none",
			c.Total.ForeignSecrets, c.Total.UnknownSecrets, c.Trap, c.Strays)
	}
}

// wanted is what a checker under trust ca should say of a BMC with this fault: where the chain ends, or "" and a note.
func wanted(fault bmcsim.Fault, protocol inventory.Protocol) (failed, reason string) {
	info := fault.Info()
	failed = info.Check
	switch {
	case info.Note:
		failed = ""
	case failed == "login":
		failed = fmt.Sprintf("%s-login", protocol)
	}
	return failed, info.Reason
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
