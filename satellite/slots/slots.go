// Package slots bounds how much runs at once, and says what runs next: the most urgent first, then the oldest.
//
// Each actor has slots for its checks and the scheduler has slots for its rounds. Both have a second, larger pool: what waits
// for a silent BMC moves there after a while, so that a crowd of dead BMCs never slows the living.
package slots

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"lamplighter/checks"
)

// Wide is how many times larger the pool for what is stalled is.
const Wide = 16

// Slots are a bounded number of slots. Safe for concurrent use.
type Slots struct {
	limit, wide, reserve int

	mu      sync.Mutex // guards the following
	fast    int        // taken slots of the first pool
	routine int        // of those, how many are routine
	stalled int        // taken slots of the second pool
	stuck   []*Slot    // in the first pool, would rather be in the second
	waiting queue
}

// New makes slots, at least two: a tenth, at least one, is never given to routine work.
func New(limit int) *Slots {
	limit = max(limit, 2)
	return &Slots{limit: limit, wide: Wide * limit, reserve: max(1, limit/10)}
}

// ForRoutine makes slots of which n can be given to routine work.
func ForRoutine(n int) *Slots {
	n = max(n, 1)
	reserve := 1
	for reserve < (n+reserve)/10 {
		reserve++
	}
	return New(n + reserve)
}

// Most bounds the slots of both pools together, and returns the same slots. The second pool gives way first: the living are
// not slowed. It is called before the slots are used.
func (s *Slots) Most(n int) *Slots {
	s.limit = max(2, min(s.limit, n))
	s.reserve = min(s.reserve, max(1, s.limit/10))
	s.wide = max(0, min(s.wide, n-s.limit))
	return s
}

// Slot is a slot that was taken. Release gives it back.
type Slot struct {
	slots    *Slots
	lane     checks.Lane
	due      time.Time
	granted  chan struct{} // closed when the slot is taken
	state    state
	position int // in the queue
}

type state uint8

const (
	waiting state = iota
	fast
	stalled
	gone
)

// Acquire waits for a slot. It returns nil when ctx ended first.
func (s *Slots) Acquire(ctx context.Context, lane checks.Lane, due time.Time) *Slot {
	slot := &Slot{slots: s, lane: lane, due: due, granted: make(chan struct{})}
	s.mu.Lock()
	heap.Push(&s.waiting, slot)
	s.dispatch()
	s.mu.Unlock()
	select {
	case <-slot.granted:
		return slot
	case <-ctx.Done():
		slot.Release()
		return nil
	}
}

// Try takes a slot if one is free for this lane and nobody waits for it.
func (s *Slots) Try(lane checks.Lane) (*Slot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := &Slot{slots: s, lane: lane, granted: make(chan struct{})}
	if len(s.waiting) > 0 || !s.admits(slot) {
		return nil, false
	}
	s.grant(slot)
	return slot, true
}

// Taken is how many slots are taken, in the first pool and in the second.
func (s *Slots) Taken() (fast, stalled int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fast, s.stalled
}

// Stall moves the slot to the second pool, now or as soon as there is room.
func (slot *Slot) Stall() {
	s := slot.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot.state != fast || slices.Contains(s.stuck, slot) {
		return
	}
	s.stuck = append(s.stuck, slot)
	s.dispatch()
}

// Release gives the slot back. It may be called twice.
func (slot *Slot) Release() {
	s := slot.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	switch slot.state {
	case waiting:
		heap.Remove(&s.waiting, slot.position)
	case fast:
		s.leaveFast(slot)
		s.stuck = slices.DeleteFunc(s.stuck, func(other *Slot) bool { return other == slot }) // or they pile up while the second pool is full
	case stalled:
		s.stalled--
	}
	slot.state = gone
	s.dispatch()
}

// dispatch moves whoever can be moved. s.mu is held, as for all below.
func (s *Slots) dispatch() {
	for len(s.stuck) > 0 && s.stalled < s.wide {
		slot := s.stuck[0]
		s.stuck = slices.Delete(s.stuck, 0, 1)
		s.leaveFast(slot)
		slot.state = stalled
		s.stalled++
	}
	for len(s.waiting) > 0 && s.admits(s.waiting[0]) {
		s.grant(heap.Pop(&s.waiting).(*Slot))
	}
}

func (s *Slots) admits(slot *Slot) bool {
	if slot.lane == checks.LaneRoutine && s.routine >= s.limit-s.reserve {
		return false
	}
	return s.fast < s.limit
}

func (s *Slots) grant(slot *Slot) {
	slot.state = fast
	s.fast++
	if slot.lane == checks.LaneRoutine {
		s.routine++
	}
	close(slot.granted)
}

func (s *Slots) leaveFast(slot *Slot) {
	s.fast--
	if slot.lane == checks.LaneRoutine {
		s.routine--
	}
}

// queue is a heap: the most urgent lane first, then the oldest due.
type queue []*Slot

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].lane != q[j].lane {
		return q[i].lane < q[j].lane
	}
	return q[i].due.Before(q[j].due)
}
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].position, q[j].position = i, j
}

// Push is for container/heap.
func (q *queue) Push(x any) {
	slot := x.(*Slot)
	slot.position = len(*q)
	*q = append(*q, slot)
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
