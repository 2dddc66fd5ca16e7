package main

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/schedule"
)

// TestASiteOfTwoSatellites has sites of two real processes on one RabbitMQ and one Kafka, each with a fleet of its own.
func TestASiteOfTwoSatellites(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: a site of two satellites, with -short")
	}
	t.Parallel()
	peers.Need(t, peers.RabbitMQ)
	x := openExchange(t)
	t.Run("together", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *exchange){
			"the login rule holds over duplicates and kills": loginRule,
			"stop silences a site":                           killSwitch,
			"a person has a BMC checked again":               recheckAndFences,
			"a rolling restart loses nothing":                rollingRestart,
			"the audit names what was dropped":               auditOfASite,
			"a panic harms its own BMC alone":                poisonInASite,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, x)
			})
		}
	})
}

// ruleTime is how long this test of the login rule goes on.
func ruleTime() time.Duration {
	if long {
		return 5 * time.Minute
	}
	return 45 * time.Second
}

// loginRule: every BMC refuses its password and takes its time for it, tasks come twice and at the wrong satellite, satellites are
// killed in the middle of logins. Ownership moves only with the kills.
func loginRule(t *testing.T, x *exchange) {
	fleet := room(t, "rule", 40, 1500*time.Millisecond)
	for _, fault := range []bmcsim.Fault{bmcsim.WrongPassword, bmcsim.Slow} {
		if _, err := fleet.Set("*", fault); err != nil {
			t.Fatal(err)
		}
	}
	p := newPair(t, x, fleet, 4*time.Second, "fence: {pause_min: 6s, pause_max: 12s}\n")
	p.logs(t)
	copies := p.duplicate(t, 3)
	p.start(t, "sat-a", "sat-b")
	moved := map[inventory.ID]bool{}
	running := func() bool { c := p.Counters().Total; return c.Attempts > c.Logins+c.Refused }
	names, kills := []string{"sat-a", "sat-b"}, 0
	for end := time.Now().Add(ruleTime()); time.Now().Before(end); kills++ {
		eventually(t, 60*time.Second, "a login that runs, or none is left", func() bool { return running() || time.Now().After(end) })
		name := names[kills%2]
		for _, bmc := range p.BMCs() {
			if p.owner(t, bmc.ID) == name {
				moved[bmc.ID] = true
			}
		}
		p.kill9(t, name)
		time.Sleep(time.Duration(1+rand.IntN(8)) * time.Second)
		p.start(t, name)
		p.judging(t, time.Now(), names[(kills+1)%2])
	}
	p.stop(t, names...)
	p.wantRule(t, moved, kills, int(copies()))
}

func (p *pair) wantRule(t *testing.T, moved map[inventory.ID]bool, kills, copies int) {
	t.Helper()
	c, tries := p.Counters(), map[int64]int{}
	for _, bmc := range p.BMCs() {
		refused := c.BMCs[bmc.ID].Refused
		tries[refused]++
		if most := map[bool]int64{false: 2, true: 3}[moved[bmc.ID]]; refused > most {
			t.Errorf("%s (%s): %d refused logins, want at most %d", bmc.ID, bmc.Protocol, refused, most)
		}
	}
	t.Logf("%d kills, %d copies of tasks; BMCs by refused logins: %v", kills, copies, tries)
	if tries[2]+tries[1] < len(p.BMCs())/2 || copies < 100 || kills < 2 {
		t.Errorf("this proved nothing: %v", tries)
	}
	said := map[checks.Reason]int{}
	for _, v := range p.verdicts(t) {
		said[v.Reason]++
	}
	t.Logf("verdicts by reason: %v", said)
	if said[checks.AuthRejected] == 0 || said[checks.AuthFenced] == 0 || p.Counters().Total.MaxOpen > 0 {
		t.Errorf("want refusals and fences: %v", said)
	}
}

// duplicate sends a copy of each nth task until the test ends: in turn to both own mailboxes, and, as if it had been spilled, to the
// shared one of its check. It says how many so far.
func (p *pair) duplicate(t *testing.T, nth int64) (copies func() int64) {
	t.Helper()
	b := p.bus(t)
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var n, sent int64
	known := map[string]bool{}
	var tapping sync.WaitGroup
	tapping.Go(func() {
		err := b.Tap(ctx, "lamplighter.tap", p.own(), func(_ bus.Mailbox, m bus.Message) {
			mu.Lock()
			n++
			again := known[m.ID] || n%nth != 0
			known[m.ID] = true
			to := []bus.Mailbox{p.own()[0], p.own()[1], m.Spill}[n/nth%3]
			mu.Unlock()
			if again || ctx.Err() != nil {
				return
			}
			if !to.IsOwn() {
				m.Spill = ""
			}
			if b.Send(ctx, to, m) == nil {
				mu.Lock()
				sent++
				mu.Unlock()
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); tapping.Wait() })
	return func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return sent
	}
}

// killSwitch: from 5 s after the order on nothing is sent but logouts, also by satellites that are killed and start again.
func killSwitch(t *testing.T, x *exchange) {
	fleet := room(t, "halt", 60, 3*time.Second)
	if _, err := fleet.Set("halt-*-u0[1-3]", bmcsim.Slow); err != nil {
		t.Fatal(err)
	}
	p := newPair(t, x, fleet, 3*time.Second, "")
	p.logs(t)
	p.both(t)
	ordered := time.Now()
	said := p.ask(t, exitOK, "stop", "--reason", "flood in room 3")
	t.Logf("stop took %v: %s", time.Since(ordered).Round(time.Millisecond), said)
	if !strings.Contains(said, "sat-a  stopped") || !strings.Contains(said, "sat-b  stopped") {
		t.Errorf("stop printed %q", said)
	}
	time.Sleep(time.Until(ordered.Add(5 * time.Second)))
	silence := p.silence()
	time.Sleep(4 * time.Second)
	silence(t, "while it is stopped")
	from, to := ordered.Add(-2*time.Second), time.Now().Add(-time.Second)
	p.stop(t, "sat-a")
	p.start(t, "sat-a")
	p.kill9(t, "sat-b")
	p.start(t, "sat-b")
	time.Sleep(12 * time.Second) // both listen, own their BMCs, and would start rounds
	silence(t, "after restarts")
	again := time.Now()
	p.ask(t, exitOK, "go")
	p.judging(t, again, "sat-a", "sat-b")
	if !slices.ContainsFunc(p.verdicts(t), func(v results.Verdict) bool { return v.Reason == checks.SelfStopped }) {
		t.Error("no verdict says that it was stopped")
	}
	eventually(t, 20*time.Second, "who stopped the site, and had it go on, is on Kafka once each", func() bool {
		return slices.Equal(p.acts(), []string{"stop " + who() + " flood in room 3", "go " + who() + " "})
	})
	p.stop(t, "sat-a", "sat-b")
	p.wantAll(t, from, to, schedule.Stopped, schedule.Running, schedule.Overload)
	p.nothingLeft(t)
}

// acts are what people did to the site, as Kafka has it.
func (p *pair) acts() (all []string) {
	for _, r := range p.exchange.site(p.site) {
		var a results.Act
		if headerOf(r, "ce_type") == kafka.ActType && json.Unmarshal(r.Value, &a) == nil {
			all = append(all, a.Do+" "+a.Who+" "+a.Note)
		}
	}
	return all
}

// wantAll wants a verdict of each round due in a time, or a record that says why not.
func (p *pair) wantAll(t *testing.T, from, to time.Time, allowed ...string) {
	t.Helper()
	var missing []checks.Round
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if missing = p.missing(t, from, to, allowed...); len(missing) == 0 {
			return
		}
	}
	t.Errorf("%d rounds due from %s to %s were lost, or skipped:", len(missing), from.Format("15:04:05"), to.Format("15:04:05"))
	for _, round := range missing[:min(3, len(missing))] {
		t.Errorf("%s is missing:\n%s", round, p.story(t, round.BMC))
	}
}

// silence remembers what the fleet saw so far; what it returns fails when more came since than logouts.
func (p *pair) silence() func(*testing.T, string) {
	before := p.Counters()
	return func(t *testing.T, when string) {
		t.Helper()
		for id, now := range p.Counters().BMCs {
			was := before.BMCs[id]
			logouts := now.Logouts - was.Logouts
			if now.Connections != was.Connections || now.Handshakes != was.Handshakes || now.Attempts != was.Attempts ||
				now.Requests-was.Requests > logouts || now.Datagrams-was.Datagrams > 2*logouts {
				t.Errorf("%s: %s saw more than a logout: %+v, before %+v", when, id, now, was)
			}
		}
	}
}

// ask runs a command of a person's at the site.
func (p *pair) ask(t *testing.T, want exitCode, args ...string) string {
	t.Helper()
	out := lamplighter(t, append(args, "--config", p.path("sat-b.yaml"))...)
	if out.code != int(want) {
		t.Errorf("%q: exit code %d, want %d: %s%s", args, out.code, want, out.stdout, out.stderr)
	}
	return out.stdout
}

// recheckAndFences: whoever owns the BMC, results come as they are found, and a visit that runs is joined.
func recheckAndFences(t *testing.T, x *exchange) {
	fleet := room(t, "person", 20, 4*time.Second)
	p := newPair(t, x, fleet, 20*time.Second, "")
	p.logs(t)
	p.both(t)
	eventually(t, 60*time.Second, "a verdict of each BMC", func() bool {
		return !slices.ContainsFunc(p.BMCs(), func(b inventory.BMC) bool { return p.owner(t, b.ID) == "" })
	})
	var quickest time.Duration
	for _, owner := range []string{"sat-a", "sat-b"} {
		for _, bmc := range p.owned(t, owner, 3) {
			first, said := p.recheck(t, bmc.ID)
			if quickest == 0 || first < quickest {
				quickest = first
			}
			if !strings.Contains(said, "checked by satellite "+owner) || !regexp.MustCompile(`(?is)ping.*login.*power.*available`).MatchString(said) {
				t.Errorf("%s of %s:\n%s", bmc.ID, owner, said)
			}
			t.Logf("%s of %s: first line after %v", bmc.ID, owner, first.Round(time.Millisecond))
		}
	}
	// 300 ms are promised; beside other tests, with the race detector, a process alone takes as long to begin.
	if t.Logf("the quickest first line came after %v of 300 ms", quickest); quickest > time.Second {
		t.Errorf("the quickest first line came after %v, want 300 ms, and 1 s on a busy machine", quickest)
	}
	p.joined(t)
	p.fenced(t)
	p.stop(t, "sat-a", "sat-b")
	if c := p.Counters().Total; c.Open != 0 || c.MaxOpen > 1 {
		t.Errorf("%d sessions open, at most %d at once at one BMC", c.Open, c.MaxOpen)
	}
}

// owned are the first n BMCs of a satellite's.
func (p *pair) owned(t *testing.T, satellite string, n int) (all []inventory.BMC) {
	t.Helper()
	for _, bmc := range p.BMCs() {
		if p.owner(t, bmc.ID) == satellite && len(all) < n {
			all = append(all, bmc)
		}
	}
	if len(all) < n {
		t.Fatalf("%s owns only %d", satellite, len(all))
	}
	return all
}

// recheck runs the command as a person does, and says when its first line came.
func (p *pair) recheck(t *testing.T, bmc inventory.ID) (first time.Duration, said string) {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr lockedBuffer
	cmd := exec.Command(program, "recheck", string(bmc), "--config", p.path("sat-a.yaml"))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began, ended := time.Now(), make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- cmd.Wait() }()
	for err = nil; first == 0 || len(ended) == 0; time.Sleep(2 * time.Millisecond) {
		if first == 0 && strings.Contains(stdout.String(), "checked by satellite") {
			first = time.Since(began)
		}
		if first == 0 && len(ended) > 0 {
			break
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("recheck %s: %v\n%s%s", bmc, err, stdout.String(), stderr.String())
	}
	return first, stdout.String()
}

// joined: a person who asks in the middle of a routine round gets that one's verdict; the BMC sees one visit.
func (p *pair) joined(t *testing.T) {
	t.Helper()
	bmc := p.one(t, inventory.Redfish)
	p.plant(t, bmc.ID, bmcsim.Slow)
	before := p.Counters().BMCs[bmc.ID]
	eventually(t, 40*time.Second, "a login of a routine round", func() bool { return p.Counters().BMCs[bmc.ID].Attempts > before.Attempts })
	out := lamplighter(t, "recheck", string(bmc.ID), "--json", "--config", p.path("sat-b.yaml"))
	after := p.Counters().BMCs[bmc.ID]
	if v := out.verdict(t); v.Round.Why != checks.Routine || v.Health != checks.Available && v.Health != checks.Degraded || after.Attempts != before.Attempts+1 || after.Handshakes != before.Handshakes+1 {
		t.Errorf("%s is %s; %d logins, %d handshakes: want the round that ran", v.Round, v.Health, after.Attempts-before.Attempts, after.Handshakes-before.Handshakes)
	}
	p.cure(t, bmc.ID, bmcsim.Slow)
}

// fenced: a refusal is listed, the next round obeys it, a person clears it, and the round after logs in.
func (p *pair) fenced(t *testing.T) {
	t.Helper()
	bmc := p.owned(t, "sat-a", 1)[0]
	p.plant(t, bmc.ID, bmcsim.WrongPassword)
	eventually(t, 40*time.Second, "a refusal", func() bool { return p.refusals(bmc.ID) == 1 })
	var stand fences
	eventually(t, 20*time.Second, "the fence is listed", func() bool {
		if err := json.Unmarshal([]byte(p.ask(t, exitOK, "fence", "list", "--json")), &stand); err != nil {
			t.Fatal(err)
		}
		return len(stand.Fences) == 1
	})
	if f := stand.Fences[0]; f.BMC != bmc.ID || f.Tries != 1 || f.Final {
		t.Errorf("%+v", f)
	}
	p.cure(t, bmc.ID, bmcsim.WrongPassword)
	if said := p.ask(t, exitOK, "fence", "clear", string(bmc.ID)); !strings.Contains(said, "is cleared") {
		t.Errorf("fence clear printed %q", said)
	}
	if said := p.ask(t, exitOK, "fence", "list"); said != "no fence stands\n" {
		t.Errorf("fence list printed %q", said)
	}
	since := time.Now()
	eventually(t, 40*time.Second, "a login of a routine round after the fence", func() bool {
		return slices.ContainsFunc(p.verdicts(t), func(v results.Verdict) bool {
			return v.BMC == bmc.ID && v.At.After(since) && v.Health == checks.Available && v.Round.Why == checks.Routine
		})
	})
}

// rollingRestart: one satellite after the other ends in peace and starts again, while slow logins run.
func rollingRestart(t *testing.T, x *exchange) {
	fleet := room(t, "roll", 80, 2*time.Second)
	if _, err := fleet.Set("roll-*-u0[1-4]", bmcsim.Slow); err != nil {
		t.Fatal(err)
	}
	p := newPair(t, x, fleet, 10*time.Second, "")
	p.logs(t)
	p.both(t)
	time.Sleep(p.interval) // what waited for the start has its verdict
	from := time.Now()
	for _, name := range []string{"sat-a", "sat-b"} {
		running := func() bool { c := p.Counters().Total; return c.Attempts > c.Logins+c.Refused }
		eventually(t, 20*time.Second, "a login that takes its time", running)
		p.stop(t, name)
		p.start(t, name)
		p.judging(t, time.Now(), name)
	}
	to := time.Now()
	time.Sleep(10 * time.Second)
	p.stop(t, "sat-a", "sat-b")
	p.wantAll(t, from, to)
	for _, v := range p.verdicts(t) {
		if v.Health != checks.Available && v.Health != checks.Degraded {
			t.Errorf("%s: %s by %s: %+v", v.Round, v.Health, v.Reason, v.Trail)
		}
	}
	p.nothingLeft(t)
}
