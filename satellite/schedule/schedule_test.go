package schedule_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/schedule"
	"lamplighter/satellite/slots"
)

// TestMain keeps to one processor: with the race detector Go 1.26.8 crashes now and then when two goroutines of a bubble find their
// timers expired at the same moment (unlockAndRun's race context of a bubble is shared and not locked).
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}

// office starts rounds and plays their actors.
type office struct {
	*schedule.Scheduler

	mu  sync.Mutex // guards the following
	all []checks.Task
	at  []time.Time
}

func (o *office) started() []checks.Task {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.all)
}

func newOffice(interval time.Duration, visits int) *office {
	o := &office{}
	o.Scheduler = schedule.New(schedule.Config{
		Chain:    checks.Chain{{Name: checks.Ping}, {Name: checks.RedfishLogin, Every: time.Hour, Logs: true}},
		Interval: interval, Drain: 20 * time.Second, Visits: slots.ForRoutine(visits),
		Start: func(_ context.Context, _ inventory.BMC, task checks.Task) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.all, o.at = append(o.all, task), append(o.at, time.Now())
			return nil
		},
	})
	return o
}

func (o *office) end(task checks.Task, health checks.Health, reason checks.Reason) {
	v := results.Verdict{BMC: task.Round.BMC, Round: task.Round, At: time.Now(), Health: health, Reason: reason}
	if reason != "" {
		v.Failed = checks.Ping
	} else {
		v.Trail = []checks.Result{{Check: checks.Ping, Outcome: checks.OK, At: time.Now()}, {Check: checks.RedfishLogin, Outcome: checks.OK, At: time.Now()}}
		for i, r := range v.Trail {
			for _, c := range task.Carried {
				if c.Check == r.Check {
					v.Trail[i] = c
				}
			}
		}
	}
	o.Ended(v)
}

// pass lets time pass in the bubble, and everybody do what there is to do by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (o *office) begin(t *testing.T) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	return func() error { cancel(); return <-ended }
}

func TestEachBMCHasARoundPerIntervalAndALoginPerHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(5*time.Minute, 10)
		o.Set([]inventory.BMC{{ID: "a"}, {ID: "b"}, {ID: "c"}})
		stop := o.begin(t)
		logins, ended := map[inventory.ID]int{}, 0
		for range 4 * 60 {
			pass(time.Minute)
			for ; ended < len(o.started()); ended++ {
				task := o.started()[ended]
				if len(task.Carried) == 0 {
					logins[task.Round.BMC]++
				}
				o.end(task, checks.Available, "")
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if len(o.started()) != 3*48 || o.Skipped() != 0 {
			t.Errorf("%d rounds in 4 h, %d skipped; want 144 and 0", len(o.started()), o.Skipped())
		}
		for id, n := range logins {
			if n < 4 || n > 6 {
				t.Errorf("%s: %d logins in 4 h", id, n)
			}
		}
		for i, task := range o.started() {
			if late := o.at[i].Sub(task.Round.Due); late < 0 || late > time.Millisecond {
				t.Errorf("%s started %v late", task.Round, late)
			}
		}
	})
}

func TestAFailureIsLookedAtAgainSoonAndInFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(30*time.Minute, 10)
		o.Set([]inventory.BMC{{ID: "a"}})
		stop := o.begin(t)
		pass(31 * time.Minute)
		o.end(o.started()[0], checks.Unavailable, checks.NetTimeout)
		pass(31 * time.Second)
		o.end(o.started()[1], checks.Unavailable, checks.NetTimeout)
		pass(31 * time.Second)
		o.end(o.started()[2], checks.Unavailable, checks.NetTimeout)
		pass(time.Minute)
		_ = stop()
		var whys []checks.Why
		for _, task := range o.started() {
			whys = append(whys, task.Round.Why)
		}
		if len(whys) < 3 || whys[1] != checks.Confirm || whys[2] != checks.Confirm || slices.Contains(whys[3:], checks.Confirm) {
			t.Errorf("rounds %v, want routine, confirm, confirm", whys)
		}
	})
}

func TestWhatDoesNotStartInTimeIsSkippedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(time.Minute, 1)
		o.Set([]inventory.BMC{{ID: "a"}, {ID: "b"}})
		stop := o.begin(t)
		pass(5*time.Minute + time.Second) // the first round never ends in this time
		first := o.started()[0]
		if len(o.started()) != 1 || o.Skipped() != 8 {
			t.Errorf("%d rounds, %d skipped; want 1 and 8: 4 each", len(o.started()), o.Skipped())
		}
		o.end(first, checks.Available, "")
		synctest.Wait()
		if len(o.started()) != 2 || o.started()[1].Round.BMC == first.Round.BMC || time.Since(o.started()[1].Round.Due) > time.Minute {
			t.Errorf("then started %+v, want the other BMC's newest round", o.started()[1:])
		}
		o.end(o.started()[1], checks.Available, "")
		_ = stop()
	})
}

func TestAPersonIsServedAtOnceAndJoinsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(time.Hour, 1)
		o.Set([]inventory.BMC{{ID: "a"}, {ID: "b"}})
		stop := o.begin(t)
		pass(time.Hour) // both are due, one runs, and one waits
		busy, waits := o.started()[0].Round.BMC, inventory.ID("a")
		if busy == waits {
			waits = "b"
		}
		type got struct {
			results.Verdict
			error
		}
		answers := make(chan got, 3)
		for _, id := range []inventory.ID{busy, waits, waits} {
			go func() { v, err := o.Request(t.Context(), id, checks.Person); answers <- got{v, err} }()
		}
		synctest.Wait()
		if len(o.started()) != 2 || o.started()[1].Round.BMC != waits || o.started()[1].Round.Why != checks.Person {
			t.Fatalf("started %+v, want one more, for the person", o.started())
		}
		o.end(o.started()[0], checks.Available, "")
		o.end(o.started()[1], checks.Available, "")
		for range 3 {
			if a := <-answers; a.error != nil || a.Health != checks.Available {
				t.Errorf("answer %+v", a)
			}
		}
		synctest.Wait()
		if len(o.started()) != 2 {
			t.Errorf("the routine round that the person's replaced was started: %v", o.started()[2:])
		}
		if _, err := o.Request(t.Context(), "stranger", checks.Person); err == nil {
			t.Error("request for a BMC that is not there: no error")
		}
		_ = stop()
	})
}

func TestDrainWaitsForWhatRunsAndNamesWhatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(0, 2)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- o.Once(ctx, []inventory.BMC{{ID: "a"}, {ID: "b"}, {ID: "c"}}, checks.Routine)
		}()
		synctest.Wait()
		start := time.Now()
		cancel()
		synctest.Wait()
		judged := o.started()[0] // a or b: they start at the same time
		o.end(judged, checks.Available, "")
		want := slices.DeleteFunc([]inventory.ID{"a", "b", "c"}, func(id inventory.ID) bool { return id == judged.Round.BMC })
		err := <-ended
		var missing *schedule.Missing
		if !errors.As(err, &missing) || !slices.Equal(missing.BMCs, want) || time.Since(start) != 20*time.Second {
			t.Errorf("after %v: %v, want %v missing after 20s", time.Since(start), err, want)
		}
		if len(o.started()) != 2 {
			t.Errorf("%d rounds were started, want 2", len(o.started()))
		}
	})
}

func TestABMCThatLeavesAndComesBackHasOneRoundPerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(time.Minute, 10)
		stop := o.begin(t)
		for range 5 {
			o.Set([]inventory.BMC{{ID: "a"}})
			o.Set(nil)
		}
		o.Set([]inventory.BMC{{ID: "a"}})
		ended := 0
		for range 10 {
			pass(time.Minute)
			synctest.Wait()
			for ; ended < len(o.started()); ended++ {
				o.end(o.started()[ended], checks.Available, "")
			}
		}
		_ = stop()
		if len(o.started()) != 10 {
			t.Errorf("%d rounds in 10 intervals", len(o.started()))
		}
	})
}
