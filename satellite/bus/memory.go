package bus

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Memory is a bus inside one process, for a site that one process serves. The zero value works. What it holds ends with the
// process: a round that is cut short is a round that is started again.
type Memory struct {
	// HoldBack is how long a message is held back before the given delivery; nil: Backoff.
	HoldBack func(delivery int) time.Duration

	mu    sync.Mutex // guards boxes and what they hold
	boxes map[Mailbox]*box
}

var _ Bus = (*Memory)(nil)

type box struct {
	ready   []Message
	held    []heldMessage
	changed chan struct{} // closed and replaced whenever something was put in
}

type heldMessage struct {
	Message
	until time.Time
}

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
	m.Body, m.Delivery = bytes.Clone(m.Body), 1
	b.put(to, m)
	return nil
}

// Receive never holds more than it runs: what waits, waits in the mailbox, where other receivers find it.
func (b *Memory) Receive(ctx context.Context, from Mailbox, hold, run int, h Handler) error {
	if hold < 1 || run < 1 {
		return fmt.Errorf("receive from %s: hold %d, run %d: want at least 1", from, hold, run)
	}
	c := crew{tokens: make(chan struct{}, min(hold, run)), work: make(chan Message), spare: make(chan struct{}, maxSpare)}
	defer c.handlers.Wait()
	defer close(c.work)
	for {
		select {
		case c.tokens <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		m, ok := b.take(ctx, from)
		if !ok {
			return nil
		}
		c.give(m, func(m Message) { b.settle(ctx, from, m, h) })
	}
}

// crew are the goroutines that handle messages. Some are kept for the next message: to grow a new one's stack for each costs
// a fifth of what handling does.
type crew struct {
	handlers sync.WaitGroup
	tokens   chan struct{} // one for each message that is handled
	work     chan Message
	spare    chan struct{} // one for each goroutine that waits for work
}

const maxSpare = 64

func (c *crew) give(m Message, settle func(Message)) {
	select {
	case c.work <- m:
	default:
		c.handlers.Go(func() {
			for more := true; more; m, more = c.next() {
				settle(m)
				<-c.tokens
			}
		})
	}
}

// next waits for another message; false when there are spare goroutines enough, or there is no more work.
func (c *crew) next() (Message, bool) {
	select {
	case c.spare <- struct{}{}:
	default:
		return Message{}, false
	}
	m, more := <-c.work
	<-c.spare
	return m, more
}

// settle hands m to h and does with it what h decided.
func (b *Memory) settle(ctx context.Context, from Mailbox, m Message, h Handler) {
	err := Call(ctx, h, m)
	switch {
	case err == nil:
	case Rejected(err) && from != Dead:
		b.bury(m)
	case ctx.Err() != nil:
		b.put(from, m)
	case m.Delivery >= DeliveryLimit && from != Dead:
		b.bury(m)
	default:
		m.Delivery++
		b.holdBack(from, m)
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

func (b *Memory) bury(m Message) {
	m.Delivery = 1
	b.put(Dead, m)
}

func (b *Memory) put(to Mailbox, m Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	box := b.box(to)
	box.ready = append(box.ready, m)
	box.wake()
}

func (b *Memory) holdBack(to Mailbox, m Message) {
	wait := Backoff
	if b.HoldBack != nil {
		wait = b.HoldBack
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	box := b.box(to)
	box.held = append(box.held, heldMessage{m, time.Now().Add(wait(m.Delivery))})
	box.wake()
}

// take waits for a message; false when ctx ended first.
func (b *Memory) take(ctx context.Context, from Mailbox) (Message, bool) {
	for {
		b.mu.Lock()
		box := b.box(from)
		next := box.release(time.Now())
		if len(box.ready) > 0 && ctx.Err() == nil {
			m := box.ready[0]
			box.ready[0] = Message{}
			box.ready = box.ready[1:]
			b.mu.Unlock()
			return m, true
		}
		changed := box.changed
		b.mu.Unlock()
		if err := wait(ctx, changed, next); err != nil {
			return Message{}, false
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

// box finds a mailbox or makes it. b.mu is held.
func (b *Memory) box(name Mailbox) *box {
	if b.boxes == nil {
		b.boxes = map[Mailbox]*box{}
	}
	if b.boxes[name] == nil {
		b.boxes[name] = &box{changed: make(chan struct{})}
	}
	return b.boxes[name]
}

func (b *box) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// release makes ready what was held back long enough, and says when the next will be; zero: nothing is held back.
func (b *box) release(now time.Time) (next time.Time) {
	b.held = slices.DeleteFunc(b.held, func(h heldMessage) bool {
		if h.until.After(now) {
			if next.IsZero() || h.until.Before(next) {
				next = h.until
			}
			return false
		}
		b.ready = append(b.ready, h.Message)
		return true
	})
	return next
}
