package ticket

import (
	"maps"
	"time"
)

// Brake lets a desk have so many new tickets in a time, and no more. A Brake without Most lets all through.
type Brake struct {
	Most   int
	Within time.Duration

	opened map[string]time.Time // by incident
}

// Allow says whether an incident may have a new ticket now, and counts it then. Whoever was let through is let through again.
func (b *Brake) Allow(incident string, now time.Time) bool {
	maps.DeleteFunc(b.opened, func(_ string, at time.Time) bool { return now.Sub(at) >= b.Within })
	if _, again := b.opened[incident]; b.Most > 0 && len(b.opened) >= b.Most && !again {
		return false
	}
	b.Count(incident, now)
	return true
}

// Count notes a ticket that was opened at a time.
func (b *Brake) Count(incident string, at time.Time) {
	if b.Most == 0 {
		return
	}
	if b.opened == nil {
		b.opened = map[string]time.Time{}
	}
	b.opened[incident] = at
}
