// Package bus carries tasks between actors: RabbitMQ, or memory inside one process. Same contract, same tests (bustest).
package bus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Mailbox is the name of a queue of the bus.
type Mailbox string

// Dead is the mailbox of messages that were rejected or delivered too often.
const Dead Mailbox = "dead"

// Own is the mailbox of one satellite: of its tasks (name is the site's prefix) or its commands. What waits there unreceived for
// SpillAfter goes to Message.Spill.
func Own(name, satellite string) Mailbox { return Mailbox(name + "@" + satellite) }

// IsOwn says whether Own made the mailbox's name.
func (m Mailbox) IsOwn() bool { return strings.ContainsRune(string(m), '@') }

// Reply is a mailbox for the answers to one request. It exists while somebody receives from it; what is sent to it before or
// after is lost, and Send says so.
func Reply(id string) Mailbox { return Mailbox("reply." + id) }

// IsReply says whether Reply made the mailbox's name.
func (m Mailbox) IsReply() bool { return strings.HasPrefix(string(m), "reply.") }

// SpillAfter is how long a message in an own mailbox waits for its satellite.
const SpillAfter = 3 * time.Second

// DeliveryLimit is how often a message is delivered before it goes to Dead.
const DeliveryLimit = 20

// Message is what a mailbox holds.
type Message struct {
	ID   string
	Body []byte
	// Delivery is 1 on the first delivery.
	Delivery int
	// Spill is where a message in an own mailbox goes when nobody receives there for SpillAfter, counted from Send; one that a
	// receiver holds stays, and goes at once if its receiver is lost later than that. It must be set there, and nowhere else.
	Spill Mailbox
	// Why is set in Dead: the text of the error that the message was rejected with, or what the bus knows. At most MaxWhy bytes.
	Why string
}

// MaxWhy bounds Message.Why.
const MaxWhy = 4 << 10

// ErrUnroutable is in the error of a Send to a mailbox that there is not: a reply mailbox from which nobody receives, or another
// that was deleted just now.
var ErrUnroutable = errors.New("no mailbox takes it")

// Handler decides a message's fate by what it returns. nil: done. An error: again, after the bus held it back for a while,
// with Delivery one higher; up to DeliveryLimit, then Dead. An error made by Reject: Dead at once, with its text as Why. A
// panic is an error. When ctx ended, an error means: again, uncounted; a shutdown is not a failure.
// What failed in an own mailbox comes again in its Spill mailbox, where anybody may try; Delivery counts on.
// In Dead there is no limit and no rejection: what is there stays until a handler is done with it. In a reply mailbox there is
// no second time: what failed is dropped.
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

// Air carries what everybody of a site should hear just now: satellites' hellos.
type Air interface {
	// Tell returns once body was sent to all who hear, the teller too. Whoever has no connection just then misses it.
	Tell(ctx context.Context, body []byte) error
	// Hear hands over what is told, one after the other, each teller's in order, until ctx ends.
	Hear(ctx context.Context, h func(body []byte)) error
}

// Log is what a site writes down once and everybody reads in the same order.
type Log interface {
	// Append returns nil once the log has the record for good. On an error it may be there or not.
	Append(ctx context.Context, log string, record []byte) error
	// Follow hands over every record at position from or later that the log still keeps, then each new one as it comes, each once
	// and in order, until ctx ends (nil) or see fails (its error). Positions only grow.
	Follow(ctx context.Context, log string, from int64, see func(at int64, record []byte) error) error
}

type rejection struct{ err error }

func (r rejection) Error() string { return r.err.Error() }
func (r rejection) Unwrap() error { return r.err }

// Reject makes an error that sends its message to Dead and never back.
func Reject(err error) error { return rejection{err} }

// Rejected says whether err was made by Reject.
func Rejected(err error) bool { return errors.As(err, new(rejection)) }

// Listening returns once somebody receives from a reply mailbox, so that an answer will not be lost: it sends messages with the
// ID Probe until one has arrived there. Handlers of answers must skip those.
func Listening(ctx context.Context, b Bus, reply Mailbox) error {
	for {
		err := b.Send(ctx, reply, Message{ID: Probe})
		if !errors.Is(err, ErrUnroutable) {
			return err
		}
		if err := wait(ctx, nil, time.Now().Add(probeEvery)); err != nil {
			return fmt.Errorf("wait for a receiver of %s: %w", reply, err)
		}
	}
}

// Probe is the ID of a message that asks whether somebody receives.
const Probe = "probe"

const probeEvery = 20 * time.Millisecond

// Check refuses a message whose Spill does not fit to where it is sent.
func Check(to Mailbox, m Message) error {
	switch {
	case to == "":
		return fmt.Errorf("send %s: no mailbox", m.ID)
	case to.IsOwn() && (m.Spill == "" || m.Spill.IsOwn() || m.Spill.IsReply()):
		return fmt.Errorf("send %s to %s: it must spill to a shared mailbox, not to %q", m.ID, to, m.Spill)
	case !to.IsOwn() && m.Spill != "":
		return fmt.Errorf("send %s to %s: it may not spill, and not to %s", m.ID, to, m.Spill)
	}
	return nil
}

// Why is the text of err as Message.Why.
func Why(err error) string {
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) <= MaxWhy {
		return text
	}
	return strings.ToValidUTF8(text[:MaxWhy], "")
}

// TooOften is Message.Why of a message that failed up to DeliveryLimit, with the last error.
func TooOften(err error) string {
	return Why(fmt.Errorf("failed %d times, at last: %w", DeliveryLimit, err))
}
