package owners

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/schedule"
)

// TestMain keeps to one processor: with the race detector Go 1.26.8 crashes now and then when two goroutines of a bubble find their
// timers expired at the same moment (unlockAndRun's race context of a bubble is shared and not locked).
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}

func TestThreeSatellitesShareEvenlyAndALeaverMovesOnlyItsOwn(t *testing.T) {
	var members []*member
	for _, name := range []string{"sat-a", "sat-b", "sat-c"} {
		members = append(members, &member{hello: hello{word: word{peer: peer{Name: name}}}, hash: hashOf(name)})
	}
	const all = 10_000
	share := map[string]int{}
	for i := range all {
		bmc := inventory.ID(fmt.Sprintf("ams1-r%02d-u%02d", i/40, i%40))
		owner := best(members, bmc, anybody).Name
		share[owner]++
		after := best(members[:2], bmc, anybody).Name
		if owner != "sat-c" && after != owner {
			t.Fatalf("%s moved from %s to %s when sat-c left", bmc, owner, after)
		}
	}
	for name, n := range share {
		if n < all*9/30 || n > all*11/30 {
			t.Errorf("%s owns %d of %d: want a third, 10 %% more or less", name, n, all)
		}
	}
}

func TestASingleSatelliteWorksAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 20, 1, 0)
		a := s.start("sat-a")
		s.run(30 * time.Second)
		if late := s.late(s.since, s.since.Add(20*time.Second)); late != nil {
			t.Errorf("%d late, the first %s", len(late), late[0])
		}
		if owner, known := a.Owner("bmc-0001"); !known || owner != "sat-a" || !a.Alive() {
			t.Errorf("owner %q, known %v, alive %v", owner, known, a.Alive())
		}
	})
}

// The broker may be away when a satellite is started.
func TestASatelliteAnswersForNothingThatFellDueBeforeItRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := New(Config{Name: "sat-a", Air: newEther(1, 0).station("sat-a")})
		time.Sleep(time.Minute)
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- o.Run(ctx) }()
		time.Sleep(time.Second)
		if view := o.View(); len(view) != 1 || view[0].Started.Before(began) {
			t.Errorf("it was started at %v, and says %+v", began, view)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestANewcomerStartsNothingBeforeItListened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 60, 2, 0)
		s.start("sat-a")
		s.run(20 * time.Second)
		began := time.Now()
		b := s.start("sat-b")
		for b.rounds == 0 && time.Since(began) < time.Minute {
			s.run(step)
		}
		if waited := time.Since(began); waited < Silence || waited > 10*time.Second {
			t.Errorf("the newcomer started its first round after %v: want between 6 and 10 s", waited)
		}
		s.run(20 * time.Second)
		if late := s.late(s.since, time.Now().Add(-10*time.Second)); late != nil {
			t.Errorf("%d late, the first %s", len(late), late[0])
		}
		for r, starts := range s.starts {
			if len(starts) != 1 {
				t.Errorf("%v was started %v: a newcomer is no reason for a duplicate", r, starts)
			}
		}
	})
}

func TestEveryRoundIsStartedWhateverHappensToASatellite(t *testing.T) {
	for name, harm := range map[string]func(s *site, l *lamp){
		"killed":  func(s *site, l *lamp) { s.kill(l) },
		"stopped": func(s *site, l *lamp) { s.stop(l) },
		"killed and started at once": func(s *site, l *lamp) {
			s.kill(l)
			s.run(500 * time.Millisecond)
			s.start(l.Name)
		},
		"killed and started after 5 s": func(s *site, l *lamp) {
			s.kill(l)
			s.run(5 * time.Second)
			s.start(l.Name)
		},
		"standing still for 20 s": func(s *site, l *lamp) {
			s.freeze(l)
			s.run(20 * time.Second)
			s.wake(l)
		},
		"standing still for 4 s": func(s *site, l *lamp) {
			s.freeze(l)
			s.run(4 * time.Second)
			s.wake(l)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t, 40, seed, 0)
					for i := range 3 {
						s.start(fmt.Sprint("sat-", i))
					}
					s.run(15*time.Second + time.Duration(seed)*700*time.Millisecond)
					harm(s, s.lamps[seed%3])
					s.run(30 * time.Second)
					if late := s.late(s.since, time.Now().Add(-11*time.Second)); late != nil {
						t.Errorf("%d late, the first %s", len(late), late[0])
					}
				})
			}
		})
	}
}

// TestNeverTwoStarters is the property under random faults.
func TestNeverTwoStarters(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 7))
			s := newSite(t, 25, seed, float64(seed%4)*0.05)
			if seed%3 == 2 {
				s.air.delay = func() time.Duration { return time.Duration(s.air.rand.IntN(1500)) * time.Millisecond }
			}
			for i := range 4 {
				s.start(fmt.Sprint("sat-", i))
			}
			s.run(10 * time.Second)
			for range 15 {
				s.fault(chance)
				s.run(time.Duration(chance.IntN(5000)) * time.Millisecond)
			}
			for _, l := range s.lamps {
				s.wake(l)
				s.air.set(func() { l.air.side = 0 })
			}
			s.air.set(func() { s.air.loss, s.air.delay = 0, func() time.Duration { return time.Millisecond } })
			s.run(20 * time.Second)
			healed := time.Now()
			s.run(25 * time.Second)
			if late := s.late(healed, time.Now().Add(-11*time.Second)); late != nil {
				t.Errorf("seed %d: after all is well again %d are late, the first %s", seed, len(late), late[0])
			}
		})
	}
}

func (s *site) fault(chance *rand.Rand) {
	l := s.lamps[chance.IntN(len(s.lamps))]
	switch chance.IntN(6) {
	case 0:
		s.kill(l)
		s.start(l.Name)
	case 1:
		s.kill(l)
		s.run(time.Duration(chance.IntN(8000)) * time.Millisecond)
		s.start(l.Name)
	case 2:
		s.freeze(l)
	case 3:
		for _, l := range s.lamps {
			s.wake(l)
		}
	case 4:
		s.air.set(func() { l.air.side = chance.IntN(2) })
	case 5:
		s.air.set(func() {
			for _, l := range s.lamps {
				l.air.side = 0
			}
		})
	}
}

func TestASatelliteThatDoesNotHearItselfIsNotAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 5, 3, 0)
		a := s.start("sat-a")
		s.run(10 * time.Second)
		s.air.set(func() { a.air.off = true })
		s.run(4500 * time.Millisecond)
		if a.Alive() {
			t.Error("4.5 s without its own hello, and it still acts")
		}
		s.air.set(func() { a.air.off = false })
		s.run(1500 * time.Millisecond)
		if !a.Alive() || a.Turn("bmc-0001", time.Now(), checks.Routine) != schedule.Later {
			t.Error("want it alive and listening")
		}
		s.run(7 * time.Second)
		if a.Turn("bmc-0001", time.Now(), checks.Routine) != schedule.Now {
			t.Error("want it to start rounds again")
		}
	})
}

func TestAWokenSatelliteActsOnlyAfterANewHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 5, 3, 0)
		a := s.start("sat-a")
		s.run(10 * time.Second)
		s.freeze(a)
		s.run(3 * time.Second)
		if a.Alive() {
			t.Error("it acts before anything noticed that it stood still")
		}
		s.wake(a)
		s.run(time.Second)
		if !a.Alive() {
			t.Error("want it alive again")
		}
	})
}

func TestOnlyAnOwnerThatVanishedHoldsLoginsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 60, 4, 0)
		a, b, c := s.start("sat-a"), s.start("sat-b"), s.start("sat-c")
		s.run(10 * time.Second)
		owners := map[inventory.ID]string{}
		for _, bmc := range s.bmcs {
			owners[bmc], _ = a.Owner(bmc)
		}
		s.stop(c)
		s.run(2 * time.Second)
		s.kill(b)
		killed := time.Now()
		s.run(8 * time.Second)
		for _, bmc := range s.bmcs {
			after := a.LoginAfter(bmc)
			switch {
			case owners[bmc] == "sat-a" && !after.IsZero():
				t.Fatalf("%s was always ours, and waits until %v", bmc, after)
			case owners[bmc] == "sat-b" && (after.Before(killed.Add(13*time.Second)) || after.After(killed.Add(17*time.Second))):
				t.Fatalf("%s waits until %v after sat-b's end: want 16 s after its last hello", bmc, after.Sub(killed))
			}
		}
		s.run(20 * time.Second)
		for _, bmc := range s.bmcs {
			if after := a.LoginAfter(bmc); !after.IsZero() {
				t.Fatalf("%s waits until %v, %v after sat-b's end", bmc, after, time.Since(killed))
			}
		}
	})
}

func TestTwoUnderOneNameAndOnlyTheLaterWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 5, 5, 0)
		first := s.start("sat-a")
		s.run(10 * time.Second)
		later := s.start("sat-a")
		s.run(15 * time.Second)
		if first.Alive() || !later.Alive() {
			t.Errorf("alive: first %v, later %v", first.Alive(), later.Alive())
		}
		if later.Turn("bmc-0001", time.Now(), checks.Routine) != schedule.Now {
			t.Error("the later one does not work")
		}
	})
}
