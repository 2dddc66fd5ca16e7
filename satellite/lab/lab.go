// Package lab says whether a site kept its promises while everything around it was broken on purpose: which rounds were started
// and have no verdict, which BMC saw two sessions at once, how long a takeover and a recovery took.
//
// What it judges is a History, made by its own tests (make lab): they run satellites as processes, with a real RabbitMQ, a real
// Kafka and a simulated fleet, and break them by a Plan. The judging is pure, so that it can be tried with histories that
// broke each promise.
package lab

import (
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// What is promised.
const (
	// TakeoverLimit is for what a satellite had to do until another goes on with it.
	TakeoverLimit = 10 * time.Second
	// RecoveryLimit is for verdicts to flow again after a fault was lifted.
	RecoveryLimit = 15 * time.Second
	// quiet is how far away a fault must be from what no fault disturbed.
	quiet = 15 * time.Second
)

// Task is a message to an own mailbox, as the broker passed it on.
type Task struct {
	At        time.Time // when the lab saw it
	Satellite string    // whose mailbox
	Round     checks.Round
	Check     checks.Name
	First     bool // it has no results yet
}

// Judged is a verdict as Kafka has it, duplicates too.
type Judged struct {
	At        time.Time // when the lab saw it
	Round     checks.Round
	Satellite string
	Health    checks.Health
	Reason    checks.Reason
	Rounds    string // how many rounds it stands for, as Kafka's header says
}

// Injected is a fault that was injected. A fault without duration, such as a kill of connections, has To right after From.
type Injected struct {
	Fault
	Satellite string    // the satellite that it hit, if any
	From, To  time.Time // To: when it was lifted
}

// near says whether a fault lasted within d of the time from to.
func (f Injected) near(from, to time.Time, d time.Duration) bool {
	return f.From.Before(to.Add(d)) && f.To.After(from.Add(-d))
}

// History is all that the lab saw of a run, from the broker, Kafka and the BMCs; nothing of it is what satellites say of themselves.
type History struct {
	Fleet    []inventory.BMC
	Interval time.Duration
	Began    time.Time // all was up and nothing broken
	Ended    time.Time // the last that was due counts
	Faults   []Injected
	Tasks    []Task
	Verdicts []Judged
	// Skipped are rounds that a satellite said it did not start.
	Skipped map[checks.Round]bool
	Events  []bmcsim.Event
	// Missed are events that found no room in the fleet's log.
	Missed int
	// Open are the sessions open at the end, after the time in which they run out.
	Open int64
}

// started is the first task of each round.
func (h History) started() map[checks.Round]Task {
	first := make(map[checks.Round]Task, len(h.Tasks)/3)
	for _, t := range h.Tasks {
		if known, ok := first[t.Round]; t.First && (!ok || t.At.Before(known.At)) {
			first[t.Round] = t
		}
	}
	return first
}

// verdicts is the first verdict of each round.
func (h History) verdicts() map[checks.Round]Judged {
	first := make(map[checks.Round]Judged, len(h.Verdicts))
	for _, v := range h.Verdicts {
		if known, ok := first[v.Round]; !ok || v.At.Before(known.At) {
			first[v.Round] = v
		}
	}
	return first
}

// disturbed says whether a fault that pred wants lasted within d of the time from to.
func (h History) disturbed(from, to time.Time, d time.Duration, pred func(Injected) bool) bool {
	for _, f := range h.Faults {
		if f.near(from, to, d) && pred(f) {
			return true
		}
	}
	return false
}

func anyFault(Injected) bool { return true }

func hitsBroker(f Injected) bool { return f.Kind.broker() }
