package run_test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/run"
)

// slowFleet is four BMCs whose login takes that long, and a satellite whose checks give up after a second. end stops both.
func slowFleet(t *testing.T, login time.Duration, b *book, change func(*run.Config)) (s *run.Satellite, fleet *bmcsim.Fleet, end func()) {
	t.Helper()
	fleet, err := bmcsim.NewFleet(bmcsim.Plan{
		Sites: []bmcsim.Site{{Name: "s", BMCs: 4}}, Slow: login, Script: bmcsim.Script{{Fault: bmcsim.Slow}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := fleet.Listen(0, 0); err != nil {
		t.Fatal(err)
	}
	settings := checks.DefaultSettings()
	settings.Trust = inventory.Trust{Mode: inventory.TrustInsecure}
	wires, err := checks.OpenWires(settings)
	if err != nil {
		t.Fatal(err)
	}
	m, err := memory.Open("")
	if err != nil {
		t.Fatal(err)
	}
	c := run.Config{Name: "sat", Chain: checks.Default(), Keyring: fleet, Memory: m, Sink: b, Visit: wires.Visit}
	for i := range c.Chain {
		if c.Chain[i].Logs {
			c.Chain[i].Timeout = time.Second
		}
	}
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var behind errgroup.Group
	behind.Go(func() error { return fleet.Run(ctx) })
	behind.Go(func() error { return wires.Run(ctx) })
	return run.New(c), fleet, func() {
		cancel()
		if err := behind.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func TestASessionThatTheBMCMakesAfterTheTimeoutIsEnded(t *testing.T) {
	var b book
	s, fleet, end := slowFleet(t, 3*time.Second, &b, nil)
	defer end()
	if err := s.Sweep(t.Context(), fleet.BMCs()); err != nil {
		t.Fatal(err)
	}
	if c := fleet.Counters().Total; c.Logins != 4 || c.Open != 0 {
		t.Errorf("%d logins, %d sessions open; want 4 and 0", c.Logins, c.Open)
	}
	all := b.all()
	if len(all) != 4 {
		t.Fatalf("%d verdicts, want 4", len(all))
	}
	for _, v := range all {
		if v.Reason != checks.APITimeout || time.Since(v.At) < time.Second {
			t.Errorf("%s: %q, %v before the end; want api.timeout as soon as the check had ended", v.BMC, v.Reason, time.Since(v.At))
		}
	}
}

func TestAStopDoesNotWaitLongForALateLoginAndMissesNoVerdict(t *testing.T) {
	var b book
	out := make(chan results.Verdict, 4)
	s, fleet, end := slowFleet(t, time.Minute, &b, func(c *run.Config) {
		c.Drain = 100 * time.Millisecond
		c.Sink = results.Func(func(_ context.Context, v results.Verdict) error { out <- v; return nil })
	})
	defer end()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := time.Now()
	var once errgroup.Group
	once.Go(func() error { return s.Sweep(ctx, fleet.BMCs()) })
	for range 4 {
		select {
		case <-out:
		case <-time.After(20 * time.Second):
			t.Fatal("not all verdicts within 20 s")
		}
	}
	cancel()
	if err := once.Wait(); err != nil {
		t.Errorf("%v, although all verdicts were out", err)
	}
	if took := time.Since(start); took > 12*time.Second {
		t.Errorf("the stop took %v", took)
	}
}
