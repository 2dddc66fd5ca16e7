package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rabbitmq/amqp091-go"
)

// consumer is a receiver on one generation.
type consumer struct {
	*receiver
	*generation
	channel    *amqp091.Channel
	deliveries <-chan amqp091.Delivery
}

// tag is the consumer's name on its channel, where it is the only one.
const tag = "receive"

func (r *receiver) consume(g *generation) (*consumer, error) {
	if err := r.declare(g, append(slices.Clone(exchanges), mailbox(r.from))...); err != nil {
		return nil, err
	}
	channel, err := g.conn.Channel()
	if err == nil {
		err = channel.Qos(r.hold, 0, false)
	}
	if err != nil {
		return nil, fmt.Errorf("open a channel on %s: %w", g.broker, err)
	}
	deliveries, err := channel.Consume(string(r.from), tag, false, false, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume %s on %s: %w", r.from, g.broker, err)
	}
	return &consumer{receiver: r, generation: g, channel: channel, deliveries: deliveries}, nil
}

// receive hands messages to handlers. It waits for them only when we stop: those of a connection that was lost can settle
// nothing any more, and must not keep the next one waiting.
func (c *consumer) receive(ctx context.Context) error {
	for {
		select {
		case c.running <- struct{}{}:
		case <-ctx.Done():
			return c.stop(ctx)
		}
		d, err := c.next(ctx)
		if err == nil {
			c.handlers.Go(func() { c.handle(ctx, c.generation, d) })
			continue
		}
		<-c.running
		if ctx.Err() != nil {
			return c.stop(ctx)
		}
		return err
	}
}

// next waits for a delivery.
func (c *consumer) next(ctx context.Context) (amqp091.Delivery, error) {
	select {
	case d, ok := <-c.deliveries:
		if !ok {
			return d, c.ended(ctx)
		}
		if ctx.Err() != nil {
			_ = d.Nack(false, true) // on an error it comes back by itself
		}
		return d, ctx.Err()
	case <-ctx.Done():
		return amqp091.Delivery{}, ctx.Err()
	}
}

// ended says why there are no more deliveries: the connection was lost, which is about to be known, or the queue is gone.
func (c *consumer) ended(ctx context.Context) error {
	if pause(ctx, mourning) != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s ended the delivery from %s: was the queue deleted?", c.broker, c.from)
}

// stop gives back what no handler has seen, and waits for the handlers while their acknowledgements can still go out.
func (c *consumer) stop(ctx context.Context) error {
	cause := context.Cause(ctx)
	if c.conn.IsClosed() {
		return cause
	}
	err := c.within(c.limits.request, func() error { return c.channel.Cancel(tag, false) })
	if err == nil {
		for d := range c.deliveries {
			_ = d.Nack(false, true) // on an error it comes back by itself
		}
	}
	c.handlers.Wait()
	return errors.Join(cause, err)
}
