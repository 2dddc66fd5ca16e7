package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

// rounds is a fleet, and lamplighter all going round it.
type rounds struct {
	simulated
	*process
	dir, config string
}

// goRound starts lamplighter all; more is added to its configuration. Where it is to answer questions api says where.
func goRound(t *testing.T, fleet simulated, interval time.Duration, more string, api ...string) *rounds {
	t.Helper()
	r := &rounds{simulated: fleet, dir: t.TempDir()}
	r.config = filepath.Join(r.dir, "lamplighter.yaml")
	text := fmt.Sprintf(`satellite: sat-a
inventory: %s
targets: {loopback: true}
keyring: %s
ca_file: %s
memory: %s
verdicts: %s
ping: [rmcp]
results: {store: %s, listen: "%s"}
interval: %s
every: {redfish-login: 0s, ipmi-login: 0s, power: 0s}
`, fleet.file("inventory.csv"), fleet.file("keyring.yaml"), fleet.file("ca.pem"), r.path("memory"), r.path("verdicts.ndjson"), r.path("results"), strings.Join(api, ""), interval)
	if err := os.WriteFile(r.config, []byte(text+more), 0o600); err != nil {
		t.Fatal(err)
	}
	r.restart(t)
	return r
}

func (r *rounds) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rounds) restart(t *testing.T) { r.process = start(t, nil, "all", "--config", r.config) }

// of is the verdicts of a BMC until now, oldest first. A last line that is not yet whole is left out.
func (r *rounds) of(t *testing.T, id inventory.ID) (found []results.Verdict) {
	t.Helper()
	text, err := os.ReadFile(r.path("verdicts.ndjson"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	whole := string(text[:strings.LastIndexByte(string(text), '\n')+1])
	for _, v := range verdicts(t, whole) {
		if v.BMC == id || id == "" {
			found = append(found, v)
		}
	}
	return found
}

// until waits for a verdict of a BMC by a reason, and returns all its verdicts.
func (r *rounds) until(t *testing.T, id inventory.ID, reason checks.Reason) (found []results.Verdict) {
	t.Helper()
	before := len(r.of(t, id))
	eventually(t, 40*time.Second, fmt.Sprintf("a verdict of %s by %q; stderr: %s", id, reason, r.stderr.String()), func() bool {
		found = r.of(t, id)
		return slices.ContainsFunc(found[before:], func(v results.Verdict) bool { return v.Reason == reason })
	})
	return found
}

// racks is a fleet of more than one rack, so that a dead BMC can be told from our own blindness.
func racks(t *testing.T, bmcs int) simulated {
	return simulate(t, bmcsim.Plan{Seed: 1, Slow: 2 * time.Second, Sites: []bmcsim.Site{{Name: "ams1", BMCs: bmcs, IPMI: 0.3, PerRack: 5}}})
}

func TestAllGoesRoundAndRound(t *testing.T) {
	t.Parallel()
	r := goRound(t, racks(t, 20), 2*time.Second, "timeouts: {ping: 1s}\n")
	bmcs := r.BMCs()
	eventually(t, 40*time.Second, "three rounds of each BMC", func() bool {
		return !slices.ContainsFunc(bmcs, func(b inventory.BMC) bool { return len(r.of(t, b.ID)) < 3 })
	})
	for _, v := range r.of(t, "") {
		if v.Health != checks.Available || v.Satellite != "sat-a" {
			t.Errorf("%s by %s of %q: %+v", v.Health, v.Reason, v.Satellite, v.Trail)
		}
	}

	dead := bmcs[3].ID
	r.plant(t, dead, bmcsim.Dead)
	mustEnd(t, last(r.until(t, dead, checks.NetTimeout)), "ping", "net.timeout")
	r.cure(t, dead, bmcsim.Dead)
	r.until(t, dead, "")

	for _, protocol := range []inventory.Protocol{inventory.Redfish, inventory.IPMI} {
		refusing := r.one(t, protocol).ID
		r.plant(t, refusing, bmcsim.WrongPassword)
		found := r.until(t, refusing, checks.AuthFenced)
		first := found[slices.IndexFunc(found, func(v results.Verdict) bool { return v.Reason == checks.AuthRejected })]
		fenced := found[slices.IndexFunc(found, func(v results.Verdict) bool { return v.Reason == checks.AuthFenced })]
		login := string(protocol) + "-login"
		if n := r.refusals(refusing); n != 1 {
			t.Errorf("%s: %d refused logins, want 1", refusing, n)
		}
		if factOf(fenced, login, "fence_round") != first.Round.String() || factOf(fenced, login, "fence_at") == "" {
			t.Errorf("the trail does not name the round %s that was refused: %+v", first.Round, fenced.Trail)
		}
	}
	r.endsWell(t, bmcs)
}

func last[T any](all []T) T { return all[len(all)-1] }

// endsWell sends SIGTERM while slow logins run.
func (r *rounds) endsWell(t *testing.T, bmcs []inventory.BMC) {
	t.Helper()
	if _, err := r.Set("ams1-a04-*", bmcsim.Slow); err != nil {
		t.Fatal(err)
	}
	running := func() bool { c := r.Counters().Total; return c.Attempts > c.Logins+c.Refused }
	eventually(t, 20*time.Second, "a login that takes its time", running)
	if code := r.signal(t, syscall.SIGTERM, 25*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0; stderr: %s", code, r.stderr.String())
	}
	r.nothingLeft(t)
	seen := map[string]bool{}
	logins, counted := map[inventory.ID]int64{}, r.Counters()
	for _, v := range r.of(t, "") {
		if seen[v.Round.String()] {
			t.Errorf("round %s has two verdicts", v.Round)
		}
		seen[v.Round.String()] = true
		for _, result := range v.Trail {
			if strings.HasSuffix(string(result.Check), "-login") && result.Outcome == checks.OK {
				logins[v.BMC]++
			}
		}
	}
	for _, b := range bmcs {
		if logins[b.ID] != counted.BMCs[b.ID].Logins {
			t.Errorf("%s: %d logins, but verdicts of %d", b.ID, counted.BMCs[b.ID].Logins, logins[b.ID])
		}
	}
}

func TestAllIsKilled(t *testing.T) {
	t.Parallel()
	fleet := racks(t, 20)
	refusing := fleet.one(t, inventory.Redfish).ID
	fleet.plant(t, refusing, bmcsim.WrongPassword)
	fleet.plant(t, refusing, bmcsim.Slow) // so that the process dies between intent and outcome
	r := goRound(t, fleet, 2*time.Second, "")
	eventually(t, 20*time.Second, "a login at the BMC that is going to refuse it", func() bool { return fleet.Counters().BMCs[refusing].Attempts == 1 })
	if code := r.signal(t, syscall.SIGKILL, 5*time.Second); code != -1 {
		t.Fatalf("exit code %d after SIGKILL", code)
	}
	eventually(t, 10*time.Second, "the refusal that nobody waits for", func() bool { return fleet.refusals(refusing) == 1 })
	if most := fleet.Counters().Total.MaxOpen; most > 1 {
		t.Errorf("%d sessions left at one BMC, want at most 1", most)
	}
	fleet.cure(t, refusing, bmcsim.Slow)
	r.restart(t)
	mustEnd(t, last(r.until(t, refusing, checks.SelfLoginUnsure)), "redfish-login", "self.login_unsure")
	before := len(r.of(t, ""))
	eventually(t, 20*time.Second, "another round of each BMC", func() bool {
		newest := map[inventory.ID]results.Verdict{}
		for _, v := range r.of(t, "")[before:] {
			newest[v.BMC] = v
		}
		for id, v := range newest {
			// A login that was under way when the process died is unsure, whoever's it was.
			if id != refusing && v.Health != checks.Available && v.Reason != checks.SelfLoginUnsure {
				t.Fatalf("%s: %s by %s: %+v", id, v.Health, v.Reason, v.Trail)
			}
		}
		return len(newest) == len(fleet.BMCs())
	})
	if n := fleet.Counters().BMCs[refusing].Attempts; n != 1 {
		t.Errorf("%d logins at the BMC that refuses, want the 1 from before", n)
	}
	if code := r.signal(t, syscall.SIGTERM, 25*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM; stderr: %s", code, r.stderr.String())
	}
}

func TestAllConfirmsSoonerThanTheInterval(t *testing.T) {
	t.Parallel()
	const interval = 3 * time.Minute
	fleet := racks(t, 100)
	now := time.Now()
	soon := slices.MinFunc(fleet.BMCs(), func(a, b inventory.BMC) int {
		from := now.Add(15 * time.Second) // the process has to start first
		return checks.Due(a.ID, interval, from).Compare(checks.Due(b.ID, interval, from))
	})
	fleet.plant(t, soon.ID, bmcsim.Dead)
	r := goRound(t, fleet, interval, "")
	eventually(t, 100*time.Second, "a verdict and its confirmation", func() bool { return len(r.of(t, soon.ID)) >= 2 })
	found := r.of(t, soon.ID)
	if first, second := found[0].Round, found[1].Round; first.Why != checks.Routine || second.Why != checks.Confirm || second.Due.Sub(first.Due) > time.Minute {
		t.Errorf("rounds %s and %s: want a routine one and its confirmation within a minute", first, second)
	}
	if code := r.signal(t, syscall.SIGTERM, 25*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM; stderr: %s", code, r.stderr.String())
	}
}

func TestAllChecksItsOwnSiteOnly(t *testing.T) {
	t.Parallel()
	fleet := simulate(t, bmcsim.Plan{Seed: 1, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 5}, {Name: "fra1", BMCs: 5}}})
	r := goRound(t, fleet, time.Second, "site: fra1\n")
	eventually(t, 20*time.Second, "20 verdicts", func() bool { return len(r.of(t, "")) >= 20 })
	for _, v := range r.of(t, "") {
		if v.Site != "fra1" {
			t.Fatalf("%s of site %q was checked", v.BMC, v.Site)
		}
	}
	if code := r.signal(t, syscall.SIGTERM, 25*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM; stderr: %s", code, r.stderr.String())
	}
}
