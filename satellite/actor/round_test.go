package actor_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
)

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
		if err := s.Send(t.Context(), failedBefore, s.Chain[0]); err != nil {
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

type sightOf struct {
	checks.Proof
	mu       sync.Mutex
	answered int
}

func (s *sightOf) Watch(context.Context, inventory.BMC) func() checks.Proof {
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
