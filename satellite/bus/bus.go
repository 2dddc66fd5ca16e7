// Package bus carries tasks between actors: RabbitMQ, or memory inside one process. Same contract, same tests (bustest).
package bus

import (
	"context"
	"errors"
)

// Mailbox is the name of a queue of the bus.
type Mailbox string

// Dead is the mailbox of messages that were rejected or delivered too often.
const Dead Mailbox = "dead"

// DeliveryLimit is how often a message is delivered before it goes to Dead.
const DeliveryLimit = 20

// Message is what a mailbox holds.
type Message struct {
	ID   string
	Body []byte
	// Delivery is 1 on the first delivery.
	Delivery int
}

// Handler decides a message's fate by what it returns. nil: done. An error: again, after the bus held it back for a while,
// with Delivery one higher; up to DeliveryLimit, then Dead. An error made by Reject: Dead at once. A panic is an error. When
// ctx ended, an error means: again, uncounted; a shutdown is not a failure. In Dead itself there is no limit and no
// rejection: what is there stays until a handler is done with it.
type Handler func(ctx context.Context, m Message) error

// Bus carries messages. Several goroutines use it at once.
type Bus interface {
	// Send returns nil once the bus has the message for good. The caller keeps the body; it is copied. On an error the
	// message may or may not be there: whoever sends again must expect a duplicate.
	Send(ctx context.Context, to Mailbox, m Message) error
	// Receive hands messages to h until ctx ends, then waits for its handlers and returns nil, or an error when the bus is
	// lost for good. hold is how many messages it may hold at once, run how many handlers run in parallel. Each message
	// goes to one receiver.
	Receive(ctx context.Context, from Mailbox, hold, run int, h Handler) error
}

type rejection struct{ err error }

func (r rejection) Error() string { return r.err.Error() }
func (r rejection) Unwrap() error { return r.err }

// Reject makes an error that sends its message to Dead and never back.
func Reject(err error) error { return rejection{err} }

// Rejected says whether err was made by Reject.
func Rejected(err error) bool { return errors.As(err, new(rejection)) }
