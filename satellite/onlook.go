package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/kafka"
	"lamplighter/results/pace"
	"lamplighter/results/spool"
)

// onlooker sees what passes by on its way to the beliefs: how the rounds go, and which are missing.
type onlooker struct {
	pace  *pace.Pace
	watch *audit.Watch
}

// newOnlooker has nothing missed by who does not know listed, which says which BMCs there should be.
func newOnlooker(interval, settle time.Duration, listed func() []inventory.BMC, listening func() time.Time, log *slog.Logger) *onlooker {
	return &onlooker{pace.New(time.Now()), audit.NewWatch(audit.WatchConfig{Interval: interval, Settle: settle, Fleet: listed, Listening: listening, Log: log})}
}

// seen is told of each verdict: follow.Config.Seen.
func (o *onlooker) seen(v *results.Verdict, rounds int, facts []results.Fact, isNew bool) {
	if isNew {
		o.pace.See(v, facts, time.Now())
	}
	o.watch.Verdict(v.Site, v.Satellite, v.Round, rounds)
}

// books are what a satellite writes down for an auditor.
type books interface {
	Started(checks.Round)
	Judged(checks.Round)
	Skipped(round checks.Round, why string)
	Run(context.Context) error
}

// openBooks are those of a satellite whose verdicts go to Kafka, or which has beliefs of its own; nil where nobody would read them. One
// that has no Kafka may go round several sites: each has books of its own then.
func (d *daemon) openBooks() books {
	config := audit.Config{Site: d.config.Site, Satellite: d.config.Satellite, Version: version, Log: d.log}
	watch := func(context.Context, spool.Record) error { return nil }
	if d.beliefs != nil {
		watch = d.beliefs.look.watch.Write
	}
	if d.sinks.kafka != nil {
		config.Write = func(ctx context.Context, r spool.Record) error {
			if err := d.sinks.kafka.Record(ctx, r); err != nil {
				return err
			}
			return watch(ctx, r)
		}
		return audit.NewBooks(config)
	}
	if d.beliefs == nil {
		return nil
	}
	config.Write = watch
	return newShelf(config, d.fleet)
}

// shelf is the books of several sites: the fleet, which may change, says of which one a BMC is.
type shelf struct {
	config audit.Config
	fleet  *inventory.Fleet

	mu     sync.Mutex
	sites  map[string]*audit.Books
	of     map[inventory.ID]*audit.Books // where its rounds were begun, so that they end there, whatever the fleet says then
	closed []*audit.Books                // those that Run does not write yet
	opened chan struct{}                 // holds a token when there is one more of these
}

func newShelf(c audit.Config, fleet *inventory.Fleet) *shelf {
	return &shelf{config: c, fleet: fleet, sites: map[string]*audit.Books{}, of: map[inventory.ID]*audit.Books{}, opened: make(chan struct{}, 1)}
}

func (s *shelf) Started(round checks.Round) { s.at(round, true).Started(round) }

func (s *shelf) Judged(round checks.Round) { s.at(round, false).Judged(round) }

func (s *shelf) Skipped(round checks.Round, why string) { s.at(round, false).Skipped(round, why) }

// at is the books that a round is written in. A BMC that the fleet does not have any more, and never had a round, is of no site.
func (s *shelf) at(round checks.Round, begins bool) *audit.Books {
	bmc := s.fleet.Look(round.BMC)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.of[round.BMC]; b != nil && (!begins || bmc == nil) {
		return b
	}
	site := ""
	if bmc != nil {
		site = bmc.Site
	}
	b := s.sites[site]
	if b == nil {
		c := s.config
		c.Site = site
		b = audit.NewBooks(c)
		s.sites[site], s.closed = b, append(s.closed, b)
		select {
		case s.opened <- struct{}{}:
		default:
		}
	}
	s.of[round.BMC] = b
	return b
}

// Run writes until ctx ends.
func (s *shelf) Run(ctx context.Context) error {
	var group errgroup.Group
	for {
		s.mu.Lock()
		for _, b := range s.closed {
			group.Go(func() error { return b.Run(ctx) })
		}
		s.closed = nil
		s.mu.Unlock()
		select {
		case <-s.opened:
		case <-ctx.Done():
			return group.Wait()
		}
	}
}

// kept has a sink say that verdicts are there.
func kept(sink results.Sink, b books) results.Sink {
	return results.Func(func(ctx context.Context, v results.Verdict) error {
		err := sink.Emit(ctx, v)
		if err == nil {
			b.Judged(v.Round)
		}
		return err
	})
}

// auditKinds are the records of bmc.audit.v1 that an auditor needs.
var auditKinds = map[string]spool.Kind{kafka.SkipType: spool.Skip, kafka.TallyType: spool.Tally}

// auditAgain is how long reading them waits after an error.
const auditAgain = 10 * time.Second

// readAudit tells the watch what satellites write down for it, until ctx ends. A cluster without the topic is asked again.
func (b *believer) readAudit(ctx context.Context) error {
	for back := actsBack; ctx.Err() == nil; back = audit.LookBack {
		began := time.Now()
		err := kafka.Read(ctx, b.kafka, kafka.Reading{
			Topics: []string{kafka.AuditTopic}, From: began.Add(-back), Follow: func(time.Time) error { return nil },
			See: func(r kafka.Record) error { return b.seeAudit(r, began.Add(-audit.LookBack)) },
		})
		if ctx.Err() == nil {
			b.log.Warn("what satellites write down for the audit cannot be read", "error", err)
		}
		select {
		case <-time.After(auditAgain):
		case <-ctx.Done():
		}
	}
	return nil
}

// seeAudit takes a record in; what is for the audit only if it was sent after since.
func (b *believer) seeAudit(r kafka.Record, since time.Time) error {
	if r.Header("ce_type") == kafka.ActType {
		return b.seeAct(r)
	}
	kind, wanted := auditKinds[r.Header("ce_type")]
	site, _, ok := r.Source()
	if !wanted || !ok || r.At.Before(since) || b.config.Site != "" && site != b.config.Site {
		return nil
	}
	rounds, _ := strconv.ParseUint(r.Header("ce_rounds"), 10, 64)
	if err := b.beliefs.look.watch.Take(kind, r.Value, min(rounds, 1<<20)); err != nil {
		b.log.Debug("a record for the audit cannot be read", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
	}
	return nil
}

// actsBack is how far back is read when the role results starts: what people did while it was down is to be written down, too.
const actsBack = 24 * time.Hour

// seeAct writes down what a person did by the command line, once.
func (b *believer) seeAct(r kafka.Record) error {
	var act results.Act
	if err := json.Unmarshal(r.Value, &act); err != nil || act.Schema != results.ActSchema || act.ID == "" {
		b.log.Warn("a record of what a person did cannot be read", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		return nil
	}
	if b.config.Site == "" || act.Site == b.config.Site {
		b.beliefs.server.Said(act)
	}
	return nil
}
