package amqp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// role is what a connection is for. Consumers have a short heartbeat: with 10 s a frozen satellite kept its tasks for 28 s.
type role struct {
	name      string
	heartbeat time.Duration
}

var (
	sending   = role{"sends", 10 * time.Second}
	receiving = role{"receives", 3 * time.Second}
)

const (
	dialTime      = 5 * time.Second
	handshakeTime = 10 * time.Second
	closeTime     = 2 * time.Second
	healthy       = 10 * time.Second // after which an end of a connection counts as the first
)

// generation is one connection and the channels on it. When any of it ends all of it ends, nothing of it is revived, and
// what was delivered on it can be acknowledged on it alone: a delivery's tag means another message on the next.
type generation struct {
	line   *line
	epoch  uint64
	broker string
	conn   *amqp091.Connection
	socket net.Conn
}

// keep has use work on one generation after the other until ctx ends, for which it returns nil, or until no further
// generation would help. The context of use ends with its generation.
func (b *Bus) keep(ctx context.Context, r role, use func(context.Context, *generation) error) error {
	l := &line{outage: b.outage, role: r}
	defer l.end()
	for attempt := 0; ; attempt++ {
		began := time.Now()
		reached, err := b.once(ctx, l, use)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrMismatch) {
			return err
		}
		if time.Since(began) > healthy {
			attempt = 0
		}
		wait := b.backoff(attempt)
		l.lost(err, wait)
		if b.outage.rest(ctx, wait, reached) != nil {
			return nil
		}
	}
}

// once is one generation; reached says that there was one.
func (b *Bus) once(ctx context.Context, l *line, use func(context.Context, *generation) error) (reached bool, err error) {
	g, err := b.dial(ctx, l)
	if err != nil {
		b.failed(l.role, err)
		return false, err
	}
	defer g.close()
	l.made()
	ctx, end := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer end(nil)
	closed := g.conn.NotifyClose(make(chan *amqp091.Error, 1))
	watcher.Go(func() {
		select {
		case reason := <-closed:
			end(g.lost(reason))
		case <-ctx.Done():
		}
	})
	err = use(ctx, g)
	b.failed(l.role, err)
	return true, err
}

// failed keeps why there is no connection to send on.
func (b *Bus) failed(r role, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.name == sending.name && b.sender == nil {
		b.state.Err = err
	}
}

func (g *generation) lost(reason *amqp091.Error) error {
	if reason == nil {
		return fmt.Errorf("connection to %s is closed", g.broker)
	}
	return fmt.Errorf("connection to %s is lost: %w", g.broker, reason)
}

// fullJitter waits up to 0.25 s, then up to half as much again each time, up to 30 s: what lost its broker together does not come
// back together. With doubling, the wait that outlasts an outage is up to twice as long as the outage was; so it is as long.
func fullJitter(attempt int) time.Duration {
	most := 250 * time.Millisecond
	for range min(attempt, 12) {
		most += most / 2
	}
	return rand.N(min(most, 30*time.Second))
}

// dial opens the next generation; the nodes take turns.
func (b *Bus) dial(ctx context.Context, l *line) (*generation, error) {
	epoch := b.epochs.Add(1)
	g := &generation{line: l, epoch: epoch, broker: b.config.URLs[int(epoch)%len(b.config.URLs)]}
	giveUp := func() bool { return true }
	defer func() { giveUp() }()
	conn, err := amqp091.DialConfig(g.broker, b.config.connection(l.role, func(network, addr string) (net.Conn, error) {
		socket, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		g.socket = impatient{socket, b.limits.write}
		giveUp = context.AfterFunc(ctx, g.cut)
		return g.socket, socket.SetDeadline(time.Now().Add(handshakeTime)) // the library lifts it after the handshake
	}))
	if err != nil {
		g.cut() // the library leaves it open, and a goroutine reading it
		return nil, fmt.Errorf("connect to %s: %w", g.broker, err)
	}
	g.conn = conn
	return g, nil
}

// cut ends a generation at once, whatever it is doing.
func (g *generation) cut() {
	if g.socket != nil {
		_ = g.socket.Close()
	}
}

// close ends a generation in peace, or by force after a while.
func (g *generation) close() {
	defer time.AfterFunc(closeTime, g.cut).Stop()
	_ = g.conn.CloseDeadline(time.Now().Add(closeTime)) // it may be closed, and that is all we want
	g.cut()
}

// within ends the generation when request, one exchange of words with the broker, takes too long. The library knows no
// other way to end one.
func (g *generation) within(d time.Duration, request func() error) error {
	defer time.AfterFunc(d, g.cut).Stop()
	return request()
}

// impatient is a socket that fails instead of hanging when the broker does not read. Measured: under a memory alarm a
// write hung for 15 s although its context had ended after 2 s (amqp091-go#111, #178).
type impatient struct {
	net.Conn
	limit time.Duration
}

func (s impatient) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.limit)); err != nil {
		return 0, err
	}
	return s.Conn.Write(p)
}

// pause waits; an error when ctx ended first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
