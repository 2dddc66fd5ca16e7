package owners

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/schedule"
)

const (
	interval = 5 * time.Second
	step     = 50 * time.Millisecond
)

// site is several satellites with a scheduler each that asks Turn as the real one does.
type site struct {
	t      *testing.T
	air    *ether
	bmcs   []inventory.ID
	lamps  []*lamp
	starts map[round][]start
	since  time.Time
}

type round struct {
	bmc inventory.ID
	due time.Time
}

type start struct {
	by string
	at time.Time
}

// lamp is one life of a satellite.
type lamp struct {
	*Owners
	air    *station
	cancel context.CancelFunc
	ended  chan error
	frozen bool

	mu      sync.Mutex
	gate    chan struct{} // closed unless the process stands still
	pending []round
	visits  map[inventory.ID]time.Time // until when
	planned time.Time                  // all that was due before is in pending
	rounds  int
}

func newSite(t *testing.T, bmcs int, seed uint64, loss float64) *site {
	s := &site{t: t, air: newEther(seed, loss), starts: map[round][]start{}, since: time.Now()}
	for i := range bmcs {
		s.bmcs = append(s.bmcs, inventory.ID(fmt.Sprintf("bmc-%04d", i)))
	}
	t.Cleanup(func() {
		for _, l := range s.lamps {
			l.thaw()
			l.cancel()
			<-l.ended
		}
	})
	return s
}

func (s *site) start(name string) *lamp {
	l := &lamp{
		air: s.air.station(name), ended: make(chan error, 1), gate: make(chan struct{}),
		visits: map[inventory.ID]time.Time{}, planned: time.Now(),
	}
	close(l.gate)
	l.Owners = New(Config{Name: name, Air: l.air, Holding: l.holding, Frontier: l.frontier})
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() {
		l.ended <- l.Run(ctx)
		close(l.ended)
	}()
	s.lamps = append(s.lamps, l)
	return l
}

// kill ends a satellite without a farewell.
func (s *site) kill(l *lamp) {
	s.air.set(func() { l.air.off = true })
	s.forget(l)
}

// stop ends a satellite as SIGTERM does.
func (s *site) stop(l *lamp) { s.forget(l) }

func (s *site) forget(l *lamp) {
	l.thaw()
	l.cancel()
	<-l.ended
	s.air.set(func() { l.air.off = true })
	s.lamps = slices.DeleteFunc(s.lamps, func(o *lamp) bool { return o == l })
}

func (s *site) freeze(l *lamp) {
	s.air.set(func() { l.air.held = true })
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.frozen {
		l.frozen, l.gate = true, make(chan struct{})
	}
}

func (s *site) wake(l *lamp) {
	l.thaw()
	s.air.set(func() { l.air.held = false })
}

func (l *lamp) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		l.frozen = false
		close(l.gate)
	}
}

func (l *lamp) wait() {
	l.mu.Lock()
	gate := l.gate
	l.mu.Unlock()
	<-gate
}

func (l *lamp) holding() (held []inventory.ID) {
	l.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for bmc := range l.visits {
		held = append(held, bmc)
	}
	return held
}

// frontier: a round that another may have to start does not hold it up.
func (l *lamp) frontier() time.Time {
	l.wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.pending {
		if owner, _ := l.Owner(r.bmc); owner == l.Name {
			return r.due
		}
	}
	return l.planned
}

func dueAfter(bmc inventory.ID, t time.Time) time.Time {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(bmc))
	phase := time.Duration(hash.Sum32()) % interval
	due := t.Truncate(interval).Add(phase)
	if !due.After(t) {
		due = due.Add(interval)
	}
	return due
}

// work does what a scheduler does every second, more often.
func (s *site) work(l *lamp, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		return
	}
	for bmc, until := range l.visits {
		if now.After(until) {
			delete(l.visits, bmc)
		}
	}
	for _, bmc := range s.bmcs {
		for due := dueAfter(bmc, l.planned); !due.After(now); due = due.Add(interval) {
			l.pending = append(l.pending, round{bmc, due})
		}
	}
	l.planned = now
	slices.SortStableFunc(l.pending, func(a, b round) int { return a.due.Compare(b.due) })
	l.pending = slices.DeleteFunc(l.pending, func(r round) bool {
		if _, busy := l.visits[r.bmc]; busy {
			return false
		}
		switch l.Turn(r.bmc, r.due, checks.Routine) {
		case schedule.Now:
			s.starts[r] = append(s.starts[r], start{l.Name, now})
			l.visits[r.bmc] = now.Add(time.Second)
			l.rounds++
			return true
		case schedule.Never:
			return true
		}
		return false
	})
}

// run lets time pass, and looks at every step that nobody starts what another starts.
func (s *site) run(d time.Duration) {
	s.t.Helper()
	for range int(d / step) {
		time.Sleep(step)
		synctest.Wait()
		s.check()
		for _, l := range s.lamps {
			s.work(l, time.Now())
		}
	}
}

// check is the property: of two satellites that live and hear each other, at most one may start rounds of a BMC.
func (s *site) check() {
	s.t.Helper()
	for i, a := range s.lamps {
		for _, b := range s.lamps[i+1:] {
			if a.frozen || b.frozen || !a.Alive() || !b.Alive() || !hears(a, b) || !hears(b, a) {
				continue
			}
			for _, bmc := range s.bmcs {
				if may(a, bmc) && may(b, bmc) {
					s.t.Fatalf("after %v: %s and %s may both start a round of %s", time.Since(s.since), a.Name, b.Name, bmc)
				}
			}
		}
	}
}

func hears(a, b *lamp) bool {
	return slices.ContainsFunc(a.View(), func(m Member) bool { return m.Name == b.Name && m.Started.Equal(b.view.me.Started) })
}

func may(l *lamp, bmc inventory.ID) bool {
	now := time.Now()
	for _, ago := range []time.Duration{0, 2 * time.Second, 7 * time.Second} {
		if l.Turn(bmc, now.Add(-ago), checks.Routine) == schedule.Now {
			return true
		}
	}
	return l.Turn(bmc, now, checks.Person) == schedule.Now
}

// late lists what was due between the times and was not started once or twice within 10 s.
func (s *site) late(from, to time.Time) (late []string) {
	for _, bmc := range s.bmcs {
		for due := dueAfter(bmc, from); due.Before(to); due = due.Add(interval) {
			starts := s.starts[round{bmc, due}]
			if len(starts) < 1 || len(starts) > 2 || starts[0].at.Sub(due) > 10*time.Second {
				late = append(late, fmt.Sprintf("%s due after %v: %v", bmc, due.Sub(s.since), starts))
			}
		}
	}
	return late
}
