package actor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

// TestMain keeps to one processor: with the race detector Go 1.26.8 crashes now and then when two goroutines of a bubble find their
// timers expired at the same moment (unlockAndRun's race context of a bubble is shared and not locked).
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}

// site is a satellite on a bus in memory, whose checks are the test's own.
type site struct {
	*actor.Shared
	fleet map[inventory.ID]inventory.BMC

	mu       sync.Mutex // guards the following
	verdicts []results.Verdict
	dead     []bus.Message
	open     map[inventory.ID]int // visits that are open just now
	visits   int
}

func newSite(t *testing.T, chain checks.Chain, bmcs ...inventory.ID) *site {
	t.Helper()
	m, err := memory.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{fleet: map[inventory.ID]inventory.BMC{}, open: map[inventory.ID]int{}}
	for i, id := range bmcs {
		s.fleet[id] = inventory.BMC{ID: id, Address: netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), Login: "c"}
	}
	visits := &actor.Visits{Memory: m, Open: func(bmc inventory.BMC, known checks.Known) *checks.Visit {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.visits++
		if s.open[bmc.ID]++; s.open[bmc.ID] > 1 {
			t.Errorf("%d visits at once to %s", s.open[bmc.ID], bmc.ID)
		}
		return &checks.Visit{BMC: bmc, Known: known}
	}}
	visits.OnClosed(func(v *checks.Visit) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[v.BMC.ID] = 0 // Close may be called twice
	})
	s.Shared = &actor.Shared{
		Satellite: "sat", Prefix: "local", Chain: chain, Bus: new(bus.Memory), Sink: results.Func(s.emit), Visits: visits, Memory: m,
		Logins: actor.Logins{Keyring: keyring{}},
		Lookup: func(id inventory.ID) (inventory.BMC, bool) { bmc, ok := s.fleet[id]; return bmc, ok },
	}
	return s
}

type keyring struct{ err error }

func (k keyring) Credentials(_ context.Context, name string) (inventory.Credentials, error) {
	return inventory.Credentials{Name: name, Username: "u", Password: inventory.NewSecret("p"), Version: "v1"}, k.err
}

func (s *site) emit(_ context.Context, v results.Verdict) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts = append(s.verdicts, v)
	return nil
}

// run starts the actors; stop ends them, then the visits, and says which visits stayed open.
func (s *site) run(t *testing.T, limit int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	visits, closeVisits := context.WithCancel(context.Background())
	var actors, behind errgroup.Group
	behind.Go(func() error { return s.Visits.Run(visits) })
	for _, check := range s.Chain {
		actors.Go(func() error { return actor.New(s.Shared, check, limit, 200).Run(ctx) })
	}
	dead := &actor.Dead{Shared: s.Shared, Keep: func(m bus.Message) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dead = append(s.dead, m)
		return nil
	}}
	actors.Go(func() error { return dead.Run(ctx) })
	return func() {
		cancel()
		err := actors.Wait()
		closeVisits()
		if err := errors.Join(err, behind.Wait()); err != nil {
			t.Error(err)
		}
		for id, n := range s.open {
			if n != 0 {
				t.Errorf("the visit to %s was never closed", id)
			}
		}
	}
}

func (s *site) task(id inventory.ID, n int, why checks.Why) checks.Task {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return checks.Task{
		Round: checks.Round{BMC: id, Due: now.Add(time.Duration(n) * time.Millisecond), Why: why},
		Rev:   s.fleet[id].Rev(), Expires: now.Add(24 * time.Hour),
	}
}

func (s *site) send(t *testing.T, task checks.Task) {
	t.Helper()
	bmc := s.fleet[task.Round.BMC]
	first, _ := actor.Next(s.Chain, bmc, &task)
	if err := s.Send(t.Context(), task, first); err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass in the bubble, and everybody do what there is to do by then.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *site) isOpen(id inventory.ID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

func (s *site) one(t *testing.T) results.Verdict {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.verdicts) != 1 {
		t.Fatalf("%d verdicts, want 1: %+v", len(s.verdicts), s.verdicts)
	}
	return s.verdicts[0]
}

func good(context.Context, *checks.Visit) (checks.Finding, error) { return checks.Finding{}, nil }

func blame(r checks.Reason) func(context.Context, *checks.Visit) (checks.Finding, error) {
	return func(context.Context, *checks.Visit) (checks.Finding, error) {
		return checks.Finding{}, checks.Blame(r, errors.New("ask it: no"))
	}
}

type flakyBus struct {
	*bus.Memory
	mu sync.Mutex
	r  *rand.Rand
}

func (b *flakyBus) roll(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.r.IntN(n)
}

var errFlaky = errors.New("flaky")

// Send loses one in six sends, and says of one in six that it was lost although it was not.
func (b *flakyBus) Send(ctx context.Context, to bus.Mailbox, m bus.Message) error {
	switch b.roll(6) {
	case 0:
		return errFlaky
	case 1:
		return errors.Join(b.Memory.Send(ctx, to, m), errFlaky)
	}
	return b.Memory.Send(ctx, to, m)
}

// The rule of mailboxes: whatever the bus, the sink and the checks do, each round ends in exactly one verdict.
func TestEachTaskEndsExactlyOnce(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			b := &flakyBus{Memory: new(bus.Memory), r: rand.New(rand.NewPCG(seed, 7))}
			moody := func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
				time.Sleep(time.Duration(b.roll(3000)) * time.Millisecond)
				switch b.roll(12) {
				case 0:
					panic("moody")
				case 1:
					return checks.Finding{}, checks.Blame(checks.NetTimeout, errors.New("silent"))
				case 2:
					return checks.Finding{}, errors.New("ours")
				}
				return checks.Finding{}, nil
			}
			var ids []inventory.ID
			for i := range 20 {
				ids = append(ids, inventory.ID(fmt.Sprint("b", i)))
			}
			s := newSite(t, checks.Chain{{Name: checks.Ping, Run: moody}, {Name: checks.TLS, Run: moody}, {Name: checks.Power, Run: moody}}, ids...)
			s.Bus = b
			s.Sink = results.Func(func(ctx context.Context, v results.Verdict) error {
				if b.roll(3) == 0 {
					return errFlaky
				}
				return s.emit(ctx, v)
			})
			stop := s.run(t, 4)
			want := map[string]int{}
			for i, id := range ids {
				for n := range 1 + i%3 { // some BMCs have several rounds at once
					task := s.task(id, n, checks.Routine)
					want[task.Round.String()] = 1
					for errors.Is(s.Send(t.Context(), withCheck(task), s.Chain[0]), errFlaky) {
					}
				}
			}
			pass(2 * time.Hour)
			stop()
			for _, v := range s.verdicts {
				want[v.Round.String()]--
			}
			for round, left := range want {
				if left != 0 {
					t.Errorf("seed %d: %s has %d verdicts, want 1", seed, round, 1-left)
				}
			}
		})
	}
}

func withCheck(task checks.Task) checks.Task { task.Check = checks.Ping; return task }

func TestAShutdownHandsBackAndLogsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ran := 0
		hang := func(ctx context.Context, _ *checks.Visit) (checks.Finding, error) {
			if ran++; ran > 1 {
				return checks.Finding{}, nil
			}
			<-ctx.Done()
			return checks.Finding{}, checks.Blame(checks.NetTimeout, ctx.Err())
		}
		s := newSite(t, checks.Chain{{Name: checks.Ping, Run: good}, {Name: checks.TLS, Run: hang}}, "a")
		stop := s.run(t, 4)
		s.send(t, s.task("a", 0, checks.Routine))
		pass(time.Second)
		stop()
		if len(s.verdicts) != 0 || s.visits != 1 {
			t.Fatalf("after the stop: %d verdicts, %d visits; want 0 and 1", len(s.verdicts), s.visits)
		}
		stop = s.run(t, 4) // the task was kept; its visit is gone, so the round begins again
		pass(time.Minute)
		stop()
		if v := s.one(t); v.Health != checks.Available || s.visits != 2 {
			t.Errorf("got %v %s with %d visits, want available with 2", v.Health, v.Reason, s.visits)
		}
	})
}

func TestAVisitWhoseTaskNeverCameIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, checks.Chain{{Name: checks.Ping, Run: good}, {Name: checks.TLS, Run: good}}, "a")
		ctx, cancel := context.WithCancel(t.Context())
		var group errgroup.Group
		// nobody serves the second mailbox
		group.Go(func() error { return actor.New(s.Shared, s.Chain[0], 4, 10).Run(ctx) })
		group.Go(func() error { return s.Visits.Run(ctx) })
		task := s.task("a", 0, checks.Routine)
		task.Expires = time.Now().Add(time.Minute)
		s.send(t, task)
		pass(50 * time.Second)
		if s.isOpen("a") != 1 {
			t.Error("the visit was closed before its deadline")
		}
		pass(20 * time.Second)
		if s.isOpen("a") != 0 {
			t.Error("the visit was not closed after its deadline")
		}
		cancel()
		_ = group.Wait()
	})
}
