package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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
		r.log.Info("a message could not be settled and comes again", "mailbox", r.from, "message", m.ID, "generation", g.epoch, "error", err)
	}
}

// settle does with a message what its handler decided, on the channel that it came by and on no other.
//
// Giving back is a nack, held back is a new message: up to RabbitMQ 4.2 a nack counts towards the broker's delivery limit,
// from 4.3 only a reject does. Either way the count that Delivery shows is ours and does not move.
func (r *receiver) settle(ctx context.Context, d amqp091.Delivery, m bus.Message, result error) error {
	switch {
	case result == nil:
		return d.Ack(false)
	case bus.Rejected(result) && r.from != bus.Dead:
		return d.Reject(false)
	case ctx.Err() != nil:
		return d.Nack(false, true)
	case m.Delivery >= bus.DeliveryLimit && r.from != bus.Dead:
		return d.Reject(false)
	}
	return r.holdBack(ctx, d, m)
}

// holdBack puts the message into a tier and acknowledges it here once it is there. A broker that takes no messages is not
// the message's fault: it is tried until its connection ends.
func (r *receiver) holdBack(ctx context.Context, d amqp091.Delivery, m bus.Message) error {
	again := publishing(bus.Message{ID: m.ID, Body: d.Body})
	again.Timestamp = d.Timestamp
	again.Headers = amqp091.Table{failures(r.from): int64(m.Delivery)}
	for {
		wait := r.config.tierFor(bus.Backoff(m.Delivery + 1))
		err := r.send(ctx, route{exchange: tierName(wait), key: string(r.from)}, again)
		if err == nil {
			return d.Ack(false)
		}
		if pause(ctx, time.Second) != nil {
			return errors.Join(err, d.Nack(false, true))
		}
	}
}

// message is what a delivery holds. Delivery counts the times that a handler in this mailbox failed, which the message
// carries. The broker's x-delivery-count also counts lost connections and shutdowns, which are nobody's failure.
func (r *receiver) message(d amqp091.Delivery) bus.Message {
	m := bus.Message{ID: d.MessageId, Body: d.Body, Delivery: 1}
	if failed, ok := d.Headers[failures(r.from)].(int64); ok && failed > 0 {
		m.Delivery += int(min(failed, unlimited))
	}
	return m
}

// failures is the header that counts them. It names the mailbox, since in dead a message starts anew.
func failures(box bus.Mailbox) string { return "failed." + string(box) }

func publishing(m bus.Message) amqp091.Publishing {
	return amqp091.Publishing{MessageId: m.ID, Body: m.Body, DeliveryMode: amqp091.Persistent, ContentType: "application/json", Timestamp: time.Now()}
}
