package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

// hurry shortens the timeouts, for fleets with BMCs that use them up.
var hurry = []string{"--timeout", "ping=1s", "--timeout", "tls=2s", "--timeout", "redfish-login=3s", "--timeout", "ipmi-login=3s", "--timeout", "power=3s"}

// everyFault is the faults that hold under trust ca, each in one BMC, and a tenth of the BMCs dead.
func everyFault() bmcsim.Script {
	var script bmcsim.Script
	for _, info := range bmcsim.Faults {
		if info.Fault != bmcsim.Dead && (info.Trust == "" || info.Trust == inventory.TrustCA) {
			script = append(script, bmcsim.Step{Fault: info.Fault, Share: 0.0001}) // a share is never nobody
		}
	}
	return append(script, bmcsim.Step{Fault: bmcsim.Dead, Share: 0.1})
}

func TestSweepOf2000WithEveryFault(t *testing.T) { // not beside others: it takes all that the machine has
	plan := bmcsim.One(2000, 0.33)
	plan.Slow, plan.Script = 10500*time.Millisecond, everyFault() // a login is noted as slow from 10 s on
	fleet := simulate(t, plan)
	out := fleet.sweep(t, "--timeout", "ping=2s", "--timeout", "tls=4s", "--timeout", "redfish-login=14s", "--timeout", "ipmi-login=5s", "--timeout", "power=5s")
	found := byBMC(t, verdicts(t, out.stdout))
	if len(found) != 2000 || out.code != int(exitUnavailable) {
		t.Errorf("%d verdicts, exit code %d; want 2000 and 1\nstderr: %s", len(found), out.code, out.stderr)
	}
	planted, counters := fleet.Planted(), fleet.Counters()
	for _, bmc := range fleet.BMCs() {
		v, count := found[bmc.ID], counters.BMCs[bmc.ID]
		if len(planted[bmc.ID]) > 0 {
			failed, reason := wanted(planted[bmc.ID][0], bmc.Protocol)
			mustEnd(t, v, failed, reason)
			continue
		}
		if v.Health != checks.Available {
			t.Errorf("%s is healthy, yet %s at %q by %q: %+v", bmc.ID, v.Health, v.Failed, v.Reason, v.Trail)
		}
		if bmc.Protocol == inventory.Redfish && (count.Handshakes != 1 || count.Requests > 5 || count.Logins != 1 || count.Logouts != 1) {
			t.Errorf("%s: a Redfish round cost %+v, want 1 handshake, 1 login, 1 logout and at most 5 requests", bmc.ID, count)
		}
	}
	fleet.nothingLeft(t)
}

// TestWhatARoundCosts is not parallel: on a busy machine answers come late and datagrams are repeated.
func TestWhatARoundCosts(t *testing.T) {
	plan := bmcsim.One(60, 0.5)
	plan.Multi, plan.Auto = 0.5, 0
	fleet := simulate(t, plan)
	out := fleet.sweep(t, "--parallel", "8")
	counters := fleet.Counters()
	for id, v := range byBMC(t, verdicts(t, out.stdout)) {
		count, requests := counters.BMCs[id], int64(5)
		if factOf(v, "power", "systems") == "4" {
			requests += 3
		}
		if v.Health != checks.Available || count.Requests > requests || count.Datagrams > 7 || count.Logins != 1 || count.Logouts != 1 {
			t.Errorf("%s: %s, a round cost %+v; want at most %d requests, 7 datagrams, 1 login and 1 logout", id, v.Health, count, requests)
		}
	}
}

// TestTheDeadDoNotHoldUpTheLiving is not parallel: it measures time.
func TestTheDeadDoNotHoldUpTheLiving(t *testing.T) {
	fleet := simulateN(t, 2000)
	most := 2.0
	if long {
		most = 1.2
	}
	fleet.sweep(t, "--keyring", "") // BMCs make their certificates when first asked
	var ratios []float64
	for len(ratios) < 3 {
		without := fleet.lastLiving(t)
		for i, bmc := range fleet.BMCs() {
			if i%10 == 3 {
				fleet.plant(t, bmc.ID, bmcsim.Dead)
			}
		}
		with := fleet.lastLiving(t)
		for id := range fleet.Planted() {
			fleet.cure(t, id, bmcsim.Dead)
		}
		ratios = append(ratios, with.Seconds()/without.Seconds())
		t.Logf("last living BMC after %s, with a tenth dead after %s", without, with)
		if !long && len(ratios) == 1 && ratios[0] <= most {
			return // one good pair is enough in CI; a bad one on a busy machine asks for the median
		}
	}
	slices.Sort(ratios)
	if median := ratios[1]; median > most {
		t.Errorf("with a tenth of the BMCs dead the last living one was %.2f times as late, want at most %.1f: %.2f", median, most, ratios)
	}
}

// lastLiving is how long a sweep took until the last living BMC had its verdict.
func (s simulated) lastLiving(t *testing.T) (last time.Duration) {
	t.Helper()
	dead, start := s.Planted(), time.Now()
	all := byBMC(t, verdicts(t, s.sweep(t).stdout))
	for id, v := range all {
		if len(dead[id]) == 0 {
			last = max(last, v.At.Sub(start))
		}
	}
	if len(all) != len(s.BMCs()) {
		t.Errorf("%d verdicts, want %d", len(all), len(s.BMCs()))
	}
	return last
}

func TestFormatsHoldTheSameBMCs(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 30)
	fleet.plant(t, fleet.BMCs()[4].ID, bmcsim.WrongPassword)
	want := map[string]string{}
	for _, v := range verdicts(t, fleet.sweep(t).stdout) {
		want[string(v.BMC)] = v.Health.String()
	}
	if len(want) != 30 {
		t.Fatalf("%d verdicts, want 30", len(want))
	}
	for format, parse := range map[string]func(*testing.T, string) map[string]string{"table": parseTable, "json": parseJSON, "csv": parseCSV, "name": parseNames} {
		t.Run(format, func(t *testing.T) {
			out := lamplighter(t, fleet.args("sweep", "-o", format, "--memory", "none")...)
			got := parse(t, out.stdout)
			if format == "name" {
				for id := range got {
					got[id] = want[id]
				}
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if !strings.Contains(out.stderr, "30 BMCs: 29 available, 1 unavailable") || !strings.Contains(out.stderr, "auth.rejected") {
				t.Errorf("no summary on stderr: %s", out.stderr)
			}
		})
	}
}

func parseTable(t *testing.T, text string) map[string]string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if !strings.HasPrefix(lines[0], "BMC ") {
		t.Fatalf("header %q", lines[0])
	}
	at, found := strings.Index(lines[0], "HEALTH"), map[string]string{}
	for _, line := range lines[1:] {
		found[strings.Fields(line)[0]] = strings.Fields(line[at:])[0]
	}
	return found
}

func parseJSON(t *testing.T, text string) map[string]string {
	var all []results.Verdict
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, v := range all {
		found[string(v.BMC)] = v.Health.String()
	}
	return found
}

func parseCSV(t *testing.T, text string) map[string]string {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, row := range rows[1:] {
		found[row[slices.Index(rows[0], "bmc")]] = row[slices.Index(rows[0], "health")]
	}
	return found
}

func parseNames(_ *testing.T, text string) map[string]string {
	found := map[string]string{}
	for _, name := range strings.Fields(text) {
		found[name] = ""
	}
	return found
}

func TestSweepOfAPart(t *testing.T) {
	t.Parallel()
	fleet := simulate(t, bmcsim.Plan{Seed: 1, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 40}, {Name: "fra1", BMCs: 20, IPMI: 1}}})
	bad := fleet.BMCs()[2].ID
	fleet.plant(t, bad, bmcsim.WrongPassword)
	cases := []struct {
		name         string
		flags        []string
		count, asked int
	}{
		{"one site", []string{"--site", "fra1"}, 20, 20},
		{"one rack of one site", []string{"--site", "ams1", "--rack", "A02"}, 20, 20},
		{"racks of both sites", []string{"--rack", "A01,A02"}, 60, 60},
		{"only what failed: all are asked", []string{"--only", "failed"}, 1, 60},
		{"only a health", []string{"--only", "available"}, 59, 60},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out := fleet.sweep(t, c.flags...)
			if all := verdicts(t, out.stdout); len(all) != c.count {
				t.Errorf("%d verdicts, want %d", len(all), c.count)
			}
			if !strings.Contains(out.stderr, fmt.Sprintf("%d BMCs: ", c.asked)) {
				t.Errorf("want %d asked: %s", c.asked, out.stderr)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 6)
	bad := fleet.one(t, inventory.Redfish).ID
	keyring := strings.Replace(readFile(t, fleet.file("keyring.yaml")), "credentials:", "credentials:\n  unused:\n    username: x\n    password: y", 1)
	cases := []struct {
		name  string
		fault bmcsim.Fault
		more  []string
		code  exitCode
	}{
		{"all available", bmcsim.Suite3Only, nil, exitOK},
		{"one unavailable", bmcsim.WrongPassword, nil, exitUnavailable},
		{"usage", bmcsim.Suite3Only, []string{"--frobnicate"}, exitUsage},
		{"one degraded", bmcsim.PowerNull, nil, exitDegraded},
		{"no credentials", bmcsim.Suite3Only, []string{"--keyring", ""}, exitUnknown},
		{"unknown goes before degraded", bmcsim.PowerNull, []string{"--keyring", ""}, exitUnknown},
		{"unavailable goes before unknown", bmcsim.HungAfterTCP, []string{"--keyring", "", "--timeout", "tls=1s"}, exitUnavailable},
		{"a keyring with more than is needed", bmcsim.Suite3Only, []string{"--keyring", secretFile(t, "keyring.yaml", keyring)}, exitOK},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.fault != bmcsim.Suite3Only {
				fleet.plant(t, bad, c.fault)
				defer fleet.cure(t, bad, c.fault)
			}
			if out := fleet.sweep(t, c.more...); out.code != int(c.code) {
				t.Errorf("exit code %d, want %d\nstdout: %s\nstderr: %s", out.code, c.code, out.stdout, out.stderr)
			}
		})
	}
}

func TestInterruptedSweepPrintsWhatItFound(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 1500)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout, stderr lockedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, fleet.args("sweep", "-o", "ndjson", "--memory", "none", "--parallel", "16"), strings.NewReader(""), &stdout, &stderr)
	}()
	eventually(t, 30*time.Second, "100 verdicts", func() bool { return strings.Count(stdout.String(), "\n") > 100 })
	interrupt()
	select {
	case code := <-ended:
		if code != int(exitInterrupted) {
			t.Errorf("exit code %d, want 130", code)
		}
	case <-time.After(25 * time.Second):
		t.Fatal("the sweep did not end within 25 s of its interruption")
	}
	found := byBMC(t, verdicts(t, stdout.String()))
	if n := len(found); n <= 100 || n >= 1500 || !strings.Contains(stderr.String(), fmt.Sprintf("interrupted: %d of 1500 BMCs have no verdict", 1500-n)) {
		t.Errorf("%d verdicts, stderr: %s", n, stderr.String())
	}
	for _, v := range found {
		if v.Health != checks.Available {
			t.Errorf("%s: %s at %s by %s: %+v", v.BMC, v.Health, v.Failed, v.Reason, v.Trail)
		}
	}
	fleet.nothingLeft(t)
}
