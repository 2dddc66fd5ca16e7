// Package amqp is the bus between satellites: mailboxes are quorum queues of a RabbitMQ broker, 3.10 or later. It is the only
// importer of amqp091-go and hides what that library and the broker leave to their users: connections end, and what was
// read on an old one can no longer be acknowledged; a confirm does not mean that a queue has the message; a blocked broker
// lets a write hang. docs/decisions/020 says what was measured and decided.
package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"lamplighter/satellite/bus"
)

// ErrMismatch is in the error of a queue or exchange that exists with other properties than it should have: no new
// connection heals that, a person must delete or rename it.
var ErrMismatch = errors.New("the broker has it with other properties")

// ErrUnroutable is in the error of a message for which the broker had no queue. Unless it went to a reply mailbox, that is an
// alarm: a copy is kept in Unroutable, and the next message to that mailbox declares it anew.
var ErrUnroutable = bus.ErrUnroutable

// errOver is why a Send fails after Run.
var errOver = errors.New("the bus has ended")

// errLost is why there is no connection where nobody knows more.
var errLost = errors.New("it was lost")

// limits bound everything that waits for the broker, so that no goroutine waits over 35 s: sending and one request.
type limits struct {
	send    time.Duration // for a connection, a broker that is not blocked, and the confirm
	request time.Duration // for the answer to one declaration
	write   time.Duration // for the socket to take bytes
	blocked time.Duration // before a blocked connection is given up
}

var usual = limits{send: 25 * time.Second, request: 10 * time.Second, write: 5 * time.Second, blocked: 30 * time.Second}

// Bus is a bus over a broker. Run must run for Send to work; Receive has connections of its own.
type Bus struct {
	config     Config
	log        *slog.Logger
	limits     limits
	sending    role
	backoff    func(attempt int) time.Duration
	epochs     atomic.Uint64
	outage     *outage
	unroutable atomic.Uint64
	over       chan struct{} // closed when Run returned

	mu      sync.Mutex // guards what follows
	sender  *publisher // nil: no connection
	changed chan struct{}
	state   State
}

var (
	_ bus.Bus = (*Bus)(nil)
	_ bus.Air = (*Bus)(nil)
	_ bus.Log = (*Bus)(nil)
)

// New makes a bus; nothing is connected until Run and Receive.
func New(config Config) (*Bus, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	return &Bus{
		config: config, log: config.Log, outage: newOutage(config.Log), limits: usual, sending: sending, backoff: fullJitter,
		over: make(chan struct{}), changed: make(chan struct{}), state: State{Since: time.Now(), Err: errors.New("not yet connected")},
	}, nil
}

// State says how the connection that sends is doing.
type State struct {
	Connected  bool
	Blocked    bool      // the broker takes no messages: an alarm of memory or disk
	Since      time.Time // when it became so
	Err        error     // why it is not connected
	Unroutable uint64    // messages for which the broker had no queue, since the start: each is an alarm
}

// State is what health checks and metrics ask.
func (b *Bus) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state
	s.Blocked = b.sender != nil && b.sender.blocked()
	s.Unroutable = b.unroutable.Load()
	return s
}

// Run keeps the connection that Send uses until ctx ends, which must be after the last Send. It is called once. It returns nil
// then, or at once what no new connection heals: ErrMismatch.
func (b *Bus) Run(ctx context.Context) error {
	defer close(b.over)
	return b.keep(ctx, b.sending, func(ctx context.Context, g *generation) error {
		p, err := b.openPublisher(ctx, g)
		if err != nil {
			return err
		}
		g.line.works(g)
		b.offer(p, nil)
		err = p.watch(ctx)
		b.offer(nil, err)
		return err
	})
}

// offer gives waiting Sends a publisher, or takes it from them because of err.
func (b *Bus) offer(p *publisher, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sender = p
	b.state = State{Connected: p != nil, Since: time.Now(), Err: err}
	close(b.changed)
	b.changed = make(chan struct{})
}

// publisher waits for a connection.
func (b *Bus) publisher(ctx context.Context) (*publisher, error) {
	for {
		b.mu.Lock()
		p, changed := b.sender, b.changed
		b.mu.Unlock()
		if p != nil && !p.isGone() {
			return p, nil
		}
		select {
		case <-changed:
		case <-b.over:
			return nil, errOver
		case <-ctx.Done():
			state := b.State()
			return nil, fmt.Errorf("%w: no connection since %s: %w", context.Cause(ctx), state.Since.Format(time.TimeOnly), cmp.Or(state.Err, errLost))
		}
	}
}

// Send returns nil once a queue has the message on disk: routed, and confirmed by the broker.
func (b *Bus) Send(ctx context.Context, to bus.Mailbox, m bus.Message) error {
	if err := errors.Join(bus.Check(to, m), checkNames(to, m.ID), checkNames(cmp.Or(m.Spill, to), "")); err != nil {
		return err
	}
	letter := publishing(m)
	if to == bus.Dead && m.Why != "" {
		letter.Headers = amqp091.Table{why: bus.Why(errors.New(m.Why))}
	}
	if err := b.send(ctx, routeTo(to, m.Spill), letter); err != nil {
		return fmt.Errorf("send %s to %s on %s: %w", m.ID, to, b.config.brokers(), err)
	}
	return nil
}

// checkNames refuses what does not fit into the short strings of AMQP (section 4.2.5.3): the library would end the connection.
func checkNames(box bus.Mailbox, id string) error {
	if box == "" || len(box) > 200 || len(id) > 255 {
		return fmt.Errorf("mailbox %.20q of %d bytes, message ID of %d: want 1 to 200, at most 255", box, len(box), len(id))
	}
	return nil
}

// Depth says how many messages wait in a mailbox that exists, without those that receivers hold.
func (b *Bus) Depth(ctx context.Context, box bus.Mailbox) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, b.limits.send)
	defer cancel()
	p, err := b.publisher(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask for the depth of %s: %w", box, err)
	}
	q, err := b.inspect(p.generation, box)
	return q.Messages, err
}
