package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
)

// What a run is asked for by.
const (
	timeVariable = "LAMPLIGHTER_LAB"      // how long faults are injected: 3m
	seedVariable = "LAMPLIGHTER_LAB_SEED" // which ones, when, and for how long
)

// TestLab breaks a site of two satellites and 500 BMCs for a while and says what was lost. make lab runs it alone.
func TestLab(t *testing.T) {
	runs := []time.Duration{3 * time.Minute}
	switch {
	case os.Getenv(timeVariable) != "":
		d, err := time.ParseDuration(os.Getenv(timeVariable))
		if err != nil || d < time.Minute {
			t.Fatalf("%s=%q: want a time of at least 1m (%v)", timeVariable, os.Getenv(timeVariable), err)
		}
		runs = []time.Duration{d}
	case testing.Short():
		t.Skip("NOT TESTED: a site under faults, with -short")
	case os.Getenv("LAMPLIGHTER_LONG") != "":
		runs = []time.Duration{10 * time.Minute, 30 * time.Minute}
	}
	seed := uint64(1)
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	peers.Need(t, peers.RabbitMQ)
	peers.Need(t, peers.KafkaPeer)
	for _, d := range runs {
		t.Run(d.String(), func(t *testing.T) { run(t, d, seed) })
	}
}

func fleetPlan(bmcs int) bmcsim.Plan {
	return bmcsim.Plan{
		Seed: 1, Sites: []bmcsim.Site{{Name: siteName, BMCs: bmcs, IPMI: 0.4, PerRack: 20}},
		SessionLife: sessionLife, Events: 1 << 20,
	}
}

// run runs the lab once. Ctrl-C ends the faults and leaves the rest to clean up.
func run(t *testing.T, d time.Duration, seed uint64) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := newSite(ctx, t, fleetPlan(500), interval, "info")
	w := s.watch(ctx, t)
	for _, sat := range s.satellites {
		sat.start(t)
	}
	t.Cleanup(func() { s.logs(t) })
	h := History{Fleet: s.BMCs(), Interval: interval}
	s.settle(ctx, t, w)
	h.Began = time.Now()
	t.Logf("%d BMCs, %d satellites, faults for %s with seed %d; logs: %s", len(h.Fleet), len(s.satellites), d, seed, s.dir)
	h.Faults = s.torment(ctx, t, w, Plan(seed, 1000), h.Began.Add(d))
	h.Ended = time.Now()
	if ctx.Err() != nil {
		t.Fatal("interrupted")
	}
	s.drain(ctx, t, w, h.Ended)
	h.Open = s.Counters().Total.Open
	h.Events, h.Missed = s.Events()
	for _, mistake := range w.seen(&h) {
		t.Error(mistake)
	}
	report := h.Report()
	fmt.Printf("\n%s\n", report)
	for _, wrong := range report.Wrong() {
		t.Error(wrong)
	}
	if t.Failed() {
		s.keep(t, h)
	}
}

// keep writes the history down, for whoever looks for what became of a round.
func (s *site) keep(t *testing.T, h History) {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	s.put(t, "history.json", string(text))
	t.Logf("all that was seen is in %s", s.path("history.json"))
}

// settle waits until verdicts flow, by both satellites: for a whole interval.
func (s *site) settle(ctx context.Context, t *testing.T, w *watch) {
	t.Helper()
	if !until(ctx, 90*time.Second, func() bool { _, verdicts, _ := w.counts(); return verdicts >= len(s.BMCs())/10 || s.gone() != "" }) || s.gone() != "" {
		t.Fatalf("no verdicts flow; %s", s.gone())
	}
	if !sleep(ctx, quiet+s.interval) {
		t.Fatal("interrupted")
	}
}

// torment injects faults until end; one that would not be over by then is left out.
func (s *site) torment(ctx context.Context, t *testing.T, w *watch, plan []Fault, end time.Time) (done []Injected) {
	t.Helper()
	for i, f := range plan {
		const start = 15 * time.Second // of a broker or of Kafka
		if ctx.Err() != nil || time.Now().Add(f.Hold+start).After(end) {
			break
		}
		in := s.inject(ctx, t, f)
		done = append(done, in)
		tasks, verdicts, open := w.counts()
		t.Logf("%s fault %d: %s %s for %s; so far %d tasks, %d verdicts, %d rounds open",
			clock(in.From), i+1, in.Satellite, f.Kind, tenths(in.To.Sub(in.From)), tasks, verdicts, open)
		sleep(ctx, f.Pause)
		if gone := s.gone(); gone != "" {
			t.Error(gone)
			break
		}
	}
	sleep(ctx, time.Until(end))
	return done
}

// gone says which satellite ended by itself.
func (s *site) gone() string {
	for _, sat := range s.satellites {
		if sat.ended() {
			return sat.name + " has ended by itself"
		}
	}
	return ""
}

// drain waits until what was started before end is judged, ends the satellites one after the other, and waits until sessions
// have run out.
func (s *site) drain(ctx context.Context, t *testing.T, w *watch, end time.Time) {
	t.Helper()
	judged := func() bool { return w.openSince(end) == 0 && s.empty() }
	if !until(ctx, 2*time.Minute, judged) {
		t.Logf("%d rounds have no verdict after 2 minutes", w.openSince(end))
	}
	for _, sat := range s.satellites {
		sat.stop(t)
	}
	until(ctx, 10*time.Second, s.empty)
	until(ctx, sessionLife+5*time.Second, func() bool { return s.Counters().Total.Open == 0 })
}

// logs says, after a failure, where the logs are, and shows the end of each.
func (s *site) logs(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	t.Logf("logs, configurations, memories and spools are in %s", s.dir)
	for _, sat := range s.satellites {
		t.Logf("the end of %s:\n%s", sat.log, sat.tail(20))
	}
}
