package amqp

import (
	"slices"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// What a site's virtual host holds. A mailbox is a queue of its own name.
//
//	Send -> lamplighter (direct, by name) -> local.ping, local.tls, dead ...
//	delivered too often, rejected -> lamplighter.dead (fanout) -> dead
//	held back -> lamplighter.wait.500ms (fanout) -> a queue of that name, whose TTL ends -> lamplighter, by name
//	Send to an own mailbox -> local@a (fanout), by the Spill mailbox's name -> local@a, whose TTL ends -> lamplighter, by that name
//	Tell -> lamplighter.hello (fanout), or lamplighter.talk -> an exclusive queue for each hearer
//	Append -> lamplighter -> a stream of the log's name
//	without a queue -> lamplighter.unroutable (fanout) -> a queue of that name
//
// lamplighter has no alternate exchange: with one, a mandatory publish that no mailbox gets counts as routed and is
// confirmed. What is returned to us instead we put into lamplighter.unroutable ourselves. Only lamplighter.dead, where the
// broker publishes and nobody could be told, has it as alternate exchange.
const (
	tasks       = "lamplighter"
	deadLetters = "lamplighter.dead"
	waiting     = "lamplighter.wait."
	hello       = "lamplighter.hello"
	talk        = "lamplighter.talk"
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
	find(*amqp091.Channel) error // whether it is there, however it is
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

func (e exchange) find(ch *amqp091.Channel) error {
	return ch.ExchangeDeclarePassive(e.name, e.kind, true, false, false, false, nil)
}

type queue struct {
	name      string
	arguments amqp091.Table
	bound     []string // to these exchanges, with the queue's name as key
	passing   bool     // it belongs to one connection and ends with it
}

func (q queue) String() string { return "queue " + q.name }

func (q queue) declare(ch *amqp091.Channel) error {
	if _, err := ch.QueueDeclare(q.name, !q.passing, q.passing, q.passing, false, q.arguments); err != nil {
		return err
	}
	for _, from := range q.bound {
		if err := ch.QueueBind(q.name, q.name, from, false, nil); err != nil {
			return err
		}
	}
	return nil
}

func (q queue) find(ch *amqp091.Channel) error {
	_, err := ch.QueueDeclarePassive(q.name, !q.passing, q.passing, q.passing, false, nil)
	return err
}

// tier is where messages wait for d. One time per queue, because only the head of a queue expires.
func tier(d time.Duration) (exchange, queue) {
	return exchange{name: tierName(d), kind: "fanout"}, queue{tierName(d), amqp091.Table{
		"x-queue-type": "quorum", "x-message-ttl": d.Milliseconds(),
		"x-dead-letter-exchange": tasks, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
	}, []string{tierName(d)}, false}
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
	all := append(slices.Clone(exchanges), exchange{name: hello, kind: "fanout"}, exchange{name: talk, kind: "fanout"}, mailbox(Unroutable), mailbox(bus.Dead))
	for _, d := range c.Tiers {
		exchange, queue := tier(d)
		all = append(all, exchange, queue)
	}
	return all
}
