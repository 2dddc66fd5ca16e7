package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/schedule"
	"lamplighter/satellite/slots"
)

// desk is an office of a site: whose turn it is, how the bus does and whether the site is stopped can be told. Rounds have their
// verdict after a second, unless mute.
type desk struct {
	*schedule.Scheduler
	interval time.Duration
	begun    time.Time
	after    sync.WaitGroup

	mu      sync.Mutex // guards the following
	turn    func(inventory.ID, time.Time, checks.Why) schedule.Turn
	start   func(checks.Round) error // may take its time
	mute    func(checks.Round) bool
	held    func(inventory.ID) bool
	stopped bool
	started map[checks.Round]time.Time // when the bus took it
	entered map[checks.Round]time.Time // when it was first asked to
	skipped map[checks.Round]string
}

func newDesk(interval time.Duration, visits int) *desk {
	d := &desk{
		interval: interval,
		turn:     func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Now },
		start:    func(checks.Round) error { return nil },
		mute:     func(checks.Round) bool { return false },
		held:     func(inventory.ID) bool { return true },
		started:  map[checks.Round]time.Time{}, entered: map[checks.Round]time.Time{}, skipped: map[checks.Round]string{},
	}
	d.Scheduler = schedule.New(schedule.Config{
		Chain: checks.Chain{{Name: checks.Ping, Timeout: 5 * time.Second}}, Interval: interval, Drain: 5 * time.Second,
		Visits: slots.ForRoutine(visits), Most: 20 * visits, Start: d.begin,
		Turn: func(bmc inventory.ID, due time.Time, why checks.Why) schedule.Turn {
			d.mu.Lock()
			turn := d.turn
			d.mu.Unlock()
			return turn(bmc, due, why)
		},
		Stopped: func() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.stopped },
		Held:    func(bmc inventory.ID) bool { d.mu.Lock(); defer d.mu.Unlock(); return d.held(bmc) },
		Skipped: func(r checks.Round, why string) { d.mu.Lock(); defer d.mu.Unlock(); d.skipped[r] = why },
	})
	return d
}

func (d *desk) begin(ctx context.Context, _ inventory.BMC, task checks.Task) error {
	d.mu.Lock()
	if _, again := d.entered[task.Round]; !again {
		d.entered[task.Round] = time.Now()
	}
	start := d.start
	d.mu.Unlock()
	if err := errors.Join(start(task.Round), ctx.Err()); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started[task.Round] = time.Now()
	if !d.mute(task.Round) {
		d.after.Go(func() {
			time.Sleep(time.Second)
			d.end(task.Round)
		})
	}
	return nil
}

func (d *desk) end(r checks.Round) {
	d.Ended(results.Verdict{BMC: r.BMC, Round: r, At: time.Now(), Health: checks.Available})
}

func (d *desk) with(change func()) { d.mu.Lock(); defer d.mu.Unlock(); change() }

// open runs the desk in the bubble until the test calls closed.
func (d *desk) open(t *testing.T, ids ...inventory.ID) (closed func() error) {
	bmcs := make([]inventory.BMC, len(ids))
	for i, id := range ids {
		bmcs[i].ID = id
	}
	d.Set(bmcs)
	d.begun = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	synctest.Wait()
	return func() error { cancel(); err := <-ended; d.after.Wait(); return err }
}

// lost are the routine rounds of a BMC that were due before the frontier and were neither started nor reported as skipped.
func (d *desk) lost(ids ...inventory.ID) (lost []string) {
	frontier := d.Frontier()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range ids {
		for due := checks.Due(id, d.interval, d.begun); due.Before(frontier); due = due.Add(d.interval) {
			r := checks.Round{BMC: id, Due: due, Why: checks.Routine}
			if _, ok := d.started[r]; !ok && d.skipped[r] == "" {
				lost = append(lost, r.String())
			}
		}
	}
	return lost
}

func (d *desk) whys() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := map[string]int{}
	for _, why := range d.skipped {
		n[why]++
	}
	return n
}

func (d *desk) taken() map[checks.Round]time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.started)
}

func (d *desk) left() map[checks.Round]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.skipped)
}

func (d *desk) count() int { return len(d.taken()) }

func names(n int) (ids []inventory.ID) {
	for i := range n {
		ids = append(ids, inventory.ID(fmt.Sprintf("bmc-%03d", i)))
	}
	return ids
}

func TestASlowBusHoldsUpNeitherOtherRoundsNorVerdicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ids := newDesk(20*time.Second, 60), names(300) // 15 a second, each for 2 s
		d.start = func(checks.Round) error { time.Sleep(time.Second); return nil }
		closed := d.open(t, ids...)
		for range 300 {
			pass(100 * time.Millisecond)
			before := time.Now()
			d.Ended(results.Verdict{BMC: ids[0], Round: checks.Round{BMC: ids[0]}})
			if took := time.Since(before); took > 0 {
				t.Fatalf("a verdict waited %v for the bus", took)
			}
		}
		d.with(func() {
			for r, at := range d.entered {
				if late := at.Sub(r.Due); late > 10*time.Millisecond {
					t.Errorf("%s was sent %v late", r, late)
				}
			}
			if n := len(d.entered); n < 440 {
				t.Errorf("%d rounds in 30 s, want 450", n)
			}
		})
		if lag := time.Since(d.Frontier()); lag < 900*time.Millisecond || lag > 1200*time.Millisecond {
			t.Errorf("the frontier is %v behind: want the second that a start takes", lag)
		}
		_ = closed()
	})
}

func TestNothingIsLostWhileTheBusIsAwayForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ids := newDesk(5*time.Minute, 200), names(300)
		closed := d.open(t, ids...)
		pass(time.Minute)
		d.with(func() { d.start = func(checks.Round) error { return errors.New("no broker") } })
		away := time.Now()
		pass(time.Minute)
		if f := d.Frontier(); f.Sub(away) > 5*time.Second {
			t.Errorf("the frontier moved on by %v while nothing could be started", f.Sub(away))
		}
		d.with(func() { d.start = func(checks.Round) error { return nil } })
		pass(10 * time.Second)
		if lag := time.Since(d.Frontier()); lag > time.Millisecond {
			t.Errorf("the frontier is %v behind 10 s after the bus came back", lag)
		}
		pass(4 * time.Minute)
		if lost, skipped := d.lost(ids...), d.whys(); len(lost) > 0 || len(skipped) > 0 {
			t.Errorf("lost %v, skipped %v, want none", lost, skipped)
		}
		_ = closed()
	})
}

// After an outage a satellite may hear others before itself, and take a round for theirs that is its own.
func TestASkippedRoundIsToldOfOnceItIsKnownWhose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(30*time.Second, 4)
		d.mute = func(checks.Round) bool { return true }
		closed := d.open(t, "x")
		time.Sleep(time.Until(checks.Due("x", d.interval, d.begun)) + 29*time.Second)
		d.with(func() { d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Theirs } })
		time.Sleep(5 * time.Second)
		if left := d.left(); len(left) != 0 {
			t.Errorf("told of %v, which may be another's", left)
		}
		d.with(func() { d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Now } })
		time.Sleep(5 * time.Second)
		if left := d.left(); len(left) != 1 {
			t.Errorf("told of %v, want the second round", left)
		}
		_ = closed() // one is without a verdict
	})
}

// A frozen broker takes a task and says nothing; when it wakes the round is judged before its satellite may start anything again.
func TestARoundWhoseVerdictCameIsNotStartedAgain(t *testing.T) {
	for name, turn := range map[string]schedule.Turn{"while its turn is not known": schedule.Later, "while it is tried again": schedule.Now} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(30*time.Second, 4)
				tries := map[checks.Round]int{}
				d.start = func(r checks.Round) error {
					d.mu.Lock()
					defer d.mu.Unlock()
					if tries[r]++; len(tries) > 1 {
						return nil
					}
					if tries[r] == 1 {
						d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return turn }
						d.after.Go(func() { time.Sleep(3 * time.Second); d.end(r) })
					}
					return errors.New("no confirm")
				}
				closed := d.open(t, "x")
				time.Sleep(time.Until(checks.Due("x", d.interval, d.begun)) + 5*time.Second)
				d.with(func() { d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Now } })
				time.Sleep(70 * time.Second)
				if err := closed(); err != nil {
					t.Error(err)
				}
				if len(d.skipped) != 0 || len(d.started) < 2 || len(tries) != len(d.started)+1 {
					t.Errorf("skipped %v, started %v, tried %v", d.skipped, d.started, tries)
				}
			})
		})
	}
}

func TestARoundThatTheBusNeverTakesIsSkippedWithARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(10*time.Minute, 2)
		d.start = func(checks.Round) error { return errors.New("no broker") }
		closed := d.open(t, "a")
		pass(checks.Due("a", 10*time.Minute, d.begun).Sub(d.begun) + 70*time.Second)
		if lost, skipped := d.lost("a"), d.whys(); len(lost) > 0 || !maps.Equal(skipped, map[string]int{schedule.Bus: 1}) {
			t.Errorf("lost %v, skipped %v, want one for the bus", lost, skipped)
		}
		_ = closed()
	})
}

// A process that stands still just after it sent a task wakes up without it: another satellite took it, and has judged it.
func TestARoundWhoseTaskNeverCameHereHoldsItsBMCNoLongerThanASpill(t *testing.T) {
	for name, test := range map[string]struct {
		held bool
		want int // rounds in three intervals
	}{"its task went to another satellite": {false, 3}, "it waits for its BMC": {true, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const interval = 20 * time.Second
				d := newDesk(interval, 1)
				d.mute = func(checks.Round) bool { return true }
				d.held = func(inventory.ID) bool { return test.held }
				closed := d.open(t, "a")
				pass(checks.Due("a", interval, d.begun).Sub(d.begun) + 3*interval - time.Second)
				if n := d.count(); n != test.want {
					t.Errorf("%d rounds in three intervals, want %d; skipped %v", n, test.want, d.whys())
				}
				_ = closed()
			})
		})
	}
}

func TestABMCWhoseVerdictNeverComesGoesOnWithItsNextDue(t *testing.T) {
	for name, free := range map[string]func(*desk, checks.Round){"lapsed": nil, "lost": func(d *desk, r checks.Round) { d.Lost(r) }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(time.Minute, 1)
				d.mute = func(checks.Round) bool { return true }
				closed := d.open(t, "a")
				pass(checks.Due("a", time.Minute, d.begun).Sub(d.begun))
				asked := make(chan error, 1)
				go func() { _, err := d.Request(t.Context(), "a", checks.Person); asked <- err }()
				pass(10 * time.Second)
				if free != nil {
					d.with(func() { d.mute = func(checks.Round) bool { return false } })
					for r := range d.taken() {
						free(d, r)
					}
					if err := <-asked; err == nil || !strings.Contains(err.Error(), "another satellite") {
						t.Errorf("who joined the round was told %v", err)
					}
					pass(51 * time.Second)
					if n := d.count(); n != 2 {
						t.Errorf("%d rounds in two intervals, want 2", n)
					}
				} else {
					pass(64 * time.Second) // it expires after 65 s, and may be judged elsewhere for 10 more
					if d.count() != 1 || d.whys()[schedule.Running] != 1 {
						t.Errorf("started %v, skipped %v, want one of each", d.taken(), d.whys())
					}
					pass(2 * time.Second)
					if err := <-asked; err == nil {
						t.Error("who joined the round was told nothing")
					}
					pass(45 * time.Second)
					if n := d.count(); n != 2 {
						t.Errorf("%d rounds, want 2: the visit was not freed", n)
					}
				}
				if lost := d.lost("a"); len(lost) > 0 {
					t.Errorf("lost %v", lost)
				}
				_ = closed()
			})
		})
	}
}

func TestALaterRoundKeepsItsDueUntilItsTurnIsKnown(t *testing.T) {
	for _, test := range []struct {
		name                string
		first, then         schedule.Turn
		starts, holds, told bool
	}{
		{"ours, and then it may start", schedule.Later, schedule.Now, true, true, false},
		{"ours, and then another's", schedule.Later, schedule.Never, false, true, false},
		{"ours, and never settled", schedule.Later, schedule.Later, false, true, true},
		{"another's, who is dead", schedule.Theirs, schedule.Now, true, false, false},
		{"another's, who lives", schedule.Theirs, schedule.Never, false, false, false},
		{"another's, and nobody knows", schedule.Theirs, schedule.Theirs, false, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(time.Minute, 4)
				turn := func(now schedule.Turn) func(inventory.ID, time.Time, checks.Why) schedule.Turn {
					return func(inventory.ID, time.Time, checks.Why) schedule.Turn { return now }
				}
				d.turn = turn(test.first)
				closed := d.open(t, "a")
				due := checks.Due("a", time.Minute, d.begun)
				pass(due.Sub(d.begun) + 10*time.Second)
				if held := d.Frontier().Equal(due); held != test.holds || d.count() > 0 {
					t.Errorf("the frontier is %v past the due, %d started", d.Frontier().Sub(due), d.count())
				}
				d.with(func() { d.turn = turn(test.then) })
				pass(1010 * time.Millisecond)
				if _, started := d.taken()[checks.Round{BMC: "a", Due: due, Why: checks.Routine}]; started != test.starts {
					t.Errorf("started: %v", started)
				}
				pass(3 * time.Minute)
				if told := d.left()[checks.Round{BMC: "a", Due: due, Why: checks.Routine}] == schedule.Overload; told != test.told {
					t.Errorf("skipped %v", d.left())
				}
				if err := closed(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestARequestForAnothersBMCSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(time.Hour, 4)
		d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Never }
		closed := d.open(t, "a")
		if _, err := d.Request(t.Context(), "a", checks.Person); !errors.Is(err, schedule.ErrNotMine) || !strings.Contains(err.Error(), "a: another satellite owns") {
			t.Errorf("got %v", err)
		}
		d.with(func() {
			d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Later }
		})
		asked := make(chan error, 1)
		go func() { _, err := d.Request(t.Context(), "a", checks.Person); asked <- err }()
		pass(5 * time.Second)
		d.with(func() { d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Now } })
		pass(3 * time.Second)
		if err := <-asked; err != nil {
			t.Errorf("of a BMC that is ours but not settled: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d.with(func() { d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Later } })
		if _, err := d.Request(ctx, "a", checks.Person); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("of one that gives up: %v", err)
		}
		d.with(func() { d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Now } })
		pass(5 * time.Second)
		if n := d.count(); n != 1 {
			t.Errorf("%d rounds, want 1: nobody waits for another", n)
		}
		_ = closed()
	})
}

func TestNoRoundStartsWhileTheSiteIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ids := newDesk(time.Minute, 10), names(20)
		closed := d.open(t, ids...)
		d.with(func() { d.stopped = true })
		if _, err := d.Request(t.Context(), ids[0], checks.Person); err == nil || !strings.Contains(err.Error(), "stopped") {
			t.Errorf("a person was told %v", err)
		}
		pass(time.Minute)
		if d.count() > 0 || !maps.Equal(d.whys(), map[string]int{schedule.Stopped: 20}) || d.Skipped() != 20 {
			t.Errorf("%d started, skipped %v", d.count(), d.whys())
		}
		d.with(func() { d.stopped = false })
		pass(time.Minute)
		if lost := d.lost(ids...); d.count() != 20 || len(lost) > 0 {
			t.Errorf("then %d started, %v lost", d.count(), lost)
		}
		_ = closed()
	})
}

// TestWhatIsBehindTheFrontierWasStartedOrSkipped lets everything change all the time.
func TestWhatIsBehindTheFrontierWasStartedOrSkipped(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			d, ids := newDesk(30*time.Second, 2+dice.IntN(20)), names(60)
			mine := ids[:40]
			closed := d.open(t, ids...)
			for range 100 {
				down, slow, unsure, odd := dice.IntN(5) == 0, time.Duration(dice.IntN(3000))*time.Millisecond, dice.IntN(3) == 0, dice.IntN(4) == 0
				theirs := schedule.Turn([]schedule.Turn{schedule.Never, schedule.Theirs}[dice.IntN(2)])
				d.with(func() {
					d.stopped = dice.IntN(10) == 0
					d.mute = func(r checks.Round) bool { return odd && r.Due.UnixMilli()%7 == 0 }
					d.start = func(checks.Round) error {
						time.Sleep(slow)
						if down {
							return errors.New("no broker")
						}
						return nil
					}
					d.turn = func(bmc inventory.ID, _ time.Time, _ checks.Why) schedule.Turn {
						switch {
						case !slices.Contains(mine, bmc):
							return theirs
						case unsure:
							return schedule.Later
						}
						return schedule.Now
					}
				})
				pass(time.Duration(dice.IntN(8000)) * time.Millisecond)
				if lost := d.lost(mine...); len(lost) > 0 {
					t.Fatalf("seed %d: lost %v", seed, lost)
				}
			}
			d.with(func() {
				d.stopped, d.start = false, func(checks.Round) error { return nil }
				d.turn = func(inventory.ID, time.Time, checks.Why) schedule.Turn { return schedule.Now }
			})
			pass(5 * time.Minute)
			if lag := time.Since(d.Frontier()); lag > 31*time.Second || len(d.lost(mine...)) > 0 {
				t.Errorf("seed %d: in the end the frontier is %v behind, lost %v", seed, lag, d.lost(mine...))
			}
			_ = closed()
		})
	}
}
