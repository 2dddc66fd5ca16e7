package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
func (s *Scheduler) finish(p *place, a answer) {
	id := p.current.round.BMC
	s.release(p)
	p.answer(a)
	if p.bmc == nil && s.places[id] == p {
		delete(s.places, id)
	}
}

// release frees the visit. s.mu is held.
func (s *Scheduler) release(p *place) {
	delete(s.running, p.current.round.BMC)
	p.current.slot.Release()
	p.current = nil
}

func (p *place) answer(a answer) {
	for _, asked := range p.asked {
		asked <- a
	}
	p.asked = nil
}

// Skipped is how many routine rounds of this satellite were not started.
func (s *Scheduler) Skipped() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skipped
}

var errNoBMC = errors.New("no such BMC")

// Request asks for a round of one BMC now, and waits for its verdict; a round that runs already is joined. The error is an
// ErrNotMine where another satellite owns the BMC.
func (s *Scheduler) Request(ctx context.Context, bmc inventory.ID, why checks.Why) (results.Verdict, error) {
	asked, err := s.request(bmc, why)
	if err != nil {
		return results.Verdict{}, err
	}
	select {
	case a := <-asked:
		return a.verdict, a.err
	case <-ctx.Done():
		s.withdraw(bmc, asked)
		return results.Verdict{}, fmt.Errorf("wait for the round of %s: %w", bmc, ctx.Err())
	}
}

func (s *Scheduler) request(bmc inventory.ID, why checks.Why) (chan answer, error) {
	now := time.Now()
	turn := s.turn(bmc, now, why)
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[bmc]
	switch {
	case p == nil || p.bmc == nil:
		return nil, fmt.Errorf("%w: %s", errNoBMC, bmc)
	case turn == Never && p.current == nil:
		return nil, fmt.Errorf("start a round of %s: %w", bmc, ErrNotMine)
	}
	asked := make(chan answer, 1) // buffered: whoever gave up does not hold up the others
	if p.current == nil && len(p.asked) == 0 {
		s.wait(entry{now, why, bmc})
	}
	p.asked = append(p.asked, asked)
	s.nudge()
	return asked, nil
}

// Fine says that no round of a BMC runs, and that the last one did not fail: what a look round should ask.
func (s *Scheduler) Fine(bmc inventory.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[bmc]
	return p != nil && p.fine()
}

func (p *place) fine() bool { return p.bmc != nil && p.current == nil && p.streak.Attempts == 0 }

// Look starts a round of a BMC that a look round found silent, while Run runs.
func (s *Scheduler) Look(bmc inventory.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[bmc]; s.routine && p != nil && p.fine() {
		s.wait(entry{time.Now(), checks.Look, bmc})
		s.nudge()
	}
}

// withdraw forgets somebody who asked and waits no longer: no round is started for nobody.
func (s *Scheduler) withdraw(bmc inventory.ID, asked chan answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[bmc]; p != nil {
		p.asked = slices.DeleteFunc(p.asked, func(other chan answer) bool { return other == asked })
	}
}

// Last is the newest verdict of a BMC by Once, or the zero Verdict.
func (s *Scheduler) Last(bmc inventory.ID) results.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.places[bmc]; p != nil && p.last != nil {
		return *p.last
	}
	return results.Verdict{}
}
