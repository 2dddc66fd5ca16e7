package checks

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lamplighter/inventory"
)

// Watch opens a window around a probe of bmc; call it right before. After a network failure proof closes the window and
// says what was seen in it; it may ask for up to a second first when the probe failed at once, or when the last answer is
// not recent. ctx must outlive the call of proof: give it the round's, not the check's that timed out. Where proof is not
// needed end ctx instead.
//
// Seen takes an answer from when the probe began, and one from when it gave up: neither an uplink that goes down meanwhile, nor
// one that comes back when all that was asked is lost already, may be taken for a dead BMC.
//
// A window that is open for long has witnesses asked, again and again, in one goroutine, which proof waits for and which
// ends with ctx: we may go blind in the midst of a probe.
func (s *Sight) Watch(ctx context.Context, bmc inventory.BMC) (proof func() Proof) {
	since := time.Now()
	open := s.openWindow(bmc, since)
	looking, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	timer := time.AfterFunc(patience, func() {
		defer close(done)
		s.look(looking, bmc, since, true)
	})
	forget := context.AfterFunc(ctx, func() { s.closeWindow(open) })
	return sync.OnceValue(func() Proof {
		defer forget()
		defer s.closeWindow(open)
		began := open.began(time.Since(since))
		cancel()
		if !timer.Stop() {
			<-done
		}
		from := lastPart(since, time.Now(), recently)
		last, stop := context.WithDeadline(ctx, s.lookUntil(bmc, since))
		defer stop()
		s.look(last, bmc, from, false)
		return s.judge(open, from, began)
	})
}

// lookUntil is how long a closing window may still ask: a second from its start, or from now if it saw somebody, but not
// recently. A long window that saw nobody has asked enough.
func (s *Sight) lookUntil(bmc inventory.BMC, since time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen(bmc, since); ok {
		return time.Now().Add(shortestWindow)
	}
	return since.Add(shortestWindow)
}

// judge is what a window until now found. An answer in its last part, from then on, proves that we were not blind when the probe
// gave up; one by began that we were not when it began.
func (s *Sight) judge(w *window, from, began time.Time) Proof {
	s.mu.Lock()
	defer s.mu.Unlock()
	bmc, since := w.bmc, w.since
	who, ok := s.seen(bmc, from)
	switch {
	case ok && !began.IsZero() && (w.first.IsZero() || w.first.After(began)):
		return Proof{Text: fmt.Sprintf("%s answered, but nobody did when the probe began", who)}
	case ok:
		return Proof{Seen: true, Text: fmt.Sprintf("%s answered meanwhile", who)}
	}
	now := time.Now()
	if _, ok := s.choose(bmc, now); !ok {
		return Proof{None: true, Text: "there is no anchor and no BMC of another rack to compare with"}
	}
	return Proof{Text: fmt.Sprintf("no anchor and no BMC of another rack answered in %v", now.Sub(since).Round(time.Millisecond))}
}

// window is a probe that runs.
type window struct {
	bmc   inventory.BMC
	since time.Time
	first time.Time // when the first answer in it came that counts; Sight.mu guards it
}

// began is until when an answer proves that we saw when a probe began that took so long: by then the last is sent again that can
// still be answered (rmcp asks again after a third of its time). Zero: it failed too soon to tell.
func (w *window) began(took time.Duration) time.Time {
	if took < shortestWindow {
		return time.Time{}
	}
	return w.since.Add(took / 3)
}

func (s *Sight) openWindow(bmc inventory.BMC, since time.Time) *window {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &window{bmc: bmc, since: since}
	s.windows[w] = struct{}{}
	return w
}

func (s *Sight) closeWindow(w *window) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.windows, w)
}

// notice tells windows of an answer that had none so far. The caller holds mu.
func (s *Sight) notice(who witness) {
	for w := range s.windows {
		if who.countsFor(w.bmc) {
			w.first = time.Now() // not when it was asked: what was asked again may have been lost before
			delete(s.windows, w)
		}
	}
}

// lastPart is when the last part of a window begins: span before now, but at most its second half.
func lastPart(since, now time.Time, span time.Duration) time.Time {
	return now.Add(-min(span, now.Sub(since)/2))
}

// look has witnesses asked until one has answered since then that counts for bmc, or ctx ends, or there is nobody to ask. With
// keep it goes on, so that there is always a recent answer.
func (s *Sight) look(ctx context.Context, bmc inventory.BMC, since time.Time, keep bool) {
	for ctx.Err() == nil {
		turn := s.turn(bmc, since, keep)
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

func (s *Sight) turn(bmc inventory.BMC, since time.Time, keep bool) turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, from := time.Now(), since
	if keep {
		from = lastPart(since, now, renewal)
	}
	if last, ok := s.seen(bmc, from); ok {
		counts := min(renewal, last.at.Sub(since)) // how long from now on it is in the last part
		return turn{over: !keep, wait: max(last.at.Add(counts).Sub(now), time.Millisecond)}
	}
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
