package amqp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

const (
	// inFlight is how many messages wait for their confirms at once.
	inFlight = 256
	// returnsKept is how many returns can wait to be read. The library drops those that find no room for 5 s; senders read
	// them before and after each message, so that there are never more than are in flight or were just given up.
	returnsKept = 16 * inFlight
)

// publisher is the channel on which all Sends of a generation publish.
type publisher struct {
	*generation
	bus     *Bus
	channel *amqp091.Channel
	air     *amqp091.Channel // for Tell
	gone    <-chan struct{}  // closed when the generation ended
	slots   chan struct{}    // one for each message in flight
	next    atomic.Uint64
	asking  chan struct{} // held by whoever declares

	mu       sync.Mutex // guards what follows
	returns  chan amqp091.Return
	returned map[string]string // why, by correlation ID
	declared map[place]bool
	missed   map[place]time.Time // when it was found missing
	open     chan struct{}       // closed when the broker takes messages

	closed    <-chan *amqp091.Error // of the channel
	blockings <-chan amqp091.Blocking
}

// route is where a message goes: to a mailbox, which is declared first as is the one that it spills into, or to an exchange of
// the site.
type route struct {
	exchange, key string
	to, spill     place
}

func routeTo(box, spill bus.Mailbox) route {
	switch {
	case box.IsOwn():
		return route{exchange: string(box), key: string(spill), to: place{name: string(box)}, spill: place{name: string(spill)}}
	case box.IsReply(): // only who receives from it declares it
		return route{exchange: tasks, key: string(box)}
	}
	return route{exchange: tasks, key: string(box), to: place{name: string(box)}}
}

func (b *Bus) openPublisher(ctx context.Context, g *generation) (*publisher, error) {
	if err := b.declare(g, b.config.site()...); err != nil {
		return nil, err
	}
	p := &publisher{
		generation: g, bus: b, gone: ctx.Done(), slots: make(chan struct{}, inFlight), asking: make(chan struct{}, 1),
		returned: map[string]string{}, declared: map[place]bool{}, missed: map[place]time.Time{}, open: make(chan struct{}),
	}
	close(p.open)
	err := g.within(b.limits.request, func() (err error) {
		if p.channel, err = g.conn.Channel(); err != nil {
			return err
		}
		p.returns = p.channel.NotifyReturn(make(chan amqp091.Return, returnsKept))
		p.closed = p.channel.NotifyClose(make(chan *amqp091.Error, 1))
		p.blockings = g.conn.NotifyBlocked(make(chan amqp091.Blocking, 16))
		if err := p.channel.Confirm(false); err != nil {
			return err
		}
		if p.air, err = g.conn.Channel(); err != nil {
			return err
		}
		return p.air.Confirm(false)
	})
	if err != nil {
		return nil, fmt.Errorf("open a channel on %s: %w", g.broker, err)
	}
	return p, nil
}

// send publishes on the next generation that lives. What was published on one that ended is not published again: it may
// be there, and whoever sends again should know that.
func (b *Bus) send(ctx context.Context, to route, m amqp091.Publishing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.limits.send, fmt.Errorf("waited %s", b.limits.send))
	defer cancel()
	for {
		p, err := b.publisher(ctx)
		if err != nil {
			return err
		}
		err = p.prepare(ctx, to)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return err
		}
		defer func() { <-p.slots }()
		err = p.publish(ctx, to, m)
		if errors.Is(err, ErrUnroutable) && !bus.Mailbox(to.key).IsReply() {
			p.keepUnroutable(ctx, to, m)
		}
		return err
	}
}

// errGone means that a generation ended before anything was published on it.
var errGone = errors.New("the connection ended")

// prepare takes a slot, waits until the broker takes messages and declares the mailbox.
func (p *publisher) prepare(ctx context.Context, to route) (err error) {
	select {
	case p.slots <- struct{}{}:
	case <-p.gone:
		return errGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			<-p.slots
		}
	}()
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	select {
	case <-open:
	case <-p.gone:
		return errGone
	case <-ctx.Done():
		return fmt.Errorf("the broker is blocked: %w", context.Cause(ctx))
	}
	if err := p.declareOnce(ctx, to.spill); err != nil {
		return err
	}
	return p.declareOnce(ctx, to.to)
}

// declareOnce declares a place the first time that something is sent to it, and again after it was found missing.
func (p *publisher) declareOnce(ctx context.Context, at place) error {
	if declared, err := p.isDeclared(at); declared || err != nil {
		return err
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-p.gone:
		return errGone
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if declared, err := p.isDeclared(at); declared || err != nil {
		return err
	}
	if err := p.bus.declare(p.generation, at.declarations()...); err != nil {
		if p.conn.IsClosed() {
			return fmt.Errorf("%w: %w", errGone, err)
		}
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.declared[at] = true
	return nil
}

func (p *publisher) isDeclared(at place) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.missed[at]) < mourning {
		return false, fmt.Errorf("%w: it was deleted just now", ErrUnroutable)
	}
	return at.name == "" || p.declared[at], nil
}

// miss has a place declared again, after a while.
func (p *publisher) miss(at place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.declared[at] = false
	p.missed[at] = time.Now()
}

// publish returns nil once the broker confirmed that a queue has m.
func (p *publisher) publish(ctx context.Context, to route, m amqp091.Publishing) error {
	m.CorrelationId = strconv.FormatUint(p.next.Add(1), 36)
	p.wasReturned("")
	confirmation, err := p.channel.PublishWithDeferredConfirmWithContext(ctx, to.exchange, to.key, true, false, m)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	select {
	case <-confirmation.Done():
	case <-ctx.Done():
		return fmt.Errorf("no confirm: %w", context.Cause(ctx))
	}
	reason, returned := p.wasReturned(m.CorrelationId)
	switch {
	case returned:
		return fmt.Errorf("%w: %s", ErrUnroutable, reason)
	case !confirmation.Acked():
		return errors.New("not confirmed: the broker refused it, or the connection ended")
	}
	return nil
}
