package amqp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"
)

// sayAgain is how often it is said that connections are still away.
const sayAgain = time.Minute

// outage is what a bus's connections, a dozen for a satellite, have to say together: a line when the first is lost, and one when
// all are back. What each of them does is for debugging. It also tells those that wait to dial again that one got through.
type outage struct {
	log *slog.Logger

	mu    sync.Mutex // guards the following
	away  int        // connections that were lost and are not back
	since time.Time  // when the first of them was lost
	said  time.Time
	back  chan struct{} // closed when a connection was made
}

func newOutage(log *slog.Logger) *outage { return &outage{log: log, back: make(chan struct{})} }

// line is one connection and those that come after it. One goroutine uses it.
type line struct {
	*outage
	role    role
	broken  bool
	excused bool // once, since it last worked
}

// lost notes that the connection ended, or was not made, and will be tried again after wait.
func (l *line) lost(err error, wait time.Duration) {
	l.log.Debug("no connection to the broker", "for", l.role.name, "again_in", wait, "error", err)
	if unborn(err) && !l.excused {
		l.excused = true
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !l.broken {
		l.broken = true
		l.away++
	}
	switch {
	case l.since.IsZero():
		l.since = now
	case now.Sub(l.said) < sayAgain:
		return
	}
	l.said = now
	l.log.Warn("no connection to the broker", "for", l.role.name, "connections", l.away, "away", now.Sub(l.since).Round(time.Second), "error", err)
}

// works notes that the connection does what it is for.
func (l *line) works(g *generation) {
	l.log.Debug("connected to the broker", "for", l.role.name, "broker", g.broker, "generation", g.epoch)
	l.excused = false
	if away, over := l.end(); over {
		l.log.Info("connected to the broker again", "broker", g.broker, "away", away.Round(time.Millisecond))
	}
}

// end notes that the connection is there, or no longer wanted; over: it was the last that was away.
func (l *line) end() (away time.Duration, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.broken {
		return 0, false
	}
	l.broken = false
	if l.away--; l.away > 0 {
		return 0, false
	}
	away, l.since = time.Since(l.since), time.Time{}
	return away, true
}

// made notes that the broker answers.
func (o *outage) made() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.back)
	o.back = make(chan struct{})
}

// rest waits to try again. Whoever did not reach the broker waits no longer once another has: after an outage the longest of a
// dozen waits would otherwise be the one that counts. It fails when ctx ended.
func (o *outage) rest(ctx context.Context, wait time.Duration, reached bool) error {
	o.mu.Lock()
	back := o.back
	o.mu.Unlock()
	if reached {
		back = nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-back:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unborn says that a queue is declared and not yet ready to be consumed. RabbitMQ 3.10 says so, by ending the connection, when
// two satellites declare a stream at the same moment.
func unborn(err error) bool {
	var refused *amqp091.Error
	return errors.As(err, &refused) && refused.Code == amqp091.InternalError
}
