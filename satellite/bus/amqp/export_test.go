package amqp

import (
	"time"

	"lamplighter/satellite/bus"
)

// Hasty makes a bus lose patience soon, for tests of what patience ends.
func Hasty(b *Bus) {
	b.limits = limits{send: 4 * time.Second, request: 2 * time.Second, write: time.Second, blocked: 4 * time.Second}
	b.sending.heartbeat = 2 * time.Second
}

// Eager makes a bus connect again at once.
func Eager(b *Bus) { b.backoff = func(int) time.Duration { return time.Millisecond } }

// FullJitter is how long a bus waits between connections.
var FullJitter = fullJitter

// Mailbox is what a mailbox's queue is called and bound to.
func Mailbox(name bus.Mailbox) (queue string, from []string) {
	q := mailbox(name)
	return q.name, q.bound
}
