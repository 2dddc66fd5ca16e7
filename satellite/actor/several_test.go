package actor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// dice are random numbers that several goroutines ask for.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// moody takes up to 3 s and does whatever a check can do.
func (d *dice) moody(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
	if _, err := takes(time.Duration(d.roll(3000))*time.Millisecond)(ctx, v); err != nil {
		return checks.Finding{}, err
	}
	switch d.roll(20) {
	case 0:
		panic("moody")
	case 1:
		return checks.Finding{}, checks.Blame(checks.NetTimeout, errors.New("silent"))
	case 2:
		return checks.Finding{}, errors.New("ours")
	}
	return checks.Finding{}, nil
}

// moodySite starts rounds at two satellites whose sinks and checks do whatever they can, and where copies are wanted the bus; wanted are their IDs.
func moodySite(t *testing.T, d *dice, copies bool) (s *several, wanted map[string]bool) {
	chain := checks.Chain{{Name: checks.Ping, Run: d.moody}, {Name: checks.RedfishLogin, Logs: true, Timeout: 30 * time.Second, Run: d.moody}, {Name: checks.Power, Run: d.moody}}
	var ids []inventory.ID
	for i := range 12 {
		ids = append(ids, inventory.ID(fmt.Sprint("b", i)))
	}
	s = newSeveral(t, chain, []string{"sat-a", "sat-b"}, ids...)
	for _, one := range s.sats {
		if copies {
			one.wire.roll = d.roll
		}
		one.Sink = results.Func(func(ctx context.Context, v results.Verdict) error {
			if d.roll(4) == 0 {
				return errFlaky
			}
			return one.emit(ctx, v)
		})
	}
	wanted = map[string]bool{}
	rounds := 1
	if copies {
		rounds = 2
	}
	for i, id := range ids {
		for n := range rounds {
			task := s.task(id, n, checks.Routine)
			task.Expires = time.Now().Add(time.Hour)
			wanted[task.Round.String()] = true
			for s.sats[i%2].send(task) != nil {
			}
		}
	}
	return s, wanted
}

// nemesis does something to a satellite every few seconds, for a minute; mortal is the one that dies in the end, if any.
func (s *several) nemesis(d *dice, mortal int) {
	for range 12 {
		pass(time.Duration(d.roll(10_000)) * time.Millisecond)
		one := s.sats[d.roll(2)]
		switch d.roll(3) {
		case 0:
			one.wire.lose(time.Duration(d.roll(8000)) * time.Millisecond)
		case 1:
			one.freeze(time.Duration(d.roll(20_000)) * time.Millisecond)
			pass(time.Duration(d.roll(20_000)) * time.Millisecond)
			one.thaw()
		}
	}
	if mortal < len(s.sats) {
		s.sats[mortal].die()
	}
}

// Whatever the bus, the sinks, the checks and the satellites do, each round has a verdict, and after dropping copies one; and
// a BMC never has two sessions. Two could be open where two satellites hold copies of a task, or different rounds.
func TestEachRoundOfASiteEnds(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			d := &dice{r: rand.New(rand.NewPCG(seed, 11))}
			copies := seed%2 == 0
			s, wanted := moodySite(t, d, copies)
			s.nemesis(d, d.roll(3))
			pass(2 * time.Hour)
			s.tolerant = copies
			s.end()
			seen := map[string]bool{}
			for _, v := range s.verdicts {
				seen[v.Round.String()] = true
			}
			for round := range wanted {
				if !seen[round] {
					t.Errorf("seed %d: %s has no verdict", seed, round)
				}
			}
			if len(seen) != len(wanted) {
				t.Errorf("seed %d: %d rounds have verdicts, %d were started", seed, len(seen), len(wanted))
			}
		})
	}
}

// Copies of every message, in a site where nobody is lost: nothing is done twice.
func TestCopiesOfEveryMessageChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSeveral(t, siteChain(time.Second, time.Second, time.Second), []string{"sat-a", "sat-b"}, "x", "y", "z")
		for i, one := range s.sats {
			one.wire.roll = func(int) int { return 2 }
			for n, id := range []inventory.ID{"x", "y", "z"} {
				if n%2 == i {
					one.start(s.task(id, 0, checks.Routine))
					one.start(s.task(id, 1, checks.Confirm))
				}
			}
		}
		pass(time.Minute)
		s.end()
		if len(s.verdicts) != 6 || len(s.logins) != 6 || len(s.lost) != 0 {
			t.Errorf("%d verdicts, %d logins, %d lost; want 6, 6 and 0", len(s.verdicts), len(s.logins), len(s.lost))
		}
	})
}
