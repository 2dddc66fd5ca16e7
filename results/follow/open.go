package follow

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/incident"
	"lamplighter/results/store"
)

// Follower follows verdicts. Open makes it, Run runs it.
type Follower struct {
	config Config
	log    *slog.Logger
	live   *Live
	in     chan arrival
	post   chan struct{} // holds a token when the outbox has something new
	// begun is where to read from, set before Run reads.
	begun   store.Positions
	version uint64
	// flying is the batch that is being kept; only the goroutine that takes arrivals in uses it.
	flying *flight
	// kept is when a BMC's facts were written last; only the goroutine that takes arrivals in uses it.
	kept map[inventory.ID]time.Time
	// engine decides about incidents; only the goroutine that takes arrivals in uses it, as decided, when it did last.
	engine  *incident.Engine
	decided time.Time
	acts    chan act
	desk    desk

	verdicts, changes, late, known, waiting atomic.Uint64
	full                                    atomic.Bool
	mu                                      sync.Mutex
	refused                                 map[results.Fault]uint64
	listening                               time.Time
}

// Open loads what the store has. It does not need Kafka.
func Open(ctx context.Context, c Config) (*Follower, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Keep == (store.Keep{}) {
		c.Keep = store.DefaultKeep
	}
	if c.Incidents.Interval == 0 {
		c.Incidents = incident.Defaults(c.Interval)
	}
	c.Facts, c.Batch, c.Wait = cmp.Or(c.Facts, 7*24*time.Hour), cmp.Or(c.Batch, 1000), cmp.Or(c.Wait, 50*time.Millisecond)
	f := &Follower{
		config: c, log: c.Log, live: newLive(), in: make(chan arrival, c.Batch), post: make(chan struct{}, 1),
		kept: map[inventory.ID]time.Time{}, refused: map[results.Fault]uint64{}, acts: make(chan act),
	}
	return f, f.load(ctx)
}

func (f *Follower) load(ctx context.Context) error {
	epoch, version, err := f.config.Store.Version(ctx)
	if err != nil {
		return err
	}
	if f.begun, err = f.config.Store.Positions(ctx); err != nil {
		return err
	}
	var all []*BMC
	err = f.config.Store.States(ctx, func(k store.Known) error {
		all = append(all, &BMC{State: k.State, Facts: k.Facts, Version: k.Version})
		f.kept[k.State.BMC] = newestOf(k.Facts)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load what is believed: %w", err)
	}
	f.version = version
	f.live.begin(epoch, version, all)
	return f.loadIncidents(ctx)
}

// newestOf is when a fact was confirmed last.
func newestOf(facts []results.Fact) (at time.Time) {
	for _, fact := range facts {
		if fact.At.After(at) {
			at = fact.At
		}
	}
	return at
}

// Stats says how things are.
func (f *Follower) Stats() Stats {
	s := Stats{
		Verdicts: f.verdicts.Load(), Changes: f.changes.Load(), Late: f.late.Load(), Known: f.known.Load(),
		Refused: map[results.Fault]uint64{}, Full: f.full.Load(), Waiting: int(f.waiting.Load()),
	}
	_, s.Version = f.live.Version()
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Listening = f.listening
	for fault, n := range f.refused {
		s.Refused[fault] = n
	}
	return s
}

// hear says since when verdicts are heard as they come; the zero time: not now.
func (f *Follower) hear(since time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if since.IsZero() || f.listening.IsZero() {
		f.listening = since
	}
}

func (f *Follower) heard() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listening
}
