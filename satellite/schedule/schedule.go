// Package schedule says who is due when, and starts rounds: routine ones spread over the interval, confirmations soon after a
// failure, and a person's at once.
//
// It takes BMCs from inventory and sends each round's first task to the actors, who tell it the verdict. Load is shed here and
// nowhere else: a round starts when a visit is free, the most urgent and oldest first; what did not start in time is skipped.
package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/slots"
)

// Config is what a scheduler needs to know.
type Config struct {
	Chain checks.Chain
	// Interval is the time between routine rounds of a BMC, while Run runs; 0: there are none.
	Interval time.Duration
	// Drain is how long a stop waits for the rounds that run.
	Drain time.Duration
	// Visits bound the rounds that run at once.
	Visits *slots.Slots
	// Start sends a round's task to its first check. It is called by one goroutine at a time.
	Start func(ctx context.Context, bmc inventory.BMC, task checks.Task) error
}

// Scheduler starts rounds: by Run, or by Once. Ended, Judged and Stalled are for the actors. Safe for concurrent use.
type Scheduler struct {
	Config
	wake chan struct{} // holds a token when there may be something to do

	mu      sync.Mutex // guards the following
	turns   map[inventory.ID]*turn
	agenda  agenda  // what is due later
	ready   urgency // what is due and waits for a visit
	routine bool    // Run runs, or ran
	skipped int
	owed    map[inventory.ID]time.Time // by Once: the rounds without a verdict yet, by due
	failed  map[inventory.ID]time.Time // by Once: those that could not be started
}

// turn is one BMC's place in the schedule.
type turn struct {
	bmc     *inventory.BMC // nil: the inventory no longer has it
	routine time.Time      // the next routine round in the agenda; zero: none
	waits   time.Time      // the due of a routine round in ready; zero: none
	current *current       // the round that runs
	asked   []chan answer
	state   results.State
	last    *results.Verdict // by Once
	good    []checks.Result  // by Run: those of the last verdict that later rounds may carry over; all else is too much to keep
	rev     string           // of the record that good is about
	steady  bool             // the last verdict found what the one before it found
}

type current struct {
	round  checks.Round
	slot   *slots.Slot
	judged bool // its verdict is out, its visit is not closed yet
}

func (t *turn) runs(r checks.Round) bool {
	return t.current != nil && t.current.round.Due.Equal(r.Due) && t.current.round.Why == r.Why
}

// New makes a scheduler without BMCs.
func New(c Config) *Scheduler {
	return &Scheduler{Config: c, wake: make(chan struct{}, 1), turns: map[inventory.ID]*turn{}}
}

// Set replaces the BMCs; it keeps the slice, which nobody may change any more. What is known of those that stay, stays; rounds that run go on.
func (s *Scheduler) Set(bmcs []inventory.BMC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.turns
	s.turns = make(map[inventory.ID]*turn, len(bmcs))
	for i := range bmcs {
		bmc := &bmcs[i]
		t := old[bmc.ID]
		if t == nil {
			t = &turn{}
		}
		t.bmc = bmc
		s.turns[bmc.ID] = t
		delete(old, bmc.ID)
	}
	for id, t := range old {
		s.retire(id, t)
	}
	s.plan(time.Now())
	s.nudge()
}

// retire lets a BMC go that the inventory no longer has. A round that runs counts until its verdict.
func (s *Scheduler) retire(id inventory.ID, t *turn) {
	if t.bmc = nil; t.current != nil {
		s.turns[id] = t
		return
	}
	for _, asked := range t.asked {
		asked <- answer{err: fmt.Errorf("%w any more: %s", errNoBMC, id)}
	}
}

// Run starts rounds until ctx ends, then waits for those that run. The error names those it did not wait for.
func (s *Scheduler) Run(ctx context.Context) error {
	if s.Interval < time.Second {
		return fmt.Errorf("interval %v: want at least 1s", s.Interval)
	}
	s.mu.Lock()
	s.routine = true
	s.plan(time.Now())
	s.mu.Unlock()
	s.loop(ctx, func() bool { return false })
	return s.drain()
}

// loop works until done, which is asked with the lock held, or ctx ends.
func (s *Scheduler) loop(ctx context.Context, done func() bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		next, finished := s.step(ctx, time.Now(), done)
		if finished {
			return
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// step starts what can be started now, and says when something will be due next.
func (s *Scheduler) step(ctx context.Context, now time.Time, done func() bool) (next time.Time, finished bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.agenda) > 0 && !s.agenda[0].due.After(now) {
		s.fall(heap.Pop(&s.agenda).(entry))
	}
	for s.ready.Len() > 0 && s.next(ctx, now) {
	}
	if len(s.agenda) > 0 {
		return s.agenda[0].due, done()
	}
	return now.Add(time.Hour), done()
}

// plan puts a routine round of each BMC that has none into the agenda. A sweep comes first where there is one.
func (s *Scheduler) plan(now time.Time) {
	if s.Interval == 0 || !s.routine {
		return
	}
	for id, t := range s.turns {
		if t.routine.IsZero() {
			t.routine = Due(id, s.Interval, now)
			heap.Push(&s.agenda, entry{t.routine, checks.Routine, id})
		}
	}
}

// fall makes an entry of the agenda ready. A routine round that comes due while the one before it waits or runs takes its
// place, and one of them is counted as skipped.
func (s *Scheduler) fall(e entry) {
	t := s.turns[e.bmc]
	if t == nil || t.bmc == nil {
		return
	}
	if e.why != checks.Routine {
		heap.Push(&s.ready, e)
		return
	}
	if !e.due.Equal(t.routine) {
		return // of a BMC that was gone for a while
	}
	t.routine = e.due.Add(s.Interval)
	heap.Push(&s.agenda, entry{t.routine, checks.Routine, e.bmc})
	switch {
	case t.current != nil:
		s.skipped++
	case !t.waits.IsZero():
		s.skipped++
		t.waits = e.due
		s.ready.redate(e)
	default:
		t.waits = e.due
		heap.Push(&s.ready, e)
	}
}

// next starts the most urgent round, or drops it where another has done its work; false when no visit is free.
func (s *Scheduler) next(ctx context.Context, now time.Time) bool {
	e := s.ready.agenda[0]
	t := s.turns[e.bmc]
	if t == nil || t.current != nil || t.bmc == nil || t.state.Last.Due.After(e.due) {
		heap.Pop(&s.ready)
		if t != nil && e.why == checks.Routine {
			t.waits = time.Time{}
		}
		return true
	}
	slot, free := s.Visits.Try(e.why.Lane())
	if !free {
		return false
	}
	heap.Pop(&s.ready)
	t.waits = time.Time{}
	s.start(ctx, t, e, slot, now)
	return true
}

func (s *Scheduler) start(ctx context.Context, t *turn, e entry, slot *slots.Slot, now time.Time) {
	task := checks.Task{
		Round:   checks.Round{BMC: e.bmc, Due: e.due.UTC().Truncate(time.Millisecond), Why: e.why},
		Rev:     t.bmc.Rev(),
		Expires: now.Add(s.budget()).UTC(),
	}
	if s.Interval > 0 && e.why == checks.Routine && t.steady && t.rev == task.Rev {
		task.Carried = Carry(s.Chain, results.Verdict{BMC: e.bmc, Health: checks.Available, Trail: t.good}, now)
	}
	t.rev, t.current = task.Rev, &current{round: task.Round, slot: slot}
	if err := s.Start(ctx, *t.bmc, task); err != nil {
		s.finish(t, answer{err: fmt.Errorf("start round %s: %w", task.Round, err)})
		s.skipped++
		if due, owed := s.owed[e.bmc]; owed {
			s.failed[e.bmc] = due
			delete(s.owed, e.bmc)
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

// Ended takes in a round's verdict.
func (s *Scheduler) Ended(v results.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turns[v.BMC]
	if t == nil {
		return
	}
	if after, worthIt := results.Confirm(t.state, v); worthIt && s.Interval > 0 {
		if due := v.At.Add(after); due.Before(t.routine) {
			heap.Push(&s.agenda, entry{due, checks.Confirm, v.BMC})
		}
	}
	t.steady = t.state.Health == checks.Unknown || t.state.Health == v.Health && t.state.Reason == v.Reason
	t.state = results.Apply(t.state, v)
	if s.Interval > 0 {
		t.good = Carry(s.Chain, v, v.At)
	}
	if t.runs(v.Round) {
		s.finish(t, answer{verdict: v})
	}
	if due, owed := s.owed[v.BMC]; owed && due.Equal(v.Round.Due) {
		t.last = &v
		delete(s.owed, v.BMC)
	}
	if t.bmc == nil {
		delete(s.turns, v.BMC)
	}
	s.nudge()
}

// Stalled lets others start while a round waits for a BMC that is silent.
func (s *Scheduler) Stalled(round checks.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.turns[round.BMC]; t != nil && t.runs(round) {
		t.current.slot.Stall()
		s.nudge()
	}
}

// nudge has the loop look again.
func (s *Scheduler) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
