package amqp

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	if err := b.keep(ctx, receiving, r.receive); err != nil {
		return fmt.Errorf("receive from %s: %w", from, err)
	}
	return nil
}

// tag is the consumer's name on its channel, where it is the only one.
const tag = "receive"

// receive hands the messages of one generation to handlers. It waits for them only when we stop: those of a connection that
// was lost can settle nothing any more, and must not keep the next one waiting.
func (r *receiver) receive(ctx context.Context, g *generation) error {
	channel, deliveries, err := r.consume(g)
	if err != nil {
		return err
	}
	for {
		select {
		case r.running <- struct{}{}:
		case <-ctx.Done():
			return r.stop(ctx, g, channel, deliveries)
		}
		select {
		case d, ok := <-deliveries:
			if ok && ctx.Err() == nil {
				r.handlers.Go(func() { r.handle(ctx, g, d) })
				continue
			}
			<-r.running
			if !ok && ctx.Err() == nil {
				return r.ended(ctx, g)
			}
			_ = d.Nack(false, true) // on an error it comes back by itself
		case <-ctx.Done():
			<-r.running
		}
		return r.stop(ctx, g, channel, deliveries)
	}
}

func (r *receiver) consume(g *generation) (*amqp091.Channel, <-chan amqp091.Delivery, error) {
	if err := r.declare(g, append(slices.Clone(exchanges), mailbox(r.from))...); err != nil {
		return nil, nil, err
	}
	channel, err := g.conn.Channel()
	if err == nil {
		err = channel.Qos(r.hold, 0, false)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open a channel on %s: %w", g.broker, err)
	}
	deliveries, err := channel.Consume(string(r.from), tag, false, false, false, false, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("consume %s on %s: %w", r.from, g.broker, err)
	}
	return channel, deliveries, nil
}

// ended says why there are no more deliveries: the connection was lost, which is about to be known, or the queue.
func (r *receiver) ended(ctx context.Context, g *generation) error {
	if pause(ctx, 100*time.Millisecond) != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s ended the delivery from %s: was the queue deleted?", g.broker, r.from)
}

// stop gives back what no handler has seen, and waits for the handlers while their acknowledgements can still go out.
func (r *receiver) stop(ctx context.Context, g *generation, channel *amqp091.Channel, deliveries <-chan amqp091.Delivery) error {
	if g.conn.IsClosed() {
		return context.Cause(ctx)
	}
	err := g.within(r.limits.request, func() error { return channel.Cancel(tag, false) })
	if err == nil {
		for d := range deliveries {
			_ = d.Nack(false, true) // on an error it comes back by itself
		}
	}
	r.handlers.Wait()
	return err
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
