package actor_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/memory"
)

// Whatever a round is doing when somebody stops the site, it is over within 5 s, and says so.
func TestAStopCutsEveryCheckShort(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"in ping": time.Millisecond, "in tls": time.Second, "in the login": 6 * time.Second, "in power": 16 * time.Second,
		"while a login waits": 5100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSeveral(t, siteChain(5*time.Second, 10*time.Second, 20*time.Second), []string{"sat-a", "sat-b"}, "x")
				if name == "while a login waits" {
					s.sats[0].LoginAfter = func(inventory.ID) time.Time { return time.Now().Add(time.Minute) }
				}
				s.sats[0].start(s.task("x", 0, checks.Person))
				pass(after)
				if err := s.sats[0].Memory.SetStop(t.Context(), memory.Stop{On: true, By: "eve", At: time.Now()}); err != nil {
					t.Fatal(err)
				}
				pass(time.Second)
				v := s.one()
				if v.Health != checks.Unknown || v.Reason != checks.SelfStopped || !strings.Contains(v.Trail[len(v.Trail)-1].Error, "eve") {
					t.Errorf("%v %s: %+v", v.Health, v.Reason, v.Trail)
				}
				if _, open, _ := s.look("x"); open != 0 {
					t.Error("a session is open")
				}
				fence, stands := s.sats[0].Memory.Fence("x")
				if want := name == "in the login"; stands != want {
					t.Errorf("fence %+v, want one only where a login was cut short", fence)
				}
				pass(time.Minute)
				s.end()
				s.one()
			})
		})
	}
}

func TestNoCheckBeginsWhileTheSiteIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := []inventory.ID{"a", "b", "c", "d", "e", "f", "g", "h"}
		s := newSeveral(t, siteChain(5*time.Second, time.Second, time.Second), []string{"sat-a"}, ids...)
		for _, id := range ids { // twice what there are slots
			s.sats[0].start(s.task(id, 0, checks.Routine))
		}
		pass(time.Second)
		_ = s.sats[0].Memory.SetStop(t.Context(), memory.Stop{On: true})
		pass(time.Second)
		if got, _, _ := s.look("a"); got != len(ids) {
			t.Errorf("%d verdicts within 1 s, want %d", got, len(ids))
		}
		_ = s.sats[0].Memory.SetStop(t.Context(), memory.Stop{})
		s.sats[0].start(s.task("a", 1, checks.Routine))
		pass(time.Minute)
		s.end()
		if last := s.verdicts[len(s.verdicts)-1]; last.Health != checks.Available || len(s.logins) != 1 {
			t.Errorf("after go: %v %s, logins %v", last.Health, last.Reason, s.logins)
		}
	})
}
