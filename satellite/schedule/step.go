package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/slots"
)

// again is how soon it is asked again whose turn a round is.
const again = time.Second

// ask is a round that is due, and when to ask again whose turn it is.
type ask struct {
	entry
	at time.Time
}

// step starts what can be started now, and says when something will be due next.
func (s *Scheduler) step(ctx context.Context, now time.Time, done func() bool) (next time.Time, finished bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lapse(now)
	for len(s.agenda) > 0 && !s.agenda[0].due.After(now) {
		s.fall(heap.Pop(&s.agenda).(entry))
	}
	for s.pick(now) {
		s.ask(*s.asking, now)
	}
	for s.ready.Len() > 0 && s.next(ctx, now) {
	}
	next = now.Add(time.Hour)
	if len(s.agenda) > 0 {
		next = earlier(next, s.agenda[0].due)
	}
	if len(s.asks) > 0 {
		next = earlier(next, s.asks[0].at)
	}
	return earlier(next, s.lapses), done()
}

// earlier is the earlier of two times; b may be zero, for none.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// plan puts a routine round of each BMC that has none into the agenda. A sweep comes first where there is one.
func (s *Scheduler) plan(now time.Time) {
	if s.Interval == 0 || !s.routine {
		return
	}
	for id, p := range s.places {
		if p.bmc != nil && p.routine.IsZero() {
			p.routine = checks.Due(id, s.Interval, now)
			heap.Push(&s.agenda, entry{p.routine, checks.Routine, id})
		}
	}
}

// fall takes in an entry of the agenda. A routine round that comes due while another of its BMC runs is skipped; one that
// comes due while the one before it waits takes its place in the line, and that one is skipped.
func (s *Scheduler) fall(e entry) {
	p := s.places[e.bmc]
	if p == nil || p.bmc == nil {
		return
	}
	if e.why != checks.Routine {
		s.wait(e)
		return
	}
	if !e.due.Equal(p.routine) {
		return // of a BMC that was gone for a while
	}
	p.routine = e.due.Add(s.Interval)
	heap.Push(&s.agenda, entry{p.routine, checks.Routine, e.bmc})
	switch {
	case p.current != nil:
		s.skip(e, Running, false)
	case !p.waits.IsZero():
		s.skip(entry{p.waits, e.why, e.bmc}, Overload, p.admitted)
		p.waits = e.due
	default:
		p.waits = e.due
		s.wait(e)
	}
}

// wait has a round that is due wait for its turn, or for a visit where all turns are ours.
func (s *Scheduler) wait(e entry) {
	if s.Turn != nil {
		s.fresh = append(s.fresh, e)
		return
	}
	s.admit(e)
}

func (s *Scheduler) admit(e entry) {
	if p := s.places[e.bmc]; p != nil && e.why == checks.Routine {
		p.admitted = true
	}
	heap.Push(&s.ready, e)
}

// pick takes the next round of which it should be asked whose turn it is.
func (s *Scheduler) pick(now time.Time) bool {
	switch s.asking = nil; {
	case len(s.fresh) > 0:
		s.asking, s.fresh = &s.fresh[0], s.fresh[1:]
	case len(s.asks) > 0 && !s.asks[0].at.After(now):
		s.asking, s.asks = &s.asks[0].entry, s.asks[1:]
	}
	return s.asking != nil
}

// ask asks whose turn a round is. The lock is open meanwhile.
func (s *Scheduler) ask(e entry, now time.Time) {
	due := s.due(e)
	s.mu.Unlock()
	turn := s.turn(e.bmc, due, e.why)
	s.mu.Lock()
	p := s.places[e.bmc]
	switch {
	case p == nil || p.bmc == nil:
	case turn == Now:
		s.admit(e)
	case turn != Never && e.why == checks.Routine, turn == Later && now.Sub(e.due) < max(s.Interval, time.Minute):
		s.asks = append(s.asks, ask{e, now.Add(again)})
	case e.why == checks.Routine:
		p.waits = time.Time{}
	case e.why == checks.Person && p.current == nil:
		p.answer(answer{err: fmt.Errorf("start a round of %s: %w", e.bmc, ErrNotMine)})
	}
}

// due is when the round of an entry is due. A routine one may have taken over its predecessor's place in the line.
func (s *Scheduler) due(e entry) time.Time {
	if p := s.places[e.bmc]; p != nil && e.why == checks.Routine && !p.waits.IsZero() {
		return p.waits
	}
	return e.due
}

func (s *Scheduler) turn(bmc inventory.ID, due time.Time, why checks.Why) Turn {
	if s.Turn == nil {
		return Now
	}
	return s.Turn(bmc, due.UTC().Truncate(time.Millisecond), why)
}

// next starts the most urgent round, or drops it where another has done its work; false when no visit is free.
func (s *Scheduler) next(ctx context.Context, now time.Time) bool {
	e := s.ready.agenda[0]
	p := s.places[e.bmc]
	if p == nil || p.bmc == nil {
		heap.Pop(&s.ready)
		return true
	}
	due := s.due(e)
	over := same(p.judged, e.at(due)) // the bus had taken its task, and could not say so
	moot := over || p.current != nil || p.streak.Last.Due.After(due) || s.unasked(p, e)
	var slot *slots.Slot
	if !moot {
		var free bool
		if slot, free = s.Visits.Try(e.why.Lane()); !free {
			return false
		}
	}
	heap.Pop(&s.ready)
	waited := e.why == checks.Routine && !p.waits.IsZero()
	if waited {
		p.waits, p.admitted = time.Time{}, false
	}
	e.due = due
	switch {
	case !moot:
		s.start(ctx, p, e, slot, now)
	case waited && !over:
		s.skip(e, Running, true)
	}
	return true
}

// unasked says that whoever asked for this round has gone, or was served by another.
func (s *Scheduler) unasked(p *place, e entry) bool {
	_, owed := s.owed[e.bmc]
	return e.why == checks.Person && len(p.asked) == 0 && !owed
}
