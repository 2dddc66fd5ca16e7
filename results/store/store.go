// Package store says how the role results keeps what it believes: states, changes, history, facts, acknowledgements, and how far
// it has read. store/sqlite keeps it; store/storetest is the suite that every store passes.
//
// follow puts verdicts and what follows from them, all that belongs together at once; the API reads. Nothing here decides what
// is believed: results does.
package store

import (
	"context"
	"errors"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// ErrFull means that the disk has no room. Nothing of what was put is there; it can be put again when there is room.
var ErrFull = errors.New("the disk is full")

// ErrNone means that the store has no such thing.
var ErrNone = errors.New("not found")

// Store keeps what results believes. All methods may be called at the same time.
type Store interface {
	Following
	History
	Incidents
	Acks
	// Forget removes what is older than keep says, a little at a time, so that Put is not held up for long.
	Forget(ctx context.Context, keep Keep, now time.Time) (Forgotten, error)
	// Size is how many bytes the store takes on the disk.
	Size() (int64, error)
	Close() error
}

// Following is what the Follower needs.
type Following interface {
	// Put keeps all of a batch, or nothing of it: an error says that nothing was kept. It returns once the batch is on the disk.
	// It gives the batch a version: one more than the last batch's.
	//
	// A verdict, change or state that is there already changes nothing: a batch may be put twice.
	Put(ctx context.Context, b Batch) (version uint64, err error)
	// States gives every BMC, with the version of the batch that its state came with, and ends at the first error of see.
	States(ctx context.Context, see func(Known) error) error
	// Positions are where reading goes on.
	Positions(ctx context.Context) (Positions, error)
	// Version is the newest batch's; epoch changes when the store begins anew, and versions with it.
	Version(ctx context.Context) (epoch string, version uint64, err error)
	// Outbox gives the oldest records that were not sent yet, at most so many, in the order that they were put.
	Outbox(ctx context.Context, most int) ([]Letter, error)
	// Sent forgets the letters of the outbox up to one, it too.
	Sent(ctx context.Context, last int64) error
	// Drop forgets letters of the outbox one by one.
	Drop(ctx context.Context, numbers []int64) error
}

// History is what was.
type History interface {
	// Spans are the runs of equal verdicts that touch a time, in order. A span within another one is what came late.
	Spans(ctx context.Context, bmc inventory.ID, from, to time.Time) ([]Span, error)
	// Verdict is the whole verdict of a round, or ErrNone: the newest one of each BMC is kept, and each that was not healthy.
	Verdict(ctx context.Context, round checks.Round) (results.Verdict, error)
	// Newest is the BMC's newest verdict, whole, or ErrNone.
	Newest(ctx context.Context, bmc inventory.ID) (results.Verdict, error)
	// Verdicts gives a BMC's whole verdicts due in a time, newest first, and ends when see says so.
	Verdicts(ctx context.Context, bmc inventory.ID, from, to time.Time, see func(results.Verdict) (more bool)) error
	// Changes gives changes, newest first or oldest first, and ends when see says so.
	Changes(ctx context.Context, which Which, see func(Kept) (more bool)) error
	// Facts are what is known of a BMC.
	Facts(ctx context.Context, bmc inventory.ID) ([]results.Fact, error)
}

// Incidents are what changes look like together, who is in them, what keeps them quiet, and what desks have of them. Put keeps
// them: of two documents of one ID the one of the higher Seq stays.
type Incidents interface {
	// Incident is one of them, or ErrNone.
	Incident(ctx context.Context, id string) (results.Incident, error)
	// Incidents gives them newest first, by when they were first kept, and ends when see says so.
	Incidents(ctx context.Context, which WhichIncidents, see func(KeptIncident) (more bool)) error
	// Members are all that are in an incident or were, by BMC.
	Members(ctx context.Context, id string) ([]results.Member, error)
	// Silences are all that are kept, by ID.
	Silences(ctx context.Context) ([]results.Silence, error)
	// Tickets are what desks have of an incident, by desk; "": of all that are kept. One that is closed may not be told so yet, or be opened again.
	Tickets(ctx context.Context, incident string) ([]results.Ticket, error)
}

// Acks are acknowledgements: somebody knows, and says so.
type Acks interface {
	// Ack keeps acknowledgements, all or none; one of the same BMC takes its place.
	Ack(ctx context.Context, all ...Ack) error
	// Unack forgets one, and says whether there was one.
	Unack(ctx context.Context, bmc inventory.ID) (bool, error)
	// Acked are those that hold, by BMC.
	Acked(ctx context.Context) (map[inventory.ID]Ack, error)
}
