package amqp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// What a site's virtual host holds. A mailbox is a queue of its own name.
//
//	Send -> lamplighter (direct, by name) -> local.ping, local.tls, dead ...
//	delivered too often, rejected -> lamplighter.dead (fanout) -> dead
//	held back -> lamplighter.wait.500ms (fanout) -> a queue of that name, whose TTL ends -> lamplighter, by name
//	without a queue -> lamplighter.unroutable (fanout) -> a queue of that name
//
// lamplighter has no alternate exchange: with one, a mandatory publish that no mailbox gets counts as routed and is
// confirmed. What is returned to us instead we put into lamplighter.unroutable ourselves. Only lamplighter.dead, where the
// broker publishes and nobody could be told, has it as alternate exchange.
const (
	tasks       = "lamplighter"
	deadLetters = "lamplighter.dead"
	waiting     = "lamplighter.wait."
	// Unroutable holds copies of the last 10,000 messages for which the broker had no queue, for a person to look at.
	Unroutable bus.Mailbox = "lamplighter.unroutable"
)

const (
	// unlimited is more deliveries than there will be. Absent would mean 20 on RabbitMQ 4, and -1 is refused by 3.10.
	unlimited = 1 << 30
	// unroutableLength bounds what is only evidence: whoever sent it was told that it failed.
	unroutableLength = 10_000
	// mourning is how long a mailbox that vanished is not declared again. The broker tells its consumers in that time. On 3.10.8
	// those that still consumed when the queue came back were not told, and never got what was delivered to them.
	mourning = time.Second
)

// declaration is an exchange or a queue as it should be. Declaring is harmless where it is so, and fails where it is otherwise.
type declaration interface {
	declare(*amqp091.Channel) error
	String() string
}

type exchange struct {
	name, kind string
	arguments  amqp091.Table
}

func (e exchange) String() string { return "exchange " + e.name }

func (e exchange) declare(ch *amqp091.Channel) error {
	return ch.ExchangeDeclare(e.name, e.kind, true, false, false, false, e.arguments)
}

type queue struct {
	name      string
	arguments amqp091.Table
	bound     []string // to these exchanges, with the queue's name as key
}

func (q queue) String() string { return "queue " + q.name }

func (q queue) declare(ch *amqp091.Channel) error {
	if _, err := ch.QueueDeclare(q.name, true, false, false, false, q.arguments); err != nil {
		return err
	}
	for _, from := range q.bound {
		if err := ch.QueueBind(q.name, q.name, from, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// mailbox is the queue of a mailbox. The broker moves a message to dead when it was delivered too often: its last resort, as
// each connection that ends counts as well up to 4.2. It keeps the message until dead has it.
func mailbox(name bus.Mailbox) queue {
	switch name {
	case bus.Dead:
		return queue{string(name), amqp091.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(unlimited)}, []string{tasks, deadLetters}}
	case Unroutable:
		return queue{string(name), amqp091.Table{
			"x-queue-type": "quorum", "x-delivery-limit": int32(unlimited), "x-max-length": int32(unroutableLength), "x-overflow": "drop-head",
		}, []string{string(name)}}
	}
	return queue{string(name), amqp091.Table{
		"x-queue-type": "quorum", "x-delivery-limit": int32(bus.DeliveryLimit),
		"x-dead-letter-exchange": deadLetters, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
	}, []string{tasks}}
}

// tier is where messages wait for d. One time per queue, because only the head of a queue expires.
func tier(d time.Duration) (exchange, queue) {
	return exchange{name: tierName(d), kind: "fanout"}, queue{tierName(d), amqp091.Table{
		"x-queue-type": "quorum", "x-message-ttl": d.Milliseconds(),
		"x-dead-letter-exchange": tasks, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
	}, []string{tierName(d)}}
}

func tierName(d time.Duration) string { return waiting + d.String() }

// tierFor is the longest tier that is not longer than d, or the shortest.
func (c Config) tierFor(d time.Duration) time.Duration {
	best := c.Tiers[0]
	for _, tier := range c.Tiers {
		if tier <= d {
			best = tier
		}
	}
	return best
}

// exchanges are what a mailbox is bound to.
var exchanges = []declaration{
	exchange{name: tasks, kind: "direct"},
	exchange{name: string(Unroutable), kind: "fanout"},
	exchange{deadLetters, "fanout", amqp091.Table{"alternate-exchange": string(Unroutable)}},
}

// site is what every virtual host holds before its first mailbox, in the order in which it can be declared.
func (c Config) site() []declaration {
	all := append(slices.Clone(exchanges), mailbox(Unroutable), mailbox(bus.Dead))
	for _, d := range c.Tiers {
		exchange, queue := tier(d)
		all = append(all, exchange, queue)
	}
	return all
}

// declare declares each thing on a channel of its own, since the broker closes the channel on which one fails. Never passively:
// that would show no difference.
func (b *Bus) declare(g *generation, all ...declaration) error {
	for _, d := range all {
		err := g.within(b.limits.request, func() error {
			ch, err := g.conn.Channel()
			if err != nil {
				return err
			}
			defer ch.Close()
			return d.declare(ch)
		})
		if differs(err) {
			err = fmt.Errorf("%w: %w", ErrMismatch, err)
		}
		if err != nil {
			return fmt.Errorf("declare %s on %s: %w", d, g.broker, err)
		}
	}
	return nil
}

// inspect asks passively, which is right here: nothing is to be declared.
func (b *Bus) inspect(g *generation, box bus.Mailbox) (q amqp091.Queue, err error) {
	err = g.within(b.limits.request, func() error {
		ch, err := g.conn.Channel()
		if err != nil {
			return err
		}
		defer ch.Close()
		q, err = ch.QueueDeclarePassive(string(box), true, false, false, false, nil)
		return err
	})
	if err != nil {
		return q, fmt.Errorf("look at %s on %s: %w", box, g.broker, err)
	}
	return q, nil
}

// differs finds PRECONDITION_FAILED for a difference; a queue without a leader just now may say it for other reasons.
func differs(err error) bool {
	var refused *amqp091.Error
	return errors.As(err, &refused) && refused.Code == amqp091.PreconditionFailed &&
		(strings.Contains(refused.Reason, "inequivalent") || strings.Contains(refused.Reason, "invalid arg"))
}
