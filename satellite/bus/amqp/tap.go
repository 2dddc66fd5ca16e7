package amqp

import (
	"context"
	"fmt"
	"slices"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// Tap shows what is sent to own mailboxes, beside whoever receives there: the lab knows from it which rounds were started. see
// gets each message at least once, in the order in which the broker has it, with the mailbox that it was sent to. What is
// sent while nobody taps waits in a queue called name, from the first Tap on, also while the broker is away. It returns nil
// when ctx ends.
//
// The queue is there until somebody deletes it.
func (b *Bus) Tap(ctx context.Context, name string, boxes []bus.Mailbox, see func(bus.Mailbox, bus.Message)) error {
	tap := queue{name: name, arguments: amqp091.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(unlimited)}}
	var declared []declaration
	for _, box := range boxes {
		tap.bound = append(tap.bound, string(box))
		declared = append(declared, exchange{name: string(box), kind: "fanout"})
	}
	err := b.keep(ctx, receiving, func(ctx context.Context, g *generation) error {
		if err := b.declare(g, append(slices.Clone(declared), tap)...); err != nil {
			return err
		}
		return b.tap(ctx, g, name, see)
	})
	if err != nil {
		return fmt.Errorf("tap %v: %w", boxes, err)
	}
	return nil
}

// tap shows messages until the generation ends. Each is acknowledged once it was seen.
func (b *Bus) tap(ctx context.Context, g *generation, name string, see func(bus.Mailbox, bus.Message)) error {
	_, deliveries, err := b.subscribe(g, name, inFlight, nil)
	if err != nil {
		return err
	}
	return g.each(ctx, name, deliveries, func(d amqp091.Delivery) error {
		see(bus.Mailbox(d.Exchange), bus.Message{ID: d.MessageId, Body: d.Body, Delivery: 1, Spill: bus.Mailbox(d.RoutingKey)})
		return nil
	})
}
