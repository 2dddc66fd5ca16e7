package actor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/memory"
)

func TestASecondOpinionIsAskedOfNetworkFailuresOnly(t *testing.T) {
	for name, test := range map[string]struct {
		run    func(context.Context, *checks.Visit) (checks.Finding, error)
		asked  bool
		health checks.Health
	}{
		"silence":                           {blame(checks.TLSTimeout), true, checks.Unknown},
		"a closed port":                     {blame(checks.NetRefused), true, checks.Unknown},
		"a certificate that is not trusted": {blame(checks.TLSUntrusted), false, checks.Unavailable},
		"a handshake that failed":           {blame(checks.TLSHandshake), false, checks.Unavailable},
		"a good check":                      {good, false, checks.Available},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, checks.Chain{{Name: checks.Ping, Run: good}, {Name: checks.TLS, Run: test.run}}, "a")
				var asked []checks.Result
				s.Second = func(_ context.Context, id inventory.ID, r checks.Result) checks.Result {
					asked = append(asked, r)
					return checks.Weigh(r, "sat-b", &checks.Result{Check: checks.TLS, Outcome: checks.OK})
				}
				stop := s.run(t, 4)
				s.send(t, s.task("a", 0, checks.Routine))
				pass(time.Minute)
				stop()
				v := s.one(t)
				if len(asked) == 1 != test.asked || v.Health != test.health {
					t.Errorf("asked %d times, %v by %s", len(asked), v.Health, v.Reason)
				}
				if test.asked && (v.Reason != checks.SelfPath || v.Failed != checks.TLS || asked[0].Satellite != "sat" || v.Trail[1].Satellite != "sat") {
					t.Errorf("%s at %s, asked %+v: want self.path at tls, and both names", v.Reason, v.Failed, asked[0])
				}
			})
		})
	}
}

// A login that got no answer was none, whatever the other satellite finds: the login rule counts no refusal.
func TestASecondOpinionLeavesTheLoginRuleAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, checks.Chain{{Name: checks.RedfishLogin, Logs: true, Timeout: time.Second, Run: blame(checks.APITimeout)}}, "a")
		s.Second = func(_ context.Context, _ inventory.ID, r checks.Result) checks.Result {
			return checks.Weigh(r, "sat-b", &checks.Result{Check: checks.Ping, Outcome: checks.OK})
		}
		stop := s.run(t, 4)
		for i := range 5 {
			s.send(t, s.task("a", i, checks.Routine))
			pass(time.Minute)
		}
		stop()
		if len(s.verdicts) != 5 {
			t.Fatalf("%d verdicts, want 5", len(s.verdicts))
		}
		for _, v := range s.verdicts {
			if v.Reason != checks.SelfPath {
				t.Errorf("%s: %s, want self.path each time", v.Round, v.Reason)
			}
		}
		if f, fenced := s.Memory.Fence("a"); fenced {
			t.Errorf("fenced: %+v", f)
		}
	})
}

func TestARoundThatIsCutShortWhileAnOpinionIsWaitedForAccusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, checks.Chain{{Name: checks.Ping, Run: blame(checks.NetTimeout)}}, "a")
		s.Second = func(ctx context.Context, _ inventory.ID, r checks.Result) checks.Result {
			<-ctx.Done()
			return r
		}
		stop := s.run(t, 4)
		s.send(t, s.task("a", 0, checks.Routine))
		pass(time.Second)
		if err := s.Memory.SetStop(t.Context(), memory.Stop{On: true, By: "somebody"}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		stop()
		if v := s.one(t); v.Reason != checks.SelfStopped {
			t.Errorf("%s by %s, want self.stopped", v.Health, v.Reason)
		}
	})
}

// A satellite that dies while it waits for an opinion leaves its round to another, as at any other moment.
func TestASatelliteThatDiesWhileItWaitsForAnOpinionLosesNoRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, checks.Chain{{Name: checks.Ping, Timeout: time.Second, Run: blame(checks.NetTimeout)}}, []string{"sat-a", "sat-b"}, "x")
		s.sats[0].Second = func(ctx context.Context, _ inventory.ID, r checks.Result) checks.Result {
			<-ctx.Done()
			return r
		}
		s.sats[0].start(s.task("x", 0, checks.Routine))
		pass(time.Second)
		s.sats[0].die()
		pass(time.Minute)
		if v := s.one(); v.Satellite != "sat-b" || v.Reason != checks.NetTimeout {
			t.Errorf("%s by %s", v.Reason, v.Satellite)
		}
		s.end()
	})
}
