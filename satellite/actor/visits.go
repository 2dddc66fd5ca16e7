package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/memory"
)

// logoutTime is how long a visit may take to log out, lateLogoutTime the same where a login's answer is still missing: checks
// wait 30 s for that.
const (
	logoutTime     = 5 * time.Second
	lateLogoutTime = 35 * time.Second
)

// remembered is how many rounds of a BMC are remembered as over, for copies of their tasks that come late.
const remembered = 8

// Visits are the satellite's live connections, one visit per BMC at most: whoever comes for another round of the same BMC
// waits until the running one has its verdict, and a copy of a running task finds what its twin did. How many rounds run at
// once is bounded where they start, by the scheduler.
type Visits struct {
	// Open begins a visit; it sends nothing.
	Open   func(inventory.BMC, checks.Known) *checks.Visit
	Memory *memory.Memory

	closed func(*checks.Visit) // for tests: told after a visit was closed; may be nil

	mu     sync.Mutex // guards the following
	doors  map[inventory.ID]*door
	over   map[inventory.ID][]checks.Round // the last rounds of each BMC that have their verdict
	panics map[inventory.ID]panics
}

// door is the lock of one BMC, from a round's start to its verdict.
type door struct {
	stay  *stay // nil: nobody is in
	queue []*waiter
}

// stay is one round's time in a BMC.
type stay struct {
	round    checks.Round
	visit    *checks.Visit
	results  map[checks.Name]checks.Result // what was asked in this visit; whoever is in uses it alone
	deadline time.Time
	busy     bool // an actor is in; guarded by Visits.mu
}

type waiter struct {
	task  checks.Task
	stay  *stay // nil after ready: the round is over
	ready chan struct{}
}

type panics struct {
	round checks.Round
	count int
}

// errOver says that the round has its verdict already.
var errOver = errors.New("the round is over")

// fresh says that nothing was asked in this visit yet.
func (s *stay) fresh() bool { return len(s.results) == 0 }

// enter waits until the BMC is free for this round. On return without error leave must follow.
func (v *Visits) enter(ctx context.Context, task checks.Task) (*stay, error) {
	bmc := task.Round.BMC
	w := &waiter{task: task, ready: make(chan struct{})}
	if !v.queue(bmc, w) {
		return nil, errOver
	}
	expired := time.NewTimer(time.Until(task.Expires))
	defer expired.Stop()
	select {
	case <-w.ready:
	case <-expired.C:
	case <-ctx.Done():
	}
	if err := v.giveUp(bmc, w); err != nil {
		return nil, err
	}
	if w.stay == nil {
		return nil, errOver
	}
	return w.stay, nil
}

// open begins the visit of a stay; whoever is in calls it.
func (v *Visits) open(s *stay, bmc inventory.BMC) {
	if s.visit == nil {
		s.visit = v.Open(bmc, v.Memory.Known(bmc.ID))
	}
}

// queue lines w up, unless its round is over.
func (v *Visits) queue(bmc inventory.ID, w *waiter) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if slices.Contains(v.over[bmc], w.task.Round) {
		return false
	}
	d := v.door(bmc)
	d.queue = append(d.queue, w)
	v.admit(bmc)
	return true
}

// giveUp takes a waiter out of the queue that was not let in.
func (v *Visits) giveUp(bmc inventory.ID, w *waiter) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	door := v.door(bmc)
	i := slices.Index(door.queue, w)
	if i < 0 {
		return nil
	}
	door.queue = slices.Delete(door.queue, i, i+1)
	v.admit(bmc)
	return fmt.Errorf("%s waited for another round of its BMC until it expired", w.task.Round)
}

// leave lets the round's next task in, unless the stay has ended.
func (v *Visits) leave(s *stay) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.door(s.round.BMC).stay == s {
		s.busy = false
	}
	v.admit(s.round.BMC)
}

// end marks a round as over, and lets the BMC's next round in where s was its stay. The visit was closed before.
func (v *Visits) end(round checks.Round, s *stay) {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := v.door(round.BMC)
	over := append(v.over[round.BMC], round)
	v.over[round.BMC] = over[max(0, len(over)-remembered):]
	d.queue = slices.DeleteFunc(d.queue, func(w *waiter) bool {
		if w.task.Round == round {
			close(w.ready)
		}
		return w.task.Round == round
	})
	delete(v.panics, round.BMC)
	if s != nil && d.stay == s {
		d.stay = nil
	}
	v.admit(round.BMC)
}

// panicked lets the next round in without this one being over, and counts.
func (v *Visits) panicked(s *stay) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	count := 1
	if p := v.panics[s.round.BMC]; p.round == s.round {
		count += p.count
	}
	if v.panics == nil {
		v.panics = map[inventory.ID]panics{}
	}
	v.panics[s.round.BMC] = panics{s.round, count}
	v.remove(s)
	return count
}

// remove frees the BMC. v.mu is held.
func (v *Visits) remove(s *stay) {
	if d := v.door(s.round.BMC); d.stay == s {
		d.stay = nil
	}
	v.admit(s.round.BMC)
}

// door finds or makes a door; it also makes the zero Visits ready. v.mu is held.
func (v *Visits) door(bmc inventory.ID) *door {
	if v.doors == nil {
		v.doors, v.over = map[inventory.ID]*door{}, map[inventory.ID][]checks.Round{}
	}
	if v.doors[bmc] == nil {
		v.doors[bmc] = &door{}
	}
	return v.doors[bmc]
}

// admit lets in whoever may enter. v.mu is held.
func (v *Visits) admit(bmc inventory.ID) {
	d := v.door(bmc)
	if i := d.next(); i >= 0 {
		w := d.queue[i]
		d.queue = slices.Delete(d.queue, i, i+1)
		if d.stay == nil {
			d.stay = &stay{round: w.task.Round, results: map[checks.Name]checks.Result{}, deadline: w.task.Expires}
		}
		d.stay.busy, w.stay = true, d.stay
		close(w.ready)
	}
	if d.stay == nil && len(d.queue) == 0 {
		delete(v.doors, bmc)
	}
}

// next is who in the queue may enter: the running round's own tasks, or when none runs the most urgent; -1: nobody.
func (d *door) next() int {
	best := -1
	if d.stay != nil && d.stay.busy {
		return best
	}
	for i, w := range d.queue {
		switch {
		case d.stay != nil && d.stay.round != w.task.Round:
		case best < 0 || w.task.Round.Why.Lane() < d.queue[best].task.Round.Why.Lane():
			best = i
		}
	}
	return best
}

// close logs out, on a context of its own: also when the round was cancelled. It takes at most as long as said, and from
// the end of ctx on no more than logoutTime. The results stay.
func (v *Visits) close(round context.Context, s *stay, most time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(round), most)
	defer cancel()
	defer context.AfterFunc(round, func() { time.AfterFunc(logoutTime, cancel) })()
	defer func() { _ = recover() }() // a visit is also closed after a panic, in whatever state that left it
	if s.visit != nil {
		_ = s.visit.Close(ctx) // a session that could not be closed is left to time out
		if v.closed != nil {
			v.closed(s.visit)
		}
	}
}

// Run closes visits whose deadline passed while their task was elsewhere. When ctx ends it closes all: the actors must have
// ended before.
func (v *Visits) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			v.closeIdle(ctx, func(s *stay) bool { return now.After(s.deadline) })
		case <-ctx.Done():
			v.closeIdle(ctx, func(*stay) bool { return true })
			return nil
		}
	}
}

func (v *Visits) closeIdle(ctx context.Context, which func(*stay) bool) {
	var idle []*stay
	v.mu.Lock()
	for _, d := range v.doors {
		if s := d.stay; s != nil && !s.busy && which(s) {
			s.busy = true
			idle = append(idle, s)
		}
	}
	v.mu.Unlock()
	var group sync.WaitGroup
	for _, s := range idle {
		group.Go(func() {
			v.close(ctx, s, logoutTime)
			v.mu.Lock()
			defer v.mu.Unlock()
			v.remove(s)
		})
	}
	group.Wait()
}
