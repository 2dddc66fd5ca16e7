package run_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/run"
	"lamplighter/satellite/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type ask func(context.Context, *checks.Visit) (checks.Finding, error)

// takes is a check that is answered after d; by a BMC labelled dead never.
func takes(d time.Duration) ask {
	return func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
		if v.BMC.Labels["dead"] != "" {
			<-ctx.Done()
			return checks.Finding{}, checks.Blame(checks.NetTimeout, ctx.Err())
		}
		select {
		case <-time.After(d):
			return checks.Finding{}, nil
		case <-ctx.Done():
			return checks.Finding{}, ctx.Err()
		}
	}
}

func chain() checks.Chain {
	return checks.Chain{
		{Name: checks.Ping, Timeout: 3 * time.Second, Run: takes(10 * time.Millisecond)},
		{Name: checks.TLS, Timeout: 10 * time.Second, Run: takes(300 * time.Millisecond)},
		{Name: checks.RedfishLogin, Timeout: 30 * time.Second, Every: time.Hour, Logs: true, Run: takes(500 * time.Millisecond)},
		{Name: checks.Power, Timeout: 15 * time.Second, Every: time.Hour, Run: takes(100 * time.Millisecond)},
	}
}

type keyring struct{}

func (keyring) Credentials(_ context.Context, name string) (inventory.Credentials, error) {
	return inventory.Credentials{Name: name, Version: "1"}, nil
}

type book struct {
	mu       sync.Mutex // guards the following
	verdicts []results.Verdict
}

func (b *book) Emit(_ context.Context, v results.Verdict) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verdicts = append(b.verdicts, v)
	return nil
}

func (b *book) all() []results.Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]results.Verdict(nil), b.verdicts...)
}

func satellite(t *testing.T, b *book, change func(*run.Config)) *run.Satellite {
	t.Helper()
	m, err := memory.Open("")
	if err != nil {
		t.Fatal(err)
	}
	c := run.Config{
		Name: "sat", Chain: chain(), Keyring: keyring{}, Memory: m, Sink: b, Visits: 64,
		Visit: func(bmc inventory.BMC, known checks.Known) *checks.Visit {
			return &checks.Visit{BMC: bmc, Known: known}
		},
	}
	if change != nil {
		change(&c)
	}
	return run.New(c)
}

func fleet(n int, dead func(i int) bool) []inventory.BMC {
	all := make([]inventory.BMC, n)
	for i := range all {
		all[i] = inventory.BMC{ID: inventory.ID(fmt.Sprintf("b%04d", i))}
		if dead(i) {
			all[i].Labels = map[string]string{"dead": "yes"}
		}
	}
	return all
}

// lastLiving sweeps and returns how late the last living BMC's verdict was.
func lastLiving(t *testing.T, chain checks.Chain, dead func(i int) bool) (late time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var b book
		start := time.Now()
		if err := satellite(t, &b, func(c *run.Config) { c.Chain = chain }).Sweep(t.Context(), fleet(2000, dead)); err != nil {
			t.Fatal(err)
		}
		seen, lost := map[inventory.ID]bool{}, 0
		for _, v := range b.all() {
			seen[v.BMC] = true
			if v.Health == checks.Available {
				late = max(late, v.At.Sub(start))
			} else if lost++; v.Reason != checks.NetTimeout || v.Failed != checks.Ping {
				t.Errorf("%s: %v %s", v.BMC, v.Health, v.Reason)
			}
		}
		want := 0
		for i := range 2000 {
			if dead(i) {
				want++
			}
		}
		if len(b.all()) != 2000 || len(seen) != 2000 || lost != want {
			t.Errorf("%d verdicts of %d BMCs, %d dead; want 2000 of 2000, %d", len(b.all()), len(seen), lost, want)
		}
	})
	return late
}

func TestTheDeadDoNotSlowTheLiving(t *testing.T) {
	t.Run("BMCs that take a second", func(t *testing.T) { theDeadDoNotSlow(t, chain()) })
	quick := chain()
	for i := range quick {
		quick[i].Run = takes(10 * time.Millisecond)
	}
	t.Run("BMCs that answer at once", func(t *testing.T) { theDeadDoNotSlow(t, quick) })
}

func theDeadDoNotSlow(t *testing.T, chain checks.Chain) {
	alone := lastLiving(t, chain, func(int) bool { return false })
	for name, dead := range map[string]func(i int) bool{
		"every tenth is dead":           func(i int) bool { return i%10 == 3 },
		"five whole racks are dead":     func(i int) bool { return i >= 800 && i < 1000 },
		"the first two hundred are":     func(i int) bool { return i < 200 },
		"the last two hundred are dead": func(i int) bool { return i >= 1800 },
	} {
		if with := lastLiving(t, chain, dead); with > alone*12/10 {
			t.Errorf("%s: the last living BMC after %v, without dead ones after %v", name, with, alone)
		}
	}
}

func TestACheckIsToldStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		var steps []checks.Name
		s := satellite(t, &b, func(c *run.Config) {
			c.Observe = func(_ checks.Round, r checks.Result) { steps = append(steps, r.Check) }
		})
		v, err := s.Check(t.Context(), inventory.BMC{ID: "a"}, checks.Person)
		if err != nil || v.Health != checks.Available || len(steps) != 4 || steps[3] != checks.Power || len(b.all()) != 1 {
			t.Errorf("%v %v, steps %v", v.Health, err, steps)
		}
	})
}

func TestASecondSweepAsksEverythingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		s := satellite(t, &b, nil)
		for range 3 {
			if err := s.Sweep(t.Context(), fleet(3, func(int) bool { return false })); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range b.all() {
			for _, r := range v.Trail {
				if r.AgeS != 0 {
					t.Errorf("%s of %s was carried over", r.Check, v.Round)
				}
			}
		}
		if len(b.all()) != 9 {
			t.Errorf("%d verdicts, want 9", len(b.all()))
		}
	})
}

func TestAnInterruptedSweepDrainsAndNamesWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		err := satellite(t, &b, nil).Sweep(ctx, fleet(2000, func(i int) bool { return i%10 == 0 }))
		var missing *schedule.Missing
		if !errors.As(err, &missing) || len(missing.BMCs)+len(b.all()) != 2000 || len(b.all()) < 64 {
			t.Errorf("%d verdicts, and the error is %v", len(b.all()), err)
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("the drain took %v although nothing runs for longer than 3s", took-2*time.Second)
		}
	})
}

func TestRunGoesRoundAfterRoundAndDrainsWithinItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		hung := make(chan struct{})
		s := satellite(t, &b, func(c *run.Config) {
			c.Interval = 5 * time.Minute
			c.Chain[1].Timeout = time.Hour
			c.Chain[1].Run = func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
				if v.BMC.ID == "b0000" && time.Since(start) > time.Hour {
					close(hung)
					<-ctx.Done() // hangs until it is cancelled
				}
				return checks.Finding{}, nil
			}
		})
		start = time.Now()
		s.Set(fleet(50, func(int) bool { return false }))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		<-hung
		if n := len(b.all()); n < 12*50-1 || n > 13*50 {
			t.Errorf("%d verdicts in an hour of 50 BMCs every 5 min", n)
		}
		cancel()
		at := time.Now()
		err := <-ended
		var missing *schedule.Missing
		if took := time.Since(at); !errors.As(err, &missing) || len(missing.BMCs) != 1 || took != 20*time.Second {
			t.Errorf("drained in %v: %v, want 20s and b0000 missing", took, err)
		}
		rounds := map[checks.Round]int{}
		carried := 0
		for _, v := range b.all() {
			if rounds[v.Round]++; v.Health != checks.Available || rounds[v.Round] > 1 {
				t.Errorf("%s: %v %s", v.Round, v.Health, v.Reason)
			}
			if v.Trail[3].AgeS > 0 {
				carried++
			}
		}
		if carried < 450 {
			t.Errorf("%d of %d rounds carried their login over", carried, len(b.all()))
		}
	})
}

var start time.Time
