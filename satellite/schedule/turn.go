package schedule

import (
	"errors"
	"slices"
	"time"

	"lamplighter/checks"
)

// Turn says whether this satellite may start a round. Each satellite of a site schedules all BMCs of the site, and starts the
// rounds of those that it owns.
type Turn uint8

// The turns.
const (
	// Never: another satellite has started the round, or will.
	Never Turn = iota
	// Later: this satellite will start it, but may not yet. Ask again in a second; the round keeps its due.
	Later
	// Now: start it.
	Now
	// Theirs: another satellite should start it, and it is not known that it did: it may be dead. Ask again in a second. Such a
	// round does not hold Frontier back: satellites whose frontiers wait for each other's would get nowhere.
	Theirs
)

// ErrNotMine is the error of a request for a BMC that another satellite owns.
var ErrNotMine = errors.New("another satellite owns the BMC")

// The reasons why a routine round was not started.
const (
	Overload = "overload" // its successor came due while it waited for a visit
	Running  = "running"  // another round of the BMC ran, or ran since it came due
	Stopped  = "stopped"  // the site was stopped
	Bus      = "bus"      // the bus did not take its task in time
	Moved    = "moved"    // it waited for a visit while the BMC went to another satellite
	Nothing  = "nothing"  // no check of the chain applies to the BMC
)

// skip is a routine round that was not started, and that Skipped is not told of yet.
type skip struct {
	round checks.Round
	why   string
	ours  bool // in any case; else only if it is our turn
}

// skip notes a round that is not started. s.mu is held.
func (s *Scheduler) skip(e entry, why string, ours bool) {
	s.untold = append(s.untold, skip{e.at(e.due), why, ours})
	signal(s.told)
}

// tell tells of the rounds that were skipped, until closing is closed. Where it is not known yet who should have started one,
// it asks again.
func (s *Scheduler) tell(closing <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if s.tellAll() > 0 {
			timer.Reset(again)
		}
		select {
		case <-s.told:
		case <-timer.C:
		case <-closing:
			s.tellAll()
			return
		}
	}
}

// tellAll says how many are left.
func (s *Scheduler) tellAll() (left int) {
	s.mu.Lock()
	batch := s.untold[:len(s.untold):len(s.untold)]
	s.mu.Unlock()
	var keep []skip
	told := 0
	for _, skipped := range batch {
		switch s.whose(skipped) {
		case Now:
			told++
			if s.Config.Skipped != nil {
				s.Config.Skipped(skipped.round, skipped.why)
			}
		case Later, Theirs:
			keep = append(keep, skipped)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipped += told
	s.untold = append(keep, s.untold[len(batch):]...)
	return len(keep)
}

// whose is Now for a skipped round that this satellite should have started, Later while that is not known.
func (s *Scheduler) whose(skipped skip) Turn {
	if skipped.ours {
		return Now
	}
	turn := s.turn(skipped.round.BMC, skipped.round.Due, skipped.round.Why)
	old := time.Since(skipped.round.Due) > 2*s.Interval
	switch {
	case old && turn == Later:
		return Now
	case old && turn == Theirs:
		return Never // it holds back its owner's frontier, and nobody else's
	}
	return turn
}

// Frontier is a time before which each routine round of this satellite's BMCs was started or reported as skipped. The zero
// time before Run. It asks Turn, so whoever calls it may not hold a lock that Turn takes.
func (s *Scheduler) Frontier() time.Time {
	frontier, unclear := s.frontier(time.Now())
	for _, e := range unclear {
		if !e.due.Before(frontier) {
			continue
		}
		if turn := s.turn(e.bmc, e.due, e.why); turn == Now || turn == Later {
			frontier = e.due
		}
	}
	return frontier.UTC().Truncate(time.Millisecond)
}

// frontier is the frontier but for the rounds of which it is unclear whose they are.
func (s *Scheduler) frontier(now time.Time) (frontier time.Time, unclear []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.routine {
		return time.Time{}, nil
	}
	frontier = now
	if len(s.agenda) > 0 {
		frontier = earlier(frontier, s.agenda[0].due)
	}
	for _, e := range s.ready.agenda {
		if e.why == checks.Routine {
			frontier = earlier(frontier, s.due(e))
		}
	}
	for _, p := range s.running {
		if c := p.current; c.expires.IsZero() && c.round.Why == checks.Routine {
			frontier = earlier(frontier, c.round.Due)
		}
	}
	for _, skipped := range s.untold {
		if r := skipped.round; skipped.ours {
			frontier = earlier(frontier, r.Due)
		} else {
			unclear = append(unclear, entry{r.Due, r.Why, r.BMC})
		}
	}
	for _, e := range s.unclear() {
		if e.due = s.due(e); e.why == checks.Routine && e.due.Before(frontier) {
			unclear = append(unclear, e)
		}
	}
	return frontier, unclear
}

// unclear are the rounds of which nobody knows yet whose turn they are.
func (s *Scheduler) unclear() []entry {
	all := slices.Clone(s.fresh)
	if s.asking != nil {
		all = append(all, *s.asking)
	}
	for _, a := range s.asks {
		all = append(all, a.entry)
	}
	return all
}
