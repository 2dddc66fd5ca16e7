package actor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	if err := actor.Send(t.Context(), s.Bus, s.Prefix, task, first); err != nil {
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

func TestARound(t *testing.T) {
	chain := func(run func(context.Context, *checks.Visit) (checks.Finding, error)) checks.Chain {
		return checks.Chain{{Name: checks.Ping, Run: good}, {Name: checks.TLS, Timeout: time.Second, Run: run}, {Name: checks.Power, Run: good}}
	}
	for name, test := range map[string]struct {
		tls    func(context.Context, *checks.Visit) (checks.Finding, error)
		task   func(*checks.Task)
		health checks.Health
		failed checks.Name
		reason checks.Reason
		trail  int
		visits int
	}{
		"all is well":           {good, nil, checks.Available, "", "", 3, 1},
		"the second check ends": {blame(checks.TLSUntrusted), nil, checks.Unavailable, checks.TLS, checks.TLSUntrusted, 2, 1},
		"an error of ours": {func(context.Context, *checks.Visit) (checks.Finding, error) {
			return checks.Finding{}, errors.New("disk full")
		}, nil, checks.Unknown, checks.TLS, checks.SelfError, 2, 1},
		"a check that hangs until its timeout": {func(ctx context.Context, _ *checks.Visit) (checks.Finding, error) {
			<-ctx.Done()
			return checks.Finding{}, checks.Blame(checks.TLSTimeout, ctx.Err())
		}, nil, checks.Unavailable, checks.TLS, checks.TLSTimeout, 2, 1},
		"a check that panics each time is poison": {func(context.Context, *checks.Visit) (checks.Finding, error) {
			panic("a bug")
		}, nil, checks.Unknown, checks.TLS, checks.SelfPoison, 2, 5},
		"another record of the BMC": {good, func(task *checks.Task) { task.Rev = "old" }, checks.Unknown, checks.Ping, checks.SelfInventory, 1, 0},
		"no such BMC":               {good, func(task *checks.Task) { task.Round.BMC = "stranger" }, checks.Unknown, checks.Ping, checks.SelfInventory, 1, 0},
		"an expired task": {good, func(task *checks.Task) { task.Expires = time.Now().Add(-time.Second) },
			checks.Unknown, checks.Ping, checks.SelfExpired, 1, 0},
		"a carried login and power are not asked": {good, func(task *checks.Task) {
			task.Carried = []checks.Result{{Check: checks.Power, Outcome: checks.OK, At: time.Now().Add(-time.Hour)}}
		}, checks.Available, "", "", 3, 1},
		"a task in mid-chain without its visit begins again": {good, func(task *checks.Task) {
			task.Done = []checks.Result{{Check: checks.Ping, Outcome: checks.OK, Satellite: "dead"}}
		}, checks.Available, "", "", 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, chain(test.tls), "a")
				stop := s.run(t, 4)
				task := s.task("a", 0, checks.Routine)
				if test.task != nil {
					test.task(&task)
				}
				s.send(t, task)
				pass(time.Hour)
				v := s.one(t)
				stop()
				if v.Health != test.health || v.Failed != test.failed || v.Reason != test.reason || len(v.Trail) != test.trail {
					t.Errorf("got %v %q %q with %d results, want %v %q %q with %d",
						v.Health, v.Failed, v.Reason, len(v.Trail), test.health, test.failed, test.reason, test.trail)
				}
				if name != "an expired task" && s.visits != test.visits && test.reason != checks.SelfPoison {
					t.Errorf("%d visits, want %d", s.visits, test.visits)
				}
				for _, r := range v.Trail {
					if r.Satellite != "sat" && r.AgeS == 0 {
						t.Errorf("%s was found by %q", r.Check, r.Satellite)
					}
				}
			})
		})
	}
}

func TestGarbageIsKeptAndJudgedWhereItsRoundCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, checks.Chain{{Name: checks.Ping, Run: good}}, "a")
		stop := s.run(t, 4)
		failedBefore := s.task("a", 3, checks.Routine)
		failedBefore.Done = []checks.Result{{Check: checks.TLS, Outcome: checks.Failed, Reason: checks.TLSTimeout}}
		if err := actor.Send(t.Context(), s.Bus, s.Prefix, failedBefore, s.Chain[0]); err != nil {
			t.Fatal(err)
		}
		for id, body := range map[string]string{
			"a@2026-11-22T03:00:00.000Z#routine/ping": "{garbage",
			"no round": `{"round":"a@2026-11-22T03:00:01.000Z#person","check":"ping","expires":7}`,
			"nothing":  "\x00\xff",
		} {
			if err := s.Bus.Send(t.Context(), "local.ping", bus.Message{ID: id, Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Minute)
		stop()
		if len(s.dead) != 4 || len(s.verdicts) != 3 {
			t.Fatalf("%d kept and %d verdicts, want 4 and 3", len(s.dead), len(s.verdicts))
		}
		for _, v := range s.verdicts {
			if v.Health != checks.Unknown || v.Reason != checks.SelfPoison {
				t.Errorf("%s: %v %q", v.Round, v.Health, v.Reason)
			}
		}
	})
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
					for errors.Is(actor.Send(t.Context(), b.Memory, s.Prefix, withCheck(task), s.Chain[0]), errFlaky) {
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

type sightOf struct {
	checks.Proof
	mu       sync.Mutex
	answered int
	watching context.Context
}

func (s *sightOf) Watch(ctx context.Context, _ inventory.BMC) func() checks.Proof {
	s.watching = ctx
	return func() checks.Proof { return s.Proof }
}

func (s *sightOf) Answered(inventory.BMC, time.Time) { s.mu.Lock(); s.answered++; s.mu.Unlock() }

func TestProofOfSight(t *testing.T) {
	for name, test := range map[string]struct {
		proof    checks.Proof
		reason   checks.Reason
		want     checks.Reason
		health   checks.Health
		text     string
		answered int
	}{
		"somebody else was seen":         {checks.Proof{Seen: true}, checks.NetTimeout, checks.NetTimeout, checks.Unavailable, "", 0},
		"nobody was seen":                {checks.Proof{Text: "asked b"}, checks.NetTimeout, checks.SelfBlind, checks.Unknown, "asked b", 0},
		"there is nobody else":           {checks.Proof{None: true}, checks.NetTimeout, checks.NetTimeout, checks.Unavailable, "no other rack or anchor to compare with", 0},
		"nobody was seen, but it spoke":  {checks.Proof{}, checks.TLSUntrusted, checks.TLSUntrusted, checks.Unavailable, "", 1},
		"a hung web service, and nobody": {checks.Proof{}, checks.TLSTimeout, checks.SelfBlind, checks.Unknown, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sight := &sightOf{Proof: test.proof}
				s := newSite(t, checks.Chain{{Name: checks.Ping, Run: blame(test.reason)}}, "a")
				s.Sight = sight
				stop := s.run(t, 4)
				s.send(t, s.task("a", 0, checks.Routine))
				pass(time.Minute)
				v := s.one(t)
				if sight.watching.Err() == nil {
					t.Error("the window is still open after the verdict")
				}
				stop()
				if v.Reason != test.want || v.Health != test.health || !strings.Contains(v.Trail[0].Error, test.text) || sight.answered != test.answered {
					t.Errorf("got %v %q, answered %d: %s", v.Health, v.Reason, sight.answered, v.Trail[0].Error)
				}
			})
		})
	}
}

func TestWhatACheckLearnedIsKnownToTheNextRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var known []checks.Known
		s := newSite(t, checks.Chain{{Name: checks.Ping, Run: func(_ context.Context, v *checks.Visit) (checks.Finding, error) {
			known = append(known, v.Known)
			v.Known.Pin = "ab"
			return checks.Finding{}, nil
		}}}, "a")
		stop := s.run(t, 4)
		for n := range 2 {
			s.send(t, s.task("a", n, checks.Routine))
			pass(time.Second)
		}
		stop()
		if len(known) != 2 || known[0].Pin != "" || known[1].Pin != "ab" {
			t.Errorf("known %+v", known)
		}
	})
}
