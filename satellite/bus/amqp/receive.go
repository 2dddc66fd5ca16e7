package amqp

import (
	"context"
	"fmt"
	"sync"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// mostHeld is the largest prefetch that quorum queues keep to.
const mostHeld = 2000

// receiver is one call of Receive, over all its generations.
type receiver struct {
	*Bus
	from     bus.Mailbox
	hold     int
	handler  bus.Handler
	running  chan struct{} // one for each handler, old generations' too
	handlers sync.WaitGroup
}

// Receive has a connection of its own. The context of a handler ends with its connection too: the broker then gives the
// message to somebody again.
func (b *Bus) Receive(ctx context.Context, from bus.Mailbox, hold, run int, h bus.Handler) error {
	if hold < 1 || hold > mostHeld || run < 1 {
		return fmt.Errorf("receive from %s: hold %d, run %d: want 1 to %d, at least 1", from, hold, run, mostHeld)
	}
	if err := checkNames(from, ""); err != nil {
		return err
	}
	r := &receiver{Bus: b, from: from, hold: hold, handler: h, running: make(chan struct{}, run)}
	defer r.handlers.Wait()
	err := b.keep(ctx, receiving, func(ctx context.Context, g *generation) error {
		c, err := r.consume(g)
		if err != nil {
			return err
		}
		return c.receive(ctx)
	})
	if err != nil {
		return fmt.Errorf("receive from %s: %w", from, err)
	}
	return nil
}

// handle has a message handled and settled.
func (r *receiver) handle(ctx context.Context, g *generation, d amqp091.Delivery) {
	m := r.message(d)
	result := bus.Call(ctx, r.handler, m)
	<-r.running
	if err := r.settle(ctx, d, m, result); err != nil {
		r.log.Debug("a message could not be settled and comes again", "mailbox", r.from, "message", m.ID, "generation", g.epoch, "error", err)
	}
}
