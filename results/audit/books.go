// Package audit proves that no round disappears: a satellite keeps Books of the rounds that it started, judged and skipped, and
// an auditor's Ledger compares the rounds that the schedule asks for with those whose verdicts are on Kafka, and names the rest.
//
// Sets are compared, not counters, which die with their process. It knows the schedule by checks.Due and imports no Kafka:
// Books write spool's records to whatever takes them; the satellite's command audit reads Kafka into the Ledger.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/spool"
)

const (
	// mostWaiting bounds the records that wait to be written.
	mostWaiting = 1 << 16
	// writers is how many are written at once: each waits for Kafka or the disk.
	writers = 64
	// lastWords is how long a stop waits until they are written.
	lastWords = 5 * time.Second
)

// Config says whose books these are.
type Config struct {
	Site, Satellite string
	Version         string // of the program; "": it is not said
	// Write returns once the record is durable: (*kafka.Sink).Record.
	Write func(context.Context, spool.Record) error
	Log   *slog.Logger // nil: nothing is logged
}

// Books are what a satellite writes down for the auditor. Started, Judged and Skipped return at once and are safe for
// concurrent use; what they say is written by Run, and is lost with a kill: then the auditor knows less of where a round was
// lost, but not less of which.
type Books struct {
	config Config
	wake   chan struct{}

	mu      sync.Mutex // guards the following
	tallies *tallies
	waiting []spool.Record
	dropped int
}

// NewBooks opens the books of a process that begins now.
func NewBooks(c Config) *Books {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Books{config: c, wake: make(chan struct{}, 1), tallies: newTallies(time.Now())}
}

// Started says that the bus has the first task of a round.
func (b *Books) Started(round checks.Round) { b.add(results.Started, round) }

// Judged says that the sink has the verdict of a round.
func (b *Books) Judged(round checks.Round) { b.add(results.Judged, round) }

func (b *Books) add(tier results.Tier, round checks.Round) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tallies.add(tier, round)
}

// Skipped says that a routine round is not started, and why, in a word.
func (b *Books) Skipped(round checks.Round, why string) {
	skip := results.Skip{
		Schema: results.SkipSchema, Site: b.config.Site, Satellite: b.config.Satellite,
		BMC: round.BMC, Round: round, Why: why, At: time.Now().UTC().Truncate(time.Millisecond),
	}
	b.put(spool.OfSkip(skip))
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Books) put(r spool.Record, err error) {
	if err != nil {
		b.config.Log.Error("a record for the audit", "error", err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) >= mostWaiting {
		b.dropped++
		return
	}
	b.waiting = append(b.waiting, r)
}

// Run writes until ctx ends, then writes what there is, in the time of lastWords, and returns nil.
func (b *Books) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
			defer cancel()
			b.count(time.Now().Add(lag + time.Minute))
			b.write(late)
			return nil
		case now := <-tick.C:
			b.count(now)
		case <-b.wake:
		}
		b.write(ctx)
	}
}

// count puts the tallies of now among what waits to be written.
func (b *Books) count(now time.Time) {
	b.mu.Lock()
	all := b.tallies.close(now)
	b.mu.Unlock()
	for _, tally := range all {
		tally.Site, tally.Satellite, tally.Version, tally.At = b.config.Site, b.config.Satellite, b.config.Version, time.Now().UTC().Truncate(time.Millisecond)
		b.put(spool.OfTally(tally))
	}
}

// write writes what waits. What fails is tried again when there is more.
func (b *Books) write(ctx context.Context) {
	b.mu.Lock()
	all, dropped := b.waiting, b.dropped
	b.waiting, b.dropped = nil, 0
	b.mu.Unlock()
	if dropped > 0 {
		b.config.Log.Error("too many records for the audit waited: some are lost", "lost", dropped)
	}
	var group errgroup.Group
	group.SetLimit(writers)
	for _, r := range all {
		group.Go(func() error {
			if err := b.config.Write(ctx, r); err != nil {
				b.put(r, nil)
				return fmt.Errorf("write %s: %w", r.ID, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.config.Log.Warn("a record for the audit waits", "error", err)
	}
}
