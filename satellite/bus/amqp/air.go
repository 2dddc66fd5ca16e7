package amqp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// tellTime bounds a Tell: a hello that is late is none.
const tellTime = 2 * time.Second

// heardAhead is how many hellos are on their way to a hearer at once; more wait at the broker, where the oldest are dropped.
const heardAhead = 50

// Talk is another Air of the same site: what satellites ask each other, which may be more than a slow hearer keeps up with, and
// must not drown their hellos.
func (b *Bus) Talk() bus.Air { return air{b, talk} }

// Tell has a channel of its own on the connection that sends, so that it waits behind no message's confirm.
func (b *Bus) Tell(ctx context.Context, body []byte) error { return air{b, hello}.Tell(ctx, body) }

// Hear has a connection of its own.
func (b *Bus) Hear(ctx context.Context, h func(body []byte)) error { return air{b, hello}.Hear(ctx, h) }

// air is an exchange that everybody hears.
type air struct {
	b        *Bus
	exchange string
}

// Tell tells on the exchange.
func (a air) Tell(ctx context.Context, body []byte) error {
	b := a.b
	ctx, cancel := context.WithTimeoutCause(ctx, tellTime, fmt.Errorf("waited %s", tellTime))
	defer cancel()
	p, err := b.publisher(ctx)
	if err == nil {
		err = p.tell(ctx, a.exchange, body)
	}
	if err != nil {
		return fmt.Errorf("tell on %s: %w", b.config.brokers(), err)
	}
	return nil
}

func (p *publisher) tell(ctx context.Context, exchange string, body []byte) error {
	if p.blocked() {
		return errors.New("the broker is blocked")
	}
	confirmation, err := p.air.PublishWithDeferredConfirmWithContext(ctx, exchange, "", false, false, amqp091.Publishing{Body: body, Timestamp: time.Now()})
	if err != nil {
		p.cut() // its channel may have ended alone; a new generation has a new one
		return fmt.Errorf("publish: %w", err)
	}
	select {
	case <-confirmation.Done():
	case <-ctx.Done():
		return fmt.Errorf("no confirm: %w", context.Cause(ctx))
	}
	if !confirmation.Acked() {
		return errors.New("not confirmed: the broker refused it, or the connection ended")
	}
	return nil
}

// Hear hears what is told on the exchange.
func (a air) Hear(ctx context.Context, h func(body []byte)) error {
	b := a.b
	return b.keep(ctx, receiving, func(ctx context.Context, g *generation) error {
		queue := ear(a.exchange)
		if err := b.declare(g, exchange{name: a.exchange, kind: "fanout"}, queue); err != nil {
			return err
		}
		_, deliveries, err := b.subscribe(g, queue.name, heardAhead, nil)
		if err != nil {
			return err
		}
		return g.each(ctx, queue.name, deliveries, func(d amqp091.Delivery) error { h(d.Body); return nil })
	})
}

// each hands over deliveries one after the other and acknowledges each, until one fails.
func (g *generation) each(ctx context.Context, queue string, deliveries <-chan amqp091.Delivery, h func(amqp091.Delivery) error) error {
	for {
		select {
		case d, ok := <-deliveries:
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case !ok:
				return g.ended(ctx, queue)
			}
			if err := h(d); err != nil {
				return err
			}
			if err := d.Ack(false); err != nil {
				return fmt.Errorf("acknowledge on %s: %w", g.broker, err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
