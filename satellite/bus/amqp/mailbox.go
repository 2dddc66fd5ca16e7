package amqp

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

const (
	// forgotten is after how long a satellite's own mailbox vanishes from which nobody receives.
	forgotten = 7 * 24 * time.Hour
	// logAge and logSegment bound what a log keeps: whole segments of which all is older.
	logAge     = "7D"
	logSegment = 16 << 20
	// mostUnheard is how much is kept for a hearer who is slow.
	mostUnheard = 1000
)

// place is a mailbox, or a log.
type place struct {
	name string
	log  bool
}

// declarations are what a place consists of, in the order in which it can be declared.
func (p place) declarations() []declaration {
	switch box := bus.Mailbox(p.name); {
	case p.log:
		return []declaration{stream(p.name)}
	case box.IsOwn():
		return []declaration{exchange{name: p.name, kind: "fanout"}, mailbox(box)}
	default:
		return []declaration{mailbox(box)}
	}
}

// withExchanges declares a place also where nobody has sent anything yet.
func (p place) withExchanges() []declaration {
	return append(slices.Clone(exchanges), p.declarations()...)
}

// mailbox is the queue of a mailbox. The broker moves a message to dead when it was delivered too often: its last resort, as
// each connection that ends counts as well up to 4.2. It keeps the message until dead has it.
func mailbox(name bus.Mailbox) queue {
	switch {
	case name == bus.Dead:
		return queue{string(name), amqp091.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(unlimited)}, []string{tasks, deadLetters}, false}
	case name == Unroutable:
		return queue{string(name), amqp091.Table{
			"x-queue-type": "quorum", "x-delivery-limit": int32(unlimited), "x-max-length": int32(unroutableLength), "x-overflow": "drop-head",
		}, []string{string(name)}, false}
	case name.IsOwn():
		return own(name)
	case name.IsReply():
		return queue{string(name), amqp091.Table{"x-queue-type": "classic"}, []string{tasks}, true}
	}
	return queue{string(name), amqp091.Table{
		"x-queue-type": "quorum", "x-delivery-limit": int32(bus.DeliveryLimit),
		"x-dead-letter-exchange": deadLetters, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
	}, []string{tasks}, false}
}

// own is a satellite's own mailbox. What expires there, or was delivered too often, goes where its routing key says: into the
// mailbox that it spills into. That is also why its queue is bound to an exchange of its own.
func own(name bus.Mailbox) queue {
	return queue{string(name), amqp091.Table{
		"x-queue-type": "quorum", "x-delivery-limit": int32(bus.DeliveryLimit),
		"x-message-ttl": bus.SpillAfter.Milliseconds(), "x-expires": forgotten.Milliseconds(),
		"x-dead-letter-exchange": tasks, "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
	}, []string{string(name)}, false}
}

func stream(name string) queue {
	return queue{name, amqp091.Table{
		"x-queue-type": "stream", "x-max-age": logAge, "x-stream-max-segment-size-bytes": int64(logSegment),
	}, []string{tasks}, false}
}

// ear is a hearer's queue. It ends with its connection; what nobody heard in time is worth nothing.
func ear(exchange string) queue {
	return queue{exchange + "." + rand.Text(), amqp091.Table{
		"x-queue-type": "classic", "x-max-length": int32(mostUnheard), "x-overflow": "drop-head",
	}, []string{exchange}, true}
}
