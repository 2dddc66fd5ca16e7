package store

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// Batch is what is kept at once: what was read, what follows from it, and how far that is.
type Batch struct {
	Verdicts []Stored
	// States are the newest of each BMC that has a new one.
	States  []results.State
	Changes []results.Change
	// Facts are all of a BMC's, for each BMC of which something new is known.
	Facts map[inventory.ID][]results.Fact
	// Positions are where reading goes on after the batch, for the partitions that it read.
	Positions Positions
	// Letters are to be sent. Where it is nil nothing is ever sent.
	Letters []Letter
	// Healed are BMCs whose acknowledgement ends.
	Healed []inventory.ID
	// Gone are BMCs that are no more. Their history stays until it is old.
	Gone []inventory.ID
	// Incidents, Silences and Tickets are the newest documents of those that changed, Members those of incidents that came, changed or left.
	Incidents []results.Incident
	Members   []results.Member
	Silences  []results.Silence
	Tickets   []results.Ticket
}

// Stored is a verdict with what it counts as.
type Stored struct {
	Verdict results.Verdict
	// Rounds is how many rounds the verdict stands for, at least 1.
	Rounds int
	// Doc is the verdict's JSON, where somebody has it already.
	Doc []byte
}

// Known is a BMC as the store knows it.
type Known struct {
	State results.State
	Facts []results.Fact
	// Version is of the batch that the state came with.
	Version uint64
}

// Partition is a part of a topic.
type Partition struct {
	Topic  string
	Number int32
}

// Positions are the offsets of the records to be read next.
type Positions map[Partition]int64

// Letter is a record on its way to Kafka.
type Letter struct {
	// Number orders letters; the store gives it.
	Number int64
	Topic  string
	// Key is what the record is about: a BMC.
	Key string
	// ID tells whether two records are the same.
	ID string
	// Value is the document. A letter without one carries the BMC's state as it is when the letter is taken from the outbox, so that
	// a backlog costs little; its ID is the state's, too.
	Value []byte
	// Position is where reading verdicts went on after the batch, in the partition that has the BMC's; -1 where none was read.
	Partition int32
	Position  int64
	At        time.Time
}

// Span is a run of equal verdicts of a BMC.
type Span struct {
	Since  time.Time     `json:"since"` // the first round's due
	Until  time.Time     `json:"until"` // the last round's
	Health checks.Health `json:"health"`
	Failed checks.Name   `json:"failed"`
	Reason checks.Reason `json:"reason"`
	// Rounds is how many rounds were counted. Rounds that came late into a span of equal ones were not.
	Rounds int `json:"rounds"`
	// Open says that it is the newest, and may go on.
	Open bool `json:"open"`
}

// Which says which changes.
type Which struct {
	// After is the cursor of the last change that was seen; 0: from the newest, or from the oldest.
	After int64
	// Forward: oldest first.
	Forward bool
	BMC     inventory.ID // "": all
	Kind    results.Kind // "": all
	From    time.Time    // zero: all
	To      time.Time    // zero: all; exclusive
}

// Kept is a change with its place in the order in which changes were kept.
type Kept struct {
	Cursor int64
	Change results.Change
}

// WhichIncidents says which incidents.
type WhichIncidents struct {
	// After is the cursor of the last one that was seen; 0: from the newest.
	After int64
	// Open: only those that are not closed, or were closed since then, if Closed is set.
	Open   bool
	Closed time.Time
	BMC    inventory.ID // it is in them, or was; "": all
	From   time.Time    // opened then or later; zero: all
	To     time.Time    // opened before; zero: all
}

// KeptIncident is an incident with its place in the order in which incidents were first kept.
type KeptIncident struct {
	Cursor   int64
	Incident results.Incident
}

// Ack says that somebody knows of a BMC's trouble.
type Ack struct {
	BMC  inventory.ID `json:"bmc"`
	Who  string       `json:"who"`
	Note string       `json:"note"`
	At   time.Time    `json:"at"`
	// Until is when it ends by itself; zero: when the BMC is healthy again.
	Until time.Time `json:"until,omitzero"`
}

// Keep says for how long what is kept. The zero Keep keeps everything.
type Keep struct {
	// History is for spans and the whole verdicts that were not healthy.
	History time.Duration
	// Repeats is for whole verdicts that say just what the one before them said, as those of a BMC that is dead for weeks. Their
	// span and the first of them stay.
	Repeats time.Duration
	// Changes is for changes, for incidents since they were closed, and for silences since they are over.
	Changes time.Duration
}

// DefaultKeep is kept where no setting says otherwise.
var DefaultKeep = Keep{History: 30 * 24 * time.Hour, Repeats: 2 * 24 * time.Hour, Changes: 90 * 24 * time.Hour}

// Forgotten is how much Forget removed.
type Forgotten struct{ Spans, Verdicts, Changes, Incidents, Silences int64 }
