// Package ticket keeps ticket desks in step with incidents: one ticket per incident, a comment when something changes, closed when
// it is over. What is to be done is decided by pure functions (Takes, Due, Decide, Brake); a Keeper asks them, and tells the desks.
//
// The roles tickets, all and demo run a Keeper; incidents come from Kafka or from this process.
package ticket

import (
	"context"

	"lamplighter/results"
)

// Desk is where people get tickets. A Keeper calls it, for different incidents several at a time, for one incident one call after the
// other, and calls again later after an error: a *Failure says when, and whether that makes sense.
type Desk interface {
	// Find looks for an incident's ticket, by the incident's ID and by what is known of it, and changes nothing. A desk that cannot be
	// asked says what is known.
	Find(ctx context.Context, known results.Ticket) (Found, error)
	// Tell does what m says. It returns once the desk has it for good, with the ticket as it is then. After an error the desk may have
	// it all the same: Find tells. Told twice, it makes no second ticket.
	Tell(ctx context.Context, m Message) (Found, error)
}

// Act is what is done at a desk.
type Act string

// The acts.
const (
	Nothing Act = "nothing"
	Open    Act = "open"
	Comment Act = "comment"
	Reopen  Act = "reopen"
	Close   Act = "close"
	// Merge closes a ticket that was opened twice.
	Merge Act = "merge"
)

// Acts are those that a desk can be told.
var Acts = []Act{Open, Comment, Reopen, Close, Merge}

// Found is what a desk has of an incident; the zero Found: nothing.
type Found struct {
	// Ref is the ticket as the desk's people call it, ID as its interface does; URL opens it.
	Ref, ID, URL string
	There        bool
	Open         bool
	// Final: the desk does not open it again.
	Final bool
	// Double is the known ticket, where this one is another, older and open: the incident has two, and the younger is ours to close.
	Double *Found
}

// Message is what a desk is told.
type Message struct {
	Act      Act
	Incident results.Incident
	// Title and Body say what, where, since when, why, whose job it is and what to do next. Comment says what changed; Open has none.
	Title, Body, Comment string
	// Link opens the incident; empty where nobody said where.
	Link string
	// Ticket is which, but for Open.
	Ticket Found
}

// found is what is known, for desks that cannot be asked.
func found(known results.Ticket) Found {
	return Found{Ref: known.Ref, URL: known.URL, There: !known.OpenedAt.IsZero(), Open: known.Open}
}
