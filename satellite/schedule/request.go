package schedule

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

type answer struct {
	verdict results.Verdict
	err     error
}

// finish frees the visit and tells those who asked. s.mu is held.
func (s *Scheduler) finish(t *turn, a answer) {
	t.current.slot.Release()
	t.current = nil
	for _, asked := range t.asked {
		asked <- a
	}
	t.asked = nil
}

// Skipped is how many rounds were not started in time.
func (s *Scheduler) Skipped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skipped
}

var errNoBMC = errors.New("no such BMC")

// Request asks for a round of one BMC now, and waits for its verdict; a round that runs already is joined.
func (s *Scheduler) Request(ctx context.Context, bmc inventory.ID, why checks.Why) (results.Verdict, error) {
	asked, err := s.request(bmc, why)
	if err != nil {
		return results.Verdict{}, err
	}
	select {
	case a := <-asked:
		return a.verdict, a.err
	case <-ctx.Done():
		return results.Verdict{}, fmt.Errorf("wait for the round of %s: %w", bmc, ctx.Err())
	}
}

func (s *Scheduler) request(bmc inventory.ID, why checks.Why) (<-chan answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.turns[bmc]
	if t == nil || t.bmc == nil {
		return nil, fmt.Errorf("%w: %s", errNoBMC, bmc)
	}
	asked := make(chan answer, 1) // buffered: whoever gave up does not hold up the others
	t.asked = append(t.asked, asked)
	if t.current == nil {
		heap.Push(&s.ready, entry{time.Now(), why, bmc})
	}
	s.nudge()
	return asked, nil
}

// Last is the newest verdict of a BMC by Once, or the zero Verdict.
func (s *Scheduler) Last(bmc inventory.ID) results.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.turns[bmc]; t != nil && t.last != nil {
		return *t.last
	}
	return results.Verdict{}
}
