package actor_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/memory"
)

// refuser is a login check at a BMC that refuses; it counts, and notices two logins at once.
type refuser struct {
	logins, now atomic.Int32
	t           *testing.T
}

func (r *refuser) run(context.Context, *checks.Visit) (checks.Finding, error) {
	if r.now.Add(1) > 1 {
		r.t.Error("two logins at once")
	}
	r.logins.Add(1)
	time.Sleep(50 * time.Millisecond)
	r.now.Add(-1)
	return checks.Finding{}, checks.Blame(checks.AuthRejected, errors.New("log in: 401"))
}

func loginChain(run func(context.Context, *checks.Visit) (checks.Finding, error)) checks.Chain {
	return checks.Chain{{Name: checks.Ping, Run: good}, {Name: checks.RedfishLogin, Logs: true, Timeout: 30 * time.Second, Run: run}, {Name: checks.Power, Run: good}}
}

func TestTenThousandTasksMakeTwoRefusedLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bmc := &refuser{t: t}
		s := newSite(t, loginChain(bmc.run), "a")
		stop := s.run(t, 32)
		flood := func(n int) {
			var group sync.WaitGroup
			for i := range 10 {
				group.Go(func() {
					for j := range n / 10 {
						s.send(t, s.task("a", i*n/10+j, checks.Routine))
					}
				})
			}
			group.Wait()
			pass(time.Minute)
		}
		flood(5_000)
		if n := bmc.logins.Load(); n != 1 {
			t.Errorf("%d logins within the pause, want 1", n)
		}
		pass(time.Hour)
		flood(5_000)
		if n := bmc.logins.Load(); n != 2 {
			t.Errorf("%d logins in all, want 2", n)
		}
		stop()
		count := map[checks.Reason]int{}
		for _, v := range s.verdicts {
			count[v.Reason]++
		}
		if count[checks.AuthRejected] != 2 || count[checks.AuthFenced] != 9_998 {
			t.Errorf("verdicts %v, want 2 rejected and 9998 fenced", count)
		}
	})
}

func TestAFencedRoundNamesItsFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bmc := &refuser{t: t}
		s := newSite(t, loginChain(bmc.run), "a")
		stop := s.run(t, 4)
		first := s.task("a", 0, checks.Routine)
		var facts []checks.Facts
		for _, wait := range []time.Duration{time.Minute, time.Hour, time.Minute} {
			s.send(t, s.task("a", 0, checks.Routine))
			pass(wait)
			s.mu.Lock()
			trail := s.verdicts[len(s.verdicts)-1].Trail
			facts = append(facts, trail[len(trail)-1].Facts)
			s.mu.Unlock()
		}
		s.send(t, s.task("a", 0, checks.Routine))
		pass(time.Second)
		stop()
		final := s.verdicts[3].Trail[1]
		if final.Outcome != checks.Failed || final.Reason != checks.AuthFenced || final.Facts["fence_until"] != "final" ||
			final.Facts["credential_version"] != "v1" || final.Facts["fence_at"] == "" {
			t.Errorf("final: %+v", final)
		}
		if !strings.HasSuffix(final.Error, "the next when the credential changes or a person checks again") {
			t.Errorf("final says %q", final.Error)
		}
		if got := facts[1]; got["fence_round"] != first.Round.String() || got["fence_until"] == "final" || got["fence_until"] == "" {
			t.Errorf("fenced within the pause: %v, want the round %s", got, first.Round)
		}
	})
}

func TestWhoseFaultALoginThatWasNotTriedIs(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*site)
		why    checks.Why
		reason checks.Reason
		logins int
		fact   string
	}{
		"the keyring has no such name": {func(s *site) {
			s.Logins.Keyring = keyring{fmt.Errorf("x: %w", inventory.ErrNoCredential)}
		}, checks.Routine, checks.SelfNoCredential, 0, ""},
		"the keyring cannot be read": {func(s *site) {
			s.Logins.Keyring = keyring{fmt.Errorf("x: %w", inventory.ErrKeyring)}
		}, checks.Routine, checks.SelfKeyring, 0, ""},
		"a login was cut short by a crash": {func(s *site) {
			_, _, _ = s.Memory.Begin(context.Background(), time.Now(), "a", "c", "v1", checks.Round{BMC: "a", Due: time.Now()})
		}, checks.Routine, checks.SelfLoginUnsure, 0, "fence_until"},
		"somebody stopped all probes": {func(s *site) {
			_ = s.Memory.SetStop(context.Background(), memory.Stop{On: true, By: "x"})
		}, checks.Person, checks.SelfStopped, 0, ""},
		"the credential's group is stopped": {func(s *site) { refuse(s, "b", "c", "d", "e", "f") }, checks.Routine, checks.SelfGroupStopped, 0, ""},
		"the group is stopped, but a person asks": {func(s *site) { refuse(s, "b", "c", "d", "e", "f") }, checks.Person, checks.AuthRejected, 1,
			"fence_until"},
		"it is fenced, but a person asks": {func(s *site) { refuse(s, "a") }, checks.Person, checks.AuthRejected, 1, "fence_until"},
		"it is fenced, but the user name was typed": {func(s *site) { refuse(s, "a"); s.Logins.Typed = true },
			checks.Person, checks.AuthRejected, 1, "fence_ignored"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bmc := &refuser{t: t}
				s := newSite(t, loginChain(bmc.run), "a")
				test.change(s)
				stop := s.run(t, 4)
				s.send(t, s.task("a", 0, test.why))
				pass(time.Minute)
				v := s.one(t)
				stop()
				last := v.Trail[len(v.Trail)-1]
				if v.Reason != test.reason || int(bmc.logins.Load()) != test.logins || test.fact != "" && last.Facts[test.fact] == "" {
					t.Errorf("got %q with %d logins, facts %v: %s", v.Reason, bmc.logins.Load(), last.Facts, last.Error)
				}
				if strings.Contains(fmt.Sprintf("%+v", v), "REDACTED") {
					t.Error("the verdict holds a secret")
				}
			})
		})
	}
}

func refuse(s *site, ids ...inventory.ID) {
	for _, id := range ids {
		attempt, _, _ := s.Memory.Begin(context.Background(), time.Now(), id, "c", "v1", checks.Round{BMC: id, Due: time.Now()})
		_, _ = attempt.End(context.Background(), time.Now(), memory.Refused)
	}
}

func TestATypedUserNameSetsNoFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, loginChain((&refuser{t: t}).run), "a")
		s.Logins.Typed = true
		stop := s.run(t, 4)
		s.send(t, s.task("a", 0, checks.Person))
		pass(time.Minute)
		stop()
		if f, fenced := s.Memory.Fence("a"); fenced {
			t.Errorf("fence %+v", f)
		}
	})
}

func TestALoginThatPanicsIsTriedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logins := 0
		s := newSite(t, loginChain(func(context.Context, *checks.Visit) (checks.Finding, error) {
			logins++
			panic("after the password went out")
		}), "a")
		stop := s.run(t, 4)
		s.send(t, s.task("a", 0, checks.Routine))
		pass(10 * time.Minute)
		v := s.one(t)
		stop()
		if logins != 1 || v.Reason != checks.SelfLoginUnsure {
			t.Errorf("%d logins and %q, want 1 and self.login_unsure", logins, v.Reason)
		}
	})
}

func TestSilenceAndFullBMCsAreNoRefusals(t *testing.T) {
	for _, reason := range []checks.Reason{checks.IPMITimeout, checks.APITimeout, checks.SessionLimit, checks.APIStarting} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, loginChain(blame(reason)), "a")
			stop := s.run(t, 4)
			for n := range 3 {
				s.send(t, s.task("a", n, checks.Routine))
				pass(time.Minute)
			}
			stop()
			for _, v := range s.verdicts {
				if v.Reason != reason {
					t.Errorf("after %s: %s", reason, v.Reason)
				}
			}
		})
	}
}

// A sink that fails hands the task back; what comes again must not log in again.
func TestAVerdictThatWasNotKeptCostsNoSecondLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bmc := &refuser{t: t}
		s := newSite(t, loginChain(bmc.run), "a")
		tries := 0
		s.Sink = results.Func(func(ctx context.Context, v results.Verdict) error {
			if tries++; tries < 5 {
				return errors.New("disk full")
			}
			return s.emit(ctx, v)
		})
		stop := s.run(t, 4)
		s.send(t, s.task("a", 0, checks.Person))
		pass(time.Minute)
		v := s.one(t)
		stop()
		if v.Reason != checks.AuthRejected || bmc.logins.Load() != 1 {
			t.Errorf("%q after %d logins, want auth.rejected after 1", v.Reason, bmc.logins.Load())
		}
	})
}

func TestTheIntentIsInTheFileBeforeTheLogin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	m, err := memory.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var during memory.Decision
	done := make(chan struct{})
	s := newSite(t, loginChain(func(_ context.Context, v *checks.Visit) (checks.Finding, error) {
		other, err := memory.Open(path) // as another process would
		if err != nil {
			return checks.Finding{}, err
		}
		_, permit, err := other.Begin(context.Background(), time.Now(), v.BMC.ID, "c", "v1", checks.Round{BMC: v.BMC.ID, Due: time.Now(), Why: checks.Routine})
		during = permit.Decision
		return checks.Finding{}, errors.Join(err, other.Close())
	}), "a")
	s.Memory, s.Visits.Memory = m, m
	s.Ended = func(results.Verdict) { close(done) }
	stop := s.run(t, 4)
	s.send(t, s.task("a", 0, checks.Routine))
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Error("no verdict within 20 s")
	}
	stop()
	if v := s.one(t); during != memory.Unsure || v.Health != checks.Available {
		t.Errorf("another process was told %d, want unsure; verdict %v %s", during, v.Health, v.Trail[1].Error)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
