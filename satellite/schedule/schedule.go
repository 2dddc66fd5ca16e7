// Package schedule says who is due when, and starts rounds: routine ones spread over the interval, confirmations soon after a
// failure, and a person's at once.
//
// It takes BMCs from inventory and sends each round's first task to the actors, who tell it the verdict. Load is shed here and
// nowhere else: a round starts when a visit is free, the most urgent and oldest first; what did not start in time is skipped.
// Where several satellites share a site, owners says whose turn a round is.
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
	// Most bounds the rounds at once, those that wait for silent BMCs included; 0: Visits alone bounds them.
	Most int
	// Start sends a round's task to its first check. It is called concurrently for different BMCs, and again until it
	// returns nil, the round would be overdue, or ctx ends.
	Start func(ctx context.Context, bmc inventory.BMC, task checks.Task) error
	// Turn says whether this satellite may start a round; nil: always Now. Of a confirmation or a person's round it is Never
	// exactly where another satellite owns the BMC: so the scheduler asks whose a BMC is.
	Turn func(bmc inventory.ID, due time.Time, why checks.Why) Turn
	// Stopped says that the site is stopped; nil: it never is. While it is, no round starts.
	Stopped func() bool
	// Held says whether this satellite has a task of the BMC, or visits it; nil: nobody is asked. It may not call back.
	Held func(bmc inventory.ID) bool
	// Skipped is told each routine round of this satellite that is not started, and why. It is called by one goroutine at a
	// time, and Frontier waits for it; nil: nobody is told.
	Skipped func(round checks.Round, why string)
	// Broke is told of each BMC that fails at ping and did not before, while there are routine rounds; it may not block. nil:
	// nobody is told.
	Broke func(inventory.ID)
}

// Scheduler starts rounds: by Run, or by Once. Ended, Judged, Stalled and Lost are for the actors. Safe for concurrent use.
type Scheduler struct {
	Config
	wake   chan struct{} // holds a token when there may be something to do
	told   chan struct{} // holds a token when there is something to tell
	starts sync.WaitGroup

	mu      sync.Mutex // guards the following
	places  map[inventory.ID]*place
	agenda  agenda  // what is due later
	fresh   []entry // what is due, and it was not asked yet whose turn it is
	asking  *entry  // of which it is being asked
	asks    []ask   // of which it will be asked again, in this order
	ready   urgency // what is due and ours, and waits for a visit
	running map[inventory.ID]*place
	lapses  time.Time // no round that runs lapses sooner; zero: none can
	untold  []skip
	routine bool // Run runs, or ran
	skipped int
	owed    map[inventory.ID]time.Time // by Once: the rounds without a verdict yet, by due
	failed  map[inventory.ID]time.Time // by Once: those that could not be started
}

// place is one BMC's place in the schedule.
type place struct {
	bmc      *inventory.BMC // nil: the inventory no longer has it
	routine  time.Time      // the next routine round in the agenda; zero: none
	waits    time.Time      // the due of a routine round that is due and not started; zero: none
	current  *current       // the round that runs
	asked    []chan answer
	streak   results.Streak
	last     *results.Verdict // by Once
	good     []checks.Result  // by Run: those of the last verdict that later rounds may carry over; all else is too much to keep
	rev      string           // of the record that good is about
	steady   bool             // the last verdict found what the one before it found
	admitted bool             // what waits is in ready: it was ours when it came due
	judged   checks.Round     // the last whose verdict came
}

type current struct {
	round   checks.Round
	slot    *slots.Slot
	expires time.Time // zero: the bus has not taken its task yet
	taken   time.Time // when the bus had taken it
	judged  bool      // its verdict is out, its visit is not closed yet
}

func (p *place) runs(r checks.Round) bool { return p.current != nil && same(p.current.round, r) }

// same compares two rounds of a BMC.
func same(a, b checks.Round) bool { return a.Due.Equal(b.Due) && a.Why == b.Why }

// New makes a scheduler without BMCs.
func New(c Config) *Scheduler {
	if c.Most > 0 {
		c.Visits.Most(c.Most)
	}
	return &Scheduler{
		Config: c, wake: make(chan struct{}, 1), told: make(chan struct{}, 1),
		places: map[inventory.ID]*place{}, running: map[inventory.ID]*place{},
	}
}

// Set replaces the BMCs; it keeps the slice, which nobody may change any more. What is known of those that stay, stays; rounds that run go on.
func (s *Scheduler) Set(bmcs []inventory.BMC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.places
	s.places = make(map[inventory.ID]*place, len(bmcs))
	for i := range bmcs {
		bmc := &bmcs[i]
		p := old[bmc.ID]
		if p == nil {
			p = &place{}
		}
		p.bmc = bmc
		s.places[bmc.ID] = p
		delete(old, bmc.ID)
	}
	for id, p := range old {
		s.retire(id, p)
	}
	s.plan(time.Now())
	s.nudge()
}

// retire lets a BMC go that the inventory no longer has. A round that runs counts until its verdict.
func (s *Scheduler) retire(id inventory.ID, p *place) {
	if p.bmc = nil; p.current != nil {
		s.places[id] = p
		return
	}
	p.answer(answer{err: fmt.Errorf("%w any more: %s", errNoBMC, id)})
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

// loop works until done, which is asked with the lock held, or ctx ends. It leaves no start and nothing untold behind.
func (s *Scheduler) loop(ctx context.Context, done func() bool) {
	starting, cancel := context.WithCancel(ctx)
	closing := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() { s.tell(closing) })
	defer func() {
		cancel()
		s.starts.Wait()
		close(closing)
		telling.Wait()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		next, finished := s.step(starting, time.Now(), done)
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

// Ended takes in a round's verdict.
func (s *Scheduler) Ended(v results.Verdict) {
	if s.ended(v) && s.Broke != nil {
		s.Broke(v.BMC)
	}
}

// ended says whether the verdict is news for the BMC's neighbours.
func (s *Scheduler) ended(v results.Verdict) (broke bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[v.BMC]
	if p == nil {
		return false
	}
	p.judged = v.Round
	broke = s.routine && results.Breaks(p.streak, v)
	if after, worthIt := results.Confirm(p.streak, v); worthIt && s.Interval > 0 {
		if due := v.At.Add(after); due.Before(p.routine) {
			heap.Push(&s.agenda, entry{due, checks.Confirm, v.BMC})
		}
	}
	p.steady = p.streak.Health == checks.Unknown || p.streak.Health == v.Health && p.streak.Reason == v.Reason
	p.streak = p.streak.After(v)
	if s.Interval > 0 {
		p.good = Carry(s.Chain, v, v.At)
	}
	if due, owed := s.owed[v.BMC]; owed && due.Equal(v.Round.Due) {
		p.last = &v
		delete(s.owed, v.BMC)
	}
	if p.runs(v.Round) {
		s.finish(p, answer{verdict: v})
	}
	s.nudge()
	return broke
}

// Stalled lets others start while a round waits for a BMC that is silent.
func (s *Scheduler) Stalled(round checks.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[round.BMC]; p != nil && p.runs(round) {
		p.current.slot.Stall()
		s.nudge()
	}
}

// nudge has the loop look again.
func (s *Scheduler) nudge() { signal(s.wake) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
