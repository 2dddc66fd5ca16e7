package schedule

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/slots"
)

const (
	// grace is how long after its expiry a round's verdict may come from another satellite that took its task.
	grace = 10 * time.Second
	// reach is how long after the bus took a task it must be here: it comes at once, or goes to another satellite after bus.SpillAfter.
	reach = 2 * bus.SpillAfter
	// soonest and latest bound how soon a task is sent again that the bus did not take.
	soonest, latest = 250 * time.Millisecond, 5 * time.Second
)

var (
	errStopped = errors.New("the site is stopped")
	errLater   = errors.New("it is not known whose turn it is")
	errLapsed  = errors.New("no verdict came in time")
	errOver    = errors.New("it has its verdict")
	errLost    = errors.New("its task went to another satellite")
)

// start has a round that has its slot started, by a goroutine that loop waits for.
func (s *Scheduler) start(ctx context.Context, p *place, e entry, slot *slots.Slot, now time.Time) {
	task := checks.Task{
		Round: e.at(e.due),
		Rev:   p.bmc.Rev(),
	}
	if s.Interval > 0 && (e.why == checks.Routine || e.why == checks.Look) && p.steady && p.rev == task.Rev {
		task.Carried = Carry(s.Chain, results.Verdict{BMC: e.bmc, Health: checks.Available, Trail: p.good}, now)
	}
	c := &current{round: task.Round, slot: slot}
	p.rev, p.current = task.Rev, c
	s.running[e.bmc] = p
	bmc := *p.bmc
	s.starts.Go(func() {
		expires, err := s.send(ctx, bmc, task)
		s.sent(ctx, p, c, e, expires, err)
	})
}

// send has the bus take a round's task. It tries until the round would be overdue; whose turn it is, and whether the site is
// stopped, may change meanwhile. Each try's task has the whole time that a round may take.
func (s *Scheduler) send(ctx context.Context, bmc inventory.BMC, task checks.Task) (expires time.Time, err error) {
	budget := s.budget()
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	for wait := soonest; ; wait = min(2*wait, latest) {
		if err := s.may(task.Round); err != nil {
			return time.Time{}, err
		}
		task.Expires = time.Now().Add(budget).UTC()
		if err = s.Start(ctx, bmc, task); err == nil || bus.Rejected(err) {
			return task.Expires, err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return time.Time{}, err
		}
	}
}

// may says why a round may not start now; nil: it may.
func (s *Scheduler) may(round checks.Round) error {
	if s.over(round) {
		return errOver
	}
	switch s.turn(round.BMC, round.Due, round.Why) {
	case Never:
		return ErrNotMine
	case Later, Theirs:
		return errLater
	}
	if s.Stopped != nil && s.Stopped() {
		return errStopped
	}
	return nil
}

// over says whether a round has its verdict already: the bus may have taken its task although it did not say so.
func (s *Scheduler) over(round checks.Round) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[round.BMC]
	return p != nil && same(p.judged, round)
}

// sent takes in how the start of a round ended.
func (s *Scheduler) sent(ctx context.Context, p *place, c *current, e entry, expires time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.current != c {
		return // it ended before the bus said that it took it
	}
	if err == nil {
		c.expires, c.taken = expires, time.Now()
		s.watch(s.look(c, c.taken))
		return
	}
	defer s.nudge()
	if p.bmc != nil && (errors.Is(err, errLater) || ctx.Err() != nil) {
		s.giveBack(p, e)
		return
	}
	s.fail(p, err)
	if e.why == checks.Routine && !errors.Is(err, errOver) {
		s.skip(e, reason(err), true)
	}
}

// reason is why a round with this error was not started.
func reason(err error) string {
	switch {
	case errors.Is(err, ErrNotMine):
		return Moved
	case errors.Is(err, errStopped):
		return Stopped
	case bus.Rejected(err):
		return Nothing
	}
	return Bus
}

// giveBack has a round wait again that got a visit but was not started. Those who joined it wait on for one of their own.
func (s *Scheduler) giveBack(p *place, e entry) {
	s.release(p)
	at := time.Now().Add(again)
	if e.why == checks.Routine {
		p.waits = e.due
	}
	s.asks = append(s.asks, ask{e, at})
	if len(p.asked) > 0 && e.why != checks.Person {
		s.asks = append(s.asks, ask{entry{at, checks.Person, e.bmc}, at})
	}
}

// fail ends a round that has no verdict here. s.mu is held.
func (s *Scheduler) fail(p *place, err error) {
	round := p.current.round
	s.finish(p, answer{err: fmt.Errorf("round %s: %w", round, err)})
	if due, owed := s.owed[round.BMC]; owed && due.Equal(round.Due) {
		s.failed[round.BMC] = due
		delete(s.owed, round.BMC)
	}
}

// Lost says that the visit of a round was given up because its task went to another satellite: the BMC is free for its next round.
func (s *Scheduler) Lost(round checks.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[round.BMC]; p != nil && p.runs(round) {
		s.fail(p, errLost)
		s.nudge()
	}
}

// watch has the loop look for rounds that lapsed, at that time or sooner. Where no other satellite can take a task, a verdict
// is waited for without end: it may be the reader of our output who is slow.
func (s *Scheduler) watch(at time.Time) {
	if s.Turn != nil && (s.lapses.IsZero() || at.Before(s.lapses)) {
		s.lapses = at
		s.nudge()
	}
}

// look is when to look again whether a round has lapsed.
func (s *Scheduler) look(c *current, now time.Time) time.Time {
	if lapses := c.expires.Add(grace); s.Held == nil || lapses.Before(now.Add(reach)) {
		return lapses
	}
	return now.Add(reach)
}

// lapse frees the visits of rounds whose verdict did not come, or whose task is not here: a satellite that took their task has
// judged them, or will, or the audit will say that nobody did. A task goes to others unseen where this process stood still just
// after it had sent it.
func (s *Scheduler) lapse(now time.Time) {
	if s.lapses.IsZero() || now.Before(s.lapses) {
		return
	}
	s.lapses = time.Time{}
	for _, p := range s.running {
		switch expires := p.current.expires; {
		case expires.IsZero():
		case now.Sub(expires) >= grace:
			s.fail(p, errLapsed)
		case s.Held != nil && now.Sub(p.current.taken) >= reach && !s.Held(p.current.round.BMC):
			s.fail(p, errLost)
		default:
			s.watch(s.look(p.current, now))
		}
	}
}

// budget is how long a round may take: all its checks to their timeouts, and a minute of waiting for slots.
func (s *Scheduler) budget() time.Duration {
	all := time.Minute
	for _, check := range s.Chain {
		all += check.Timeout
	}
	return all
}
