package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// Missing is the error of a stop that did not wait for all rounds, or that came before they began.
type Missing struct {
	BMCs []inventory.ID
}

func (m *Missing) Error() string {
	names := make([]string, 0, 10)
	for _, id := range m.BMCs[:min(len(m.BMCs), cap(names))] {
		names = append(names, string(id))
	}
	if len(m.BMCs) > len(names) {
		names = append(names, "...")
	}
	return fmt.Sprintf("stopped without a verdict of %d BMCs: %s", len(m.BMCs), strings.Join(names, ", "))
}

// Once starts one round of every BMC, which get their visits in the order given, and waits for all verdicts. When ctx ends first it waits for those
// that run; the error is then a Missing.
func (s *Scheduler) Once(ctx context.Context, bmcs []inventory.BMC, why checks.Why) error {
	s.Set(bmcs)
	s.owe(bmcs, why)
	done := func() bool { return len(s.owed) == 0 }
	s.loop(ctx, done)
	_ = s.drain() // what it did not wait for is still owed
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.failed, s.unjudged(s.owed))
	if len(s.failed) > 0 {
		return missing(s.failed)
	}
	return nil
}

func (s *Scheduler) owe(bmcs []inventory.BMC, why checks.Why) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.owed, s.failed = make(map[inventory.ID]time.Time, len(bmcs)), map[inventory.ID]time.Time{}
	for i, bmc := range bmcs {
		due := now.Add(time.Duration(i)) // a nanosecond apart, so that the order stays
		s.owed[bmc.ID] = due.UTC().Truncate(time.Millisecond)
		heap.Push(&s.ready, entry{due, why, bmc.ID})
	}
}

func missing(left map[inventory.ID]time.Time) error {
	m := &Missing{}
	for id := range left {
		m.BMCs = append(m.BMCs, id)
	}
	slices.Sort(m.BMCs)
	return m
}

// drain waits for the rounds that run, for a while.
func (s *Scheduler) drain() error {
	limit := time.NewTimer(s.Drain)
	defer limit.Stop()
	for {
		left := s.left()
		if len(left) == 0 {
			return nil
		}
		select {
		case <-s.wake:
		case <-limit.C:
			return s.cut(left)
		}
	}
}

// cut is the error of a stop that waits no longer for those that are left.
func (s *Scheduler) cut(left map[inventory.ID]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left = s.unjudged(left); len(left) > 0 {
		return missing(left)
	}
	return nil
}

// unjudged leaves out the rounds whose verdict is out. s.mu is held.
func (s *Scheduler) unjudged(left map[inventory.ID]time.Time) map[inventory.ID]time.Time {
	maps.DeleteFunc(left, func(id inventory.ID, _ time.Time) bool {
		p := s.places[id]
		return p != nil && p.current != nil && p.current.judged
	})
	return left
}

func (s *Scheduler) left() map[inventory.ID]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := map[inventory.ID]time.Time{}
	for id, p := range s.running {
		left[id] = p.current.round.Due
	}
	return left
}

// Judged says that a round's verdict is out, but that its visit takes long to close: a stop waits for it, but misses nothing.
func (s *Scheduler) Judged(v results.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[v.BMC]; p != nil && p.runs(v.Round) {
		p.current.judged = true
	}
}
