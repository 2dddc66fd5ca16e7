package checks

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lamplighter/inventory"
)

// Watch opens a window around a probe of bmc; call it right before. After a network failure proof closes the window and
// says what was seen in it; it may ask for up to a second first when the probe failed at once. ctx must outlive the call of
// proof: give it the round's, not the check's that timed out. Where proof is not needed end ctx instead.
//
// A window that is open for long without proof has witnesses asked, in one goroutine, which proof waits for and which ends
// with ctx.
func (s *Sight) Watch(ctx context.Context, bmc inventory.BMC) (proof func() Proof) {
	since := time.Now()
	looking, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	timer := time.AfterFunc(patience, func() {
		defer close(done)
		s.look(looking, bmc, since)
	})
	return sync.OnceValue(func() Proof {
		defer cancel()
		short, stop := context.WithDeadline(ctx, since.Add(shortestWindow))
		defer stop()
		if timer.Stop() {
			s.look(short, bmc, since)
			return s.judge(bmc, since)
		}
		select {
		case <-done:
		case <-short.Done():
			cancel()
			<-done
		}
		return s.judge(bmc, since)
	})
}

// judge is what a window from since until now found.
func (s *Sight) judge(bmc inventory.BMC, since time.Time) Proof {
	s.mu.Lock()
	defer s.mu.Unlock()
	if who, ok := s.seen(bmc, since); ok {
		return Proof{Seen: true, Text: fmt.Sprintf("%s answered meanwhile", who)}
	}
	if _, ok := s.choose(bmc, time.Now()); !ok {
		return Proof{None: true, Text: "there is no anchor and no BMC of another rack to compare with"}
	}
	return Proof{Text: fmt.Sprintf("no anchor and no BMC of another rack answered in %v", time.Since(since).Round(time.Millisecond))}
}

// look has witnesses asked until one answered that counts for bmc, or ctx ends, or there is nobody to ask.
func (s *Sight) look(ctx context.Context, bmc inventory.BMC, since time.Time) {
	for ctx.Err() == nil {
		turn := s.turn(bmc, since)
		switch {
		case turn.over:
			return
		case turn.wait == 0:
			s.question(ctx, turn.who)
		default:
			turn.pass(ctx)
		}
	}
}

// turn is what a window does next: nothing, ask who, or wait for the next turn or for news.
type turn struct {
	over bool
	who  witness
	wait time.Duration
	news <-chan struct{}
}

func (s *Sight) turn(bmc inventory.BMC, since time.Time) turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen(bmc, since); ok {
		return turn{over: true}
	}
	now := time.Now()
	if wait := s.next.Sub(now); wait > 0 {
		if s.news == nil {
			s.news = make(chan struct{})
		}
		return turn{wait: wait, news: s.news}
	}
	who, ok := s.choose(bmc, now)
	if !ok {
		return turn{over: true}
	}
	s.forget(now)
	s.next, s.asked[who.addr] = now.Add(askEvery), now
	return turn{who: who}
}

func (t turn) pass(ctx context.Context) {
	timer := time.NewTimer(t.wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.news:
	case <-ctx.Done():
	}
}

// question asks who. An answer counts from when it was asked for, so that it never proves sight to a window that opened
// after it arrived.
func (s *Sight) question(ctx context.Context, who witness) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	asked := time.Now()
	var bmc *inventory.BMC
	if !who.anchor {
		bmc = &who.bmc
	}
	if s.ask(ctx, who.addr, bmc) == nil {
		s.saw(who, asked)
	}
}
