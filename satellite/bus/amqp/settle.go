package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// why is the header of a message in dead that says why it is there.
const why = "why"

// settle does with a message what its handler decided, on the channel that it came by and on no other.
//
// Giving back is a nack, held back is a new message: up to RabbitMQ 4.2 a nack counts towards the broker's delivery limit,
// from 4.3 only a reject does. Either way the count that Delivery shows is ours and does not move.
func (r *receiver) settle(ctx context.Context, d amqp091.Delivery, m bus.Message, result error) error {
	rejected, mayDie := bus.Rejected(result), r.from != bus.Dead
	switch {
	case result == nil, r.from.IsReply() && !rejected:
		return d.Ack(false)
	case ctx.Err() != nil:
		return d.Nack(false, true)
	case rejected && mayDie:
		return r.move(ctx, d, routeTo(bus.Dead, ""), again(d, amqp091.Table{why: bus.Why(result)}))
	case m.Delivery >= bus.DeliveryLimit && mayDie:
		return r.move(ctx, d, routeTo(bus.Dead, ""), again(d, amqp091.Table{why: bus.TooOften(result)}))
	}
	return r.holdBack(ctx, d, m)
}

// holdBack puts the message into a tier. From there it comes back to its mailbox; from an own one it goes where it would spill.
func (r *receiver) holdBack(ctx context.Context, d amqp091.Delivery, m bus.Message) error {
	to := cmp.Or(m.Spill, r.from)
	headers := amqp091.Table{failures(to): int64(m.Delivery)}
	if m.Why != "" {
		headers[why] = m.Why
	}
	tier := tierName(r.config.tierFor(bus.Backoff(m.Delivery + 1)))
	return r.move(ctx, d, route{exchange: tier, key: string(to)}, again(d, headers))
}

// move acknowledges a message here once it is there. A broker that takes no messages is not the message's fault: it is tried
// until its connection ends.
func (r *receiver) move(ctx context.Context, d amqp091.Delivery, to route, m amqp091.Publishing) error {
	for {
		err := r.send(ctx, to, m)
		if err == nil {
			return d.Ack(false)
		}
		if pause(ctx, time.Second) != nil {
			return errors.Join(err, d.Nack(false, true))
		}
	}
}

// again is a delivery as a new message.
func again(d amqp091.Delivery, headers amqp091.Table) amqp091.Publishing {
	m := publishing(bus.Message{ID: d.MessageId, Body: d.Body})
	m.Timestamp, m.Headers = d.Timestamp, headers
	return m
}

// message is what a delivery holds. Delivery counts the times that a handler in this mailbox failed, which the message
// carries. The broker's x-delivery-count also counts lost connections and shutdowns, which are nobody's failure.
func (r *receiver) message(d amqp091.Delivery) bus.Message {
	m := bus.Message{ID: d.MessageId, Body: d.Body, Delivery: 1}
	if failed, ok := d.Headers[failures(r.from)].(int64); ok && failed > 0 {
		m.Delivery += int(min(failed, unlimited))
	}
	switch {
	case r.from.IsOwn():
		m.Spill = bus.Mailbox(d.RoutingKey)
	case r.from == bus.Dead:
		m.Why = whyDead(d.Headers)
	}
	return m
}

// failures is the header that counts them. It names the mailbox, since in dead a message starts anew.
func failures(box bus.Mailbox) string { return "failed." + string(box) }

// whyDead is what we wrote, or what the broker did: the header x-death lists queues that a message left, with reason and count.
func whyDead(headers amqp091.Table) string {
	if said, ok := headers[why].(string); ok {
		return said
	}
	deaths, _ := headers["x-death"].([]any)
	for _, one := range deaths {
		if death, ok := one.(amqp091.Table); ok && death["reason"] != "expired" {
			return bus.Why(fmt.Errorf("the broker took it from %v: %v", death["queue"], death["reason"]))
		}
	}
	return ""
}

func publishing(m bus.Message) amqp091.Publishing {
	return amqp091.Publishing{MessageId: m.ID, Body: m.Body, DeliveryMode: amqp091.Persistent, ContentType: "application/json", Timestamp: time.Now()}
}
