package bus

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// Memory is a bus inside one process, for a site that one process serves. The zero value works. What it holds ends with the
// process: a round that is cut short is a round that is started again.
type Memory struct {
	// HoldBack is how long a message is held back before the given delivery; nil: Backoff.
	HoldBack func(delivery int) time.Duration

	mu      sync.Mutex // guards what follows and what they hold
	boxes   map[Mailbox]*box
	hearers map[*hearer]bool
	logs    map[string]*journal
}

var (
	_ Bus = (*Memory)(nil)
	_ Air = (*Memory)(nil)
	_ Log = (*Memory)(nil)
)

// Backoff doubles from 100 ms to 30 s, less up to half by chance, so that what failed together does not come back together.
func Backoff(delivery int) time.Duration {
	full := min(100*time.Millisecond<<min(max(delivery-2, 0), 16), 30*time.Second)
	return full/2 + rand.N(full/2+1)
}

// Send copies m into a mailbox.
func (b *Memory) Send(ctx context.Context, to Mailbox, m Message) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("send %s to %s: %w", m.ID, to, err)
	}
	if err := Check(to, m); err != nil {
		return err
	}
	m.Body, m.Delivery = bytes.Clone(m.Body), 1
	if to != Dead {
		m.Why = ""
	}
	if !b.put(to, letter{m, time.Now()}) {
		return fmt.Errorf("send %s to %s: %w", m.ID, to, ErrUnroutable)
	}
	return nil
}

// Receive never holds more than it runs: what waits, waits in the mailbox, where other receivers find it.
func (b *Memory) Receive(ctx context.Context, from Mailbox, hold, run int, h Handler) error {
	if hold < 1 || run < 1 {
		return fmt.Errorf("receive from %s: hold %d, run %d: want at least 1", from, hold, run)
	}
	b.enter(from)
	defer b.leave(from)
	c := crew{tokens: make(chan struct{}, min(hold, run)), work: make(chan letter), spare: make(chan struct{}, maxSpare)}
	defer c.handlers.Wait()
	defer close(c.work)
	for {
		select {
		case c.tokens <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		l, ok := b.take(ctx, from)
		if !ok {
			return nil
		}
		c.give(l, func(l letter) { b.settle(ctx, from, l, h) })
	}
}

// crew are the goroutines that handle messages. Some are kept for the next message: to grow a new one's stack for each costs
// a fifth of what handling does.
type crew struct {
	handlers sync.WaitGroup
	tokens   chan struct{} // one for each message that is handled
	work     chan letter
	spare    chan struct{} // one for each goroutine that waits for work
}

const maxSpare = 64

func (c *crew) give(l letter, settle func(letter)) {
	select {
	case c.work <- l:
	default:
		c.handlers.Go(func() {
			for more := true; more; l, more = c.next() {
				settle(l)
				<-c.tokens
			}
		})
	}
}

// next waits for another message; false when there are spare goroutines enough, or there is no more work.
func (c *crew) next() (letter, bool) {
	select {
	case c.spare <- struct{}{}:
	default:
		return letter{}, false
	}
	l, more := <-c.work
	<-c.spare
	return l, more
}

// settle hands l to h and does with it what h decided.
func (b *Memory) settle(ctx context.Context, from Mailbox, l letter, h Handler) {
	err := Call(ctx, h, l.Message)
	switch {
	case err == nil:
	case Rejected(err) && from != Dead:
		b.bury(l, Why(err))
	case from.IsReply():
	case ctx.Err() != nil:
		b.giveBack(from, l)
	case l.Delivery >= DeliveryLimit && from != Dead:
		b.bury(l, TooOften(err))
	default:
		l.Delivery++
		if l.Spill != "" {
			from, l.Spill = l.Spill, ""
		}
		b.holdBack(from, l)
	}
}

// Call hands m to h; a panic is an error. It gives h a body of its own, so that what h does to it does not come back with
// the next delivery.
func Call(ctx context.Context, h Handler, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handle %s: panic: %v\n%s", m.ID, p, debug.Stack())
		}
	}()
	m.Body = bytes.Clone(m.Body)
	return h(ctx, m)
}

func (b *Memory) bury(l letter, why string) {
	l.Delivery, l.Spill, l.Why = 1, "", why
	b.put(Dead, l)
}

func (b *Memory) holdBack(to Mailbox, l letter) {
	wait := Backoff
	if b.HoldBack != nil {
		wait = b.HoldBack
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	box := b.box(to)
	box.held = append(box.held, heldLetter{l, time.Now().Add(wait(l.Delivery))})
	box.wake()
}

// take waits for a message; false when ctx ended first.
func (b *Memory) take(ctx context.Context, from Mailbox) (letter, bool) {
	for {
		b.mu.Lock()
		box := b.box(from)
		now := time.Now()
		next := earlier(box.release(now), b.spillInto(box, now))
		if len(box.ready) > 0 && ctx.Err() == nil {
			l := box.pop()
			b.mu.Unlock()
			return l, true
		}
		box.planned = next
		changed := box.changed
		b.mu.Unlock()
		if err := wait(ctx, changed, next); err != nil {
			return letter{}, false
		}
	}
}

// wait ends when changed is closed, when it is next, or with ctx; only the last is an error.
func wait(ctx context.Context, changed <-chan struct{}, next time.Time) error {
	var due <-chan time.Time
	if !next.IsZero() {
		timer := time.NewTimer(time.Until(next))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
