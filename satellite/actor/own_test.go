package actor_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
)

func TestARoundStaysWithItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, siteChain(time.Second, time.Second, time.Second), []string{"sat-a", "sat-b"}, "x", "y")
		s.sats[0].start(s.task("x", 0, checks.Routine))
		s.sats[1].start(s.task("y", 0, checks.Routine))
		pass(time.Second / 2)
		if got := s.sats[0].Visits.Holding(); !slices.Equal(got, []inventory.ID{"x"}) {
			t.Errorf("sat-a holds %v, want x", got)
		}
		pass(30 * time.Second)
		s.end()
		if len(s.verdicts) != 2 || len(s.lost) != 0 || len(s.logins) != 2 {
			t.Fatalf("%d verdicts, %v lost, logins %v", len(s.verdicts), s.lost, s.logins)
		}
		for _, v := range s.verdicts {
			want := map[inventory.ID]string{"x": "sat-a", "y": "sat-b"}[v.BMC]
			if v.Health != checks.Available || v.Satellite != want || v.At.Sub(v.Round.Due) > 4*time.Second {
				t.Errorf("%s: %v by %s after %v", v.Round, v.Health, v.Satellite, v.At.Sub(v.Round.Due))
			}
		}
		if got := s.sats[0].Visits.Holding(); len(got) != 0 {
			t.Errorf("sat-a still holds %v", got)
		}
	})
}

// Wherever in a round its satellite dies, the other ends it, and logs in only when no session can be open any more.
func TestADeadSatellitesRoundIsTakenOver(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"in ping": 5 * time.Millisecond, "in tls": 500 * time.Millisecond, "in the login": 1500 * time.Millisecond, "in power": 4 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSeveral(t, siteChain(time.Second, time.Second, 4*time.Second), []string{"sat-a", "sat-b"}, "x")
				s.sats[0].start(s.task("x", 0, checks.Routine))
				pass(after)
				died := time.Now()
				s.sats[0].die()
				pass(bus.SpillAfter)
				if got := s.sats[1].Visits.Holding(); len(got) != 1 {
					t.Errorf("sat-b holds %v, want x: it did not take over within %v", got, bus.SpillAfter)
				}
				pass(time.Minute)
				s.end()
				v := s.one()
				want := checks.Available
				if name == "in the login" {
					want = checks.Unknown // what the BMC decided about that login nobody knows
				} else if wait := s.loginAt["x"].Sub(died); wait < actor.TakeoverWait || wait > actor.TakeoverWait+bus.SpillAfter+2*time.Second {
					t.Errorf("sat-b logged in %v after sat-a died", wait)
				}
				if v.Health != want || v.Satellite != "sat-b" || v.At.Sub(died) > 20*time.Second {
					t.Errorf("%v %s by %s %v after sat-a died", v.Health, v.Reason, v.Satellite, v.At.Sub(died))
				}
			})
		})
	}
}

// The time that rounds wait for each other counts: the dead one's session is over after TakeoverWait, however many rounds it left.
func TestRoundsOfOneBMCAreTakenOverOneRightAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, siteChain(time.Second, time.Second, time.Second), []string{"sat-a", "sat-b"}, "x")
		s.sats[0].start(s.task("x", 0, checks.Routine))
		s.sats[0].start(s.task("x", 1, checks.Routine))
		pass(5 * time.Millisecond)
		died := time.Now()
		s.sats[0].die()
		pass(time.Minute)
		s.end()
		if len(s.verdicts) != 2 {
			t.Fatalf("%d verdicts, want 2", len(s.verdicts))
		}
		for _, v := range s.verdicts {
			if took := v.At.Sub(died); v.Satellite != "sat-b" || took < actor.TakeoverWait || took > actor.TakeoverWait+bus.SpillAfter+8*time.Second {
				t.Errorf("%s: by %s, %v after sat-a died", v.Round, v.Satellite, took)
			}
		}
	})
}

// A satellite that wakes up throws away what it finds, and sends nothing but the logout.
func TestAFrozenSatellitesRoundIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		thawed := make(chan struct{})
		chain := siteChain(time.Second, time.Second, time.Second)
		frozen := 0
		chain[3].Run = func(context.Context, *checks.Visit) (checks.Finding, error) {
			if frozen++; frozen == 1 {
				<-thawed
			}
			return checks.Finding{}, nil
		}
		s := newSeveral(t, chain, []string{"sat-a", "sat-b"}, "x")
		s.sats[0].start(s.task("x", 0, checks.Routine))
		pass(3 * time.Second)
		s.sats[0].freeze(time.Minute)
		pass(time.Minute)
		if v := s.one(); v.Satellite != "sat-b" || v.Health != checks.Available {
			t.Errorf("%v by %s", v.Health, v.Satellite)
		}
		close(thawed)
		pass(2 * time.Second)
		if _, open, lost := s.look("x"); open != 0 || len(lost) != 1 {
			t.Errorf("2 s after it woke up %d sessions are open, lost %v", open, lost)
		}
		s.sats[0].thaw()
		pass(time.Minute)
		s.end()
		s.one()
	})
}

// Others may have taken over what a satellite does that they do not hear: it hands its task back, and what it found is nobody's.
func TestASatelliteThatNobodyHearsGivesItsRoundsAway(t *testing.T) {
	for name, deaf := range map[string]time.Duration{"before a check": 0, "during a check": time.Second, "during a login": 3 * time.Second,
		"during the last check": 4500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSeveral(t, siteChain(2*time.Second, 2*time.Second, time.Second), []string{"sat-a", "sat-b"}, "x")
				s.sats[0].start(s.task("x", 0, checks.Routine))
				time.Sleep(deaf)
				s.locked(func() { s.sats[0].frozen = true })
				pass(3 * time.Minute)
				s.end()
				if v := s.one(); v.Satellite != "sat-b" || v.Health != checks.Available {
					t.Errorf("%v %s by %s", v.Health, v.Reason, v.Satellite)
				}
				if len(s.lost) == 0 {
					t.Error("the scheduler was not told that the round is lost")
				}
			})
		})
	}
}

// What a satellite is said to hold nobody else starts a round of.
func TestACopyThatWaitedWhileItsRoundEndedHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, siteChain(time.Second, time.Second, time.Second)[:1], []string{"sat-a"}, "x")
		task := s.task("x", 0, checks.Routine)
		for range 3 {
			s.sats[0].start(task)
		}
		pass(10 * time.Second)
		s.one()
		if held := s.sats[0].Visits.Holding(); len(held) != 0 {
			t.Errorf("it still holds %v", held)
		}
		s.end()
	})
}

// After an outage of the broker no satellite hears itself for a moment.
func TestWhereAllAreDeafForAMomentATaskWaitsNoLongerThanThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, siteChain(time.Second, time.Second, time.Second), []string{"sat-a", "sat-b"}, "x")
		deaf := func(is bool) {
			s.locked(func() { s.sats[0].frozen, s.sats[1].frozen = is, is })
		}
		deaf(true)
		m := message(t, s.task("x", 0, checks.Routine), checks.Ping)
		m.Spill = ""
		if err := s.bus.Send(t.Context(), "ams.ping", m); err != nil {
			t.Fatal(err)
		}
		pass(4 * time.Second)
		deaf(false)
		heard := time.Now()
		pass(time.Minute)
		s.end()
		if v := s.one(); v.Trail[0].At.Sub(heard) > 1200*time.Millisecond {
			t.Errorf("the first answer came %s after they heard each other again", v.Trail[0].At.Sub(heard))
		}
	})
}

// The other waits for as long as the first one's login and logout can take.
func TestALostConnectionOpensNoSecondSession(t *testing.T) {
	for _, login := range []time.Duration{2 * time.Second, 20 * time.Second} {
		for _, at := range []time.Duration{10 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				s := newSeveral(t, siteChain(time.Second, login, 25*time.Second), []string{"sat-a", "sat-b"}, "x")
				s.sats[0].start(s.task("x", 0, checks.Routine))
				pass(at)
				s.sats[0].wire.lose(5 * time.Second)
				pass(3 * time.Minute)
				s.end()
				rounds := map[string]int{}
				for _, v := range s.verdicts {
					rounds[v.Round.String()]++
				}
				if len(rounds) != 1 {
					t.Errorf("verdicts of %v", rounds)
				}
			})
		}
	}
}

func TestAStayWhoseTaskWentElsewhereIsClosedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, siteChain(time.Second, time.Second, time.Second), []string{"sat-a"}, "x")
		a := s.sats[0]
		task := s.task("x", 0, checks.Routine)
		a.wire.mu.Lock()
		a.wire.steal = true
		a.wire.mu.Unlock()
		if err := s.bus.Send(t.Context(), a.Own, message(t, task, checks.Ping)); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		if _, _, lost := s.look("x"); len(a.Visits.Holding()) != 1 || len(lost) != 0 {
			t.Errorf("after 2 s it holds %v and has lost %v", a.Visits.Holding(), lost)
		}
		pass(3 * time.Second)
		if _, _, lost := s.look("x"); len(a.Visits.Holding()) != 0 || len(lost) != 1 || lost[0] != task.Round {
			t.Errorf("after 5 s it holds %v and has lost %v", a.Visits.Holding(), lost)
		}
		s.end()
	})
}

func message(t *testing.T, task checks.Task, check checks.Name) bus.Message {
	t.Helper()
	task.Check = check
	return bus.Message{ID: task.Round.String() + "/" + string(check), Body: body(t, task), Spill: actor.Mailbox("ams", check)}
}

func TestALoginWaitsUntilItsBMCIsFreeWithoutASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ids := []inventory.ID{"a", "b", "c", "d", "e", "f", "z"}
		s := newSeveral(t, siteChain(time.Second, time.Second, time.Second), []string{"sat-a"}, ids...)
		begun := time.Now()
		s.sats[0].LoginAfter = func(id inventory.ID) time.Time {
			if id == "z" {
				return time.Time{}
			}
			return begun.Add(40 * time.Second)
		}
		for _, id := range ids[:6] { // more than there are slots
			s.sats[0].start(s.task(id, 0, checks.Routine))
		}
		pass(5 * time.Second)
		s.sats[0].start(s.task("z", 0, checks.Routine))
		pass(5 * time.Second)
		if v := s.one(); v.BMC != "z" {
			t.Errorf("%s was first, want z", v.BMC)
		}
		pass(time.Minute)
		s.end()
		for _, id := range ids[:6] {
			if wait := s.loginAt[id].Sub(begun); wait < 40*time.Second || wait > 45*time.Second {
				t.Errorf("logged in to %s after %v, want 40 s", id, wait)
			}
		}
	})
}

func TestWhatIsInTheWrongPlaceIsRejectedWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, siteChain(1, 1, 1), []string{"sat-a"}, "x")
		task := s.task("x", 0, checks.Routine)
		for _, m := range []bus.Message{
			{ID: "garbage", Body: []byte("{"), Spill: "ams.ping"}, message(t, task, "stranger"),
		} {
			if err := s.bus.Send(t.Context(), s.sats[0].Own, m); err != nil {
				t.Fatal(err)
			}
		}
		m := message(t, s.task("x", 1, checks.Routine), checks.TLS)
		m.Spill = ""
		if err := s.bus.Send(t.Context(), "ams.ping", m); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		s.end()
		var why []string
		for _, m := range s.dead {
			why = append(why, m.Why)
		}
		slices.Sort(why)
		if len(why) != 3 || len(s.verdicts) != 2 {
			t.Fatalf("%d verdicts, dead: %q", len(s.verdicts), why)
		}
		for i, want := range []string{"garbage: decode task", `no actor for "stranger" in ams@sat-a`, "came to ping"} {
			if !slices.ContainsFunc(why, func(w string) bool { return contains(w, want) }) {
				t.Errorf("%d: nobody says %q: %q", i, want, why)
			}
		}
	})
}
