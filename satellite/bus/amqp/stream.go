package amqp

import (
	"context"
	"fmt"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// readAhead is how many records are on their way to a follower at once.
const readAhead = 500

// Append writes to a stream.
func (b *Bus) Append(ctx context.Context, log string, record []byte) error {
	if err := checkNames(bus.Mailbox(log), ""); err != nil {
		return err
	}
	to := route{exchange: tasks, key: log, to: place{name: log, log: true}}
	if err := b.send(ctx, to, publishing(bus.Message{Body: record})); err != nil {
		return fmt.Errorf("append to %s on %s: %w", log, b.config.brokers(), err)
	}
	return nil
}

// Follow has a connection of its own; on the next it goes on where it was.
func (b *Bus) Follow(ctx context.Context, log string, from int64, see func(at int64, record []byte) error) error {
	if err := checkNames(bus.Mailbox(log), ""); err != nil {
		return err
	}
	f := follower{Bus: b, log: log, next: max(from, 0), see: see}
	ctx, f.end = context.WithCancel(ctx)
	defer f.end()
	err := b.keep(ctx, receiving, f.follow)
	if f.err != nil {
		return f.err
	}
	if err != nil {
		return fmt.Errorf("follow %s: %w", log, err)
	}
	return nil
}

// follower is one call of Follow, over all its generations.
type follower struct {
	*Bus
	log  string
	next int64
	see  func(at int64, record []byte) error
	err  error // of see
	end  context.CancelFunc

	missing *time.Timer // complains unless something is read; nil: nothing needs to be there
}

func (f *follower) follow(ctx context.Context, g *generation) error {
	if err := f.declare(g, place{name: f.log, log: true}.withExchanges()...); err != nil {
		return err
	}
	var first any = "first"
	if f.next > 0 {
		first = f.next - 1 // was read before, and the newest record is always kept: it comes again, if it is the same log
		f.missing = time.AfterFunc(f.limits.request, func() {
			f.Bus.log.Error("a log holds nothing at a position that was read before: was it deleted?", "log", f.log, "position", first)
		})
		defer f.missing.Stop()
	}
	_, deliveries, err := f.subscribe(g, f.log, readAhead, amqp091.Table{"x-stream-offset": first})
	if err != nil {
		return err
	}
	return g.each(ctx, f.log, deliveries, f.take)
}

func (f *follower) take(d amqp091.Delivery) error {
	at, ok := d.Headers["x-stream-offset"].(int64)
	if !ok {
		return fmt.Errorf("%s: a record without a position: is it a stream?", f.log)
	}
	if f.missing != nil {
		f.missing.Stop()
	}
	if at < f.next {
		return nil
	}
	if f.err = f.see(at, d.Body); f.err != nil {
		f.end()
		return f.err
	}
	f.next = at + 1
	return nil
}
