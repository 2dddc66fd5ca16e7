package actor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

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
	begun    bool // somebody is in, or was; whoever is in uses it alone, and loginAfter
	panics   int  // of its checks; whoever is in uses it alone
	// loginAfter is when the first login may go out.
	loginAfter time.Time

	// Visits.mu guards the following.
	busy   bool                    // an actor is in
	left   time.Time               // since when nobody is
	cancel context.CancelCauseFunc // ends the check that runs; nil: none does
}

type waiter struct {
	task  checks.Task
	stay  *stay // nil after ready: the round is over
	ready chan struct{}
}

// errOver says that the round has its verdict already.
var errOver = errors.New("the round is over")

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
	d := v.doors[bmc] // none where the round ended: a new one would count as a BMC that is held
	if d == nil || !slices.Contains(d.queue, w) {
		return nil
	}
	i := slices.Index(d.queue, w)
	d.queue = slices.Delete(d.queue, i, i+1)
	v.admit(bmc)
	return fmt.Errorf("%s waited for another round of its BMC until it expired", w.task.Round)
}

// leave lets the round's next task in, unless the stay has ended. When ctx, the task's, has ended, its message was lost to
// somebody else: then the stay has been idle for long enough.
func (v *Visits) leave(ctx context.Context, s *stay) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.door(s.round.BMC).stay == s {
		s.busy, s.left = false, time.Now()
		if ctx.Err() != nil {
			s.left = time.Time{}
		}
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
	if s != nil && d.stay == s {
		d.stay = nil
	}
	v.admit(round.BMC)
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
