package amqp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// declare declares each thing on a channel of its own, since the broker closes the channel on which one fails. Never passively:
// that would show no difference. Only whoever may not declare it, such as a person's command, has to find it there.
func (b *Bus) declare(g *generation, all ...declaration) error {
	for _, d := range all {
		err := b.onChannel(g, d.declare)
		if forbidden(err) && b.onChannel(g, d.find) == nil {
			continue
		}
		if differs(err) {
			err = fmt.Errorf("%w: %w", ErrMismatch, err)
		}
		if err != nil {
			return fmt.Errorf("declare %s on %s: %w", d, g.broker, err)
		}
	}
	return nil
}

// onChannel has use work on a channel that is thrown away.
func (b *Bus) onChannel(g *generation, use func(*amqp091.Channel) error) error {
	return g.within(b.limits.request, func() error {
		ch, err := g.conn.Channel()
		if err != nil {
			return err
		}
		defer ch.Close()
		return use(ch)
	})
}

// inspect asks passively, which is right here: nothing is to be declared.
func (b *Bus) inspect(g *generation, box bus.Mailbox) (q amqp091.Queue, err error) {
	err = b.onChannel(g, func(ch *amqp091.Channel) (err error) {
		q, err = ch.QueueDeclarePassive(string(box), true, false, false, false, nil)
		return err
	})
	if err != nil {
		return q, fmt.Errorf("look at %s on %s: %w", box, g.broker, err)
	}
	return q, nil
}

func forbidden(err error) bool {
	var refused *amqp091.Error
	return errors.As(err, &refused) && refused.Code == amqp091.AccessRefused
}

// differs finds PRECONDITION_FAILED for a difference; a queue without a leader just now may say it for other reasons.
func differs(err error) bool {
	var refused *amqp091.Error
	return errors.As(err, &refused) && refused.Code == amqp091.PreconditionFailed &&
		(strings.Contains(refused.Reason, "inequivalent") || strings.Contains(refused.Reason, "invalid arg"))
}
