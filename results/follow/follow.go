// Package follow turns the stream of verdicts into what operators believe: it reads verdicts, from Kafka or from this process,
// applies them, keeps what follows in a store, tells those who subscribed, and sends states and changes to Kafka.
//
// The role results runs a Follower, and so do all and demo; the API reads its Live and its store. What is believed is decided in
// package results.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/incident"
	"lamplighter/results/kafka"
	"lamplighter/results/store"
)

// Config says what a Follower follows. Store and Interval are needed.
type Config struct {
	// Name is this process's, as the source of what it sends.
	Name  string
	Store store.Store
	// Interval is how often a BMC is asked.
	Interval time.Duration
	// Kafka is where states and changes go; nil: nowhere, then Emit is where verdicts come from.
	Kafka *kafka.Config
	// Read says that verdicts are read from Kafka, too.
	Read bool
	// Knows says whether the inventory has a BMC; nil: any BMC is taken in.
	Knows func(inventory.ID) bool
	// Record is what the inventory has of a BMC; nil, or nil of a BMC: it is not known.
	Record func(inventory.ID) *inventory.BMC
	// Seen, if set, is told of each verdict that is taken in, how many rounds it stands for, what is known of its BMC with it, and
	// whether the round was new. It may be called concurrently, and must neither wait nor change anything.
	Seen func(v *results.Verdict, rounds int, facts []results.Fact, isNew bool)
	// Incidents are the numbers of the rule by which changes become incidents; the zero Settings are incident.Defaults.
	Incidents incident.Settings
	// Keep is for how long what happened is kept; the zero Keep is store.DefaultKeep.
	Keep store.Keep
	// Facts is for how long a fact is good that no check confirms; 0: 7 days.
	Facts time.Duration
	Log   *slog.Logger // nil: nothing is logged
	// Batch is how many verdicts are kept at once, Wait how long the first of them waits for others; 0: 1,000 and 200 ms.
	Batch int
	Wait  time.Duration
}

// Validate says what cannot be.
func (c Config) Validate() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(c.Store != nil, "follow: a store is needed")
	require(c.Interval > 0, "follow: interval %v: want how often a BMC is asked", c.Interval)
	require(!c.Read || c.Kafka != nil, "follow: without Kafka there are no verdicts to read from it")
	return errors.Join(errs...)
}

var _ results.Sink = (*Follower)(nil)

// Live is the newest state of every BMC.
func (f *Follower) Live() *Live { return f.live }

// Stats are a Follower's numbers, for metrics.
type Stats struct {
	// Verdicts is how many were taken in, Changes how many changes that made.
	Verdicts, Changes uint64
	// Late were no news by themselves, Known were applied before; both are in Verdicts.
	Late, Known uint64
	// Refused is how many were not taken in, by fault.
	Refused map[results.Fault]uint64
	// Listening is since when verdicts have been heard as they come; zero: Kafka is away, or there is a backlog.
	Listening time.Time
	// Full says that the disk is full: nothing is taken in until there is room.
	Full bool
	// Waiting is how many records were not sent to Kafka at the last look, at most a window.
	Waiting int
	// Version is the newest batch's.
	Version uint64
}

// Emit takes in a verdict of this process. It returns once v is kept, and waits while the disk is full. Run has to run.
func (f *Follower) Emit(ctx context.Context, v results.Verdict) error {
	return f.hand(ctx, arrival{verdict: v, rounds: 1, at: time.Now(), kept: make(chan error, 1)})
}
