package amqp

import (
	"context"
	"errors"
	"fmt"

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
	if err := r.declare(g, place{name: string(r.from)}.withExchanges()...); err != nil {
		return nil, err
	}
	channel, deliveries, err := r.subscribe(g, string(r.from), r.hold, nil)
	if err != nil {
		return nil, err
	}
	return &consumer{receiver: r, generation: g, channel: channel, deliveries: deliveries}, nil
}

// subscribe has a queue delivered, at most hold messages ahead of what is settled.
func (b *Bus) subscribe(g *generation, queue string, hold int, arguments amqp091.Table) (*amqp091.Channel, <-chan amqp091.Delivery, error) {
	channel, err := g.conn.Channel()
	if err == nil {
		err = channel.Qos(hold, 0, false)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open a channel on %s: %w", g.broker, err)
	}
	deliveries, err := channel.Consume(queue, tag, false, false, false, false, arguments)
	if err != nil {
		return nil, nil, fmt.Errorf("consume %s on %s: %w", queue, g.broker, err)
	}
	g.line.works(g)
	return channel, deliveries, nil
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
			return d, c.ended(ctx, string(c.from))
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
func (g *generation) ended(ctx context.Context, queue string) error {
	if pause(ctx, mourning) != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s ended the delivery from %s: was the queue deleted?", g.broker, queue)
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
