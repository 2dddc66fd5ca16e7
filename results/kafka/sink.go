// Package kafka is the sink that puts verdicts on Kafka, and keeps them in a spool while Kafka is away. It makes the topics, too.
//
// An actor's task is acknowledged once Emit returns: then Kafka has acknowledged the verdict, or it is on the disk. Whoever
// reads a topic may see a record twice, and drops it by the header ce_id; the records of a BMC are in order.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"lamplighter/results"
	"lamplighter/results/journal"
	"lamplighter/results/spool"
)

// Sink is a results.Sink. Emit works from Open to Close, whether Run runs or not; without it all goes to the spool.
type Sink struct {
	config  Config
	log     *slog.Logger
	spool   *spool.Spool
	refused *journal.File

	mu   sync.Mutex
	live *producer // nil while Kafka is away
	why  error     // it is away
	away time.Time // since when
	// missing is nil while no topic is known to be missing.
	missing *Missing

	direct, spooled, drained, rejected atomic.Uint64
}

// Open opens the spool; it does not need Kafka.
func Open(c Config) (*Sink, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Patience == 0 {
		c.Patience = 3 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Spool.Site, c.Spool.Satellite = c.Site, c.Satellite
	kept, err := spool.Open(c.Spool)
	if err != nil {
		return nil, err
	}
	if stats := kept.Stats(); stats.Records > 0 || stats.Torn > 0 {
		c.Log.Info("verdicts of an earlier run are waiting for kafka", "records", stats.Records, "bytes", stats.Bytes, "torn_bytes_cut_off", stats.Torn)
	}
	refused, err := journal.Open(filepath.Join(c.Spool.Dir, "refused.ndjson"), 0o600)
	if err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	return &Sink{config: c, log: c.Log, spool: kept, refused: refused, away: time.Now(), why: errors.New("not connected yet")}, nil
}

// Close closes the spool, after the last Emit and the end of Run.
func (s *Sink) Close() error { return errors.Join(s.spool.Close(), s.refused.Close()) }

// Emit returns once Kafka has acknowledged v, or v is on the disk.
func (s *Sink) Emit(ctx context.Context, v results.Verdict) error {
	r, err := spool.Of(v)
	if err != nil {
		return err
	}
	return s.Record(ctx, r)
}

// Record returns once Kafka has acknowledged r, or r is on the disk. A record does not overtake an older one of its BMC that
// is still on the disk.
//
// A context that ends does not lose the record: it goes to the disk.
func (s *Sink) Record(ctx context.Context, r spool.Record) error {
	if p := s.connected(); p != nil && (r.BMC == "" || !s.spool.Has(r.BMC)) {
		err := p.send(ctx, r, s.config.Patience)
		if err == nil {
			s.direct.Add(1)
			return nil
		}
		if ctx.Err() == nil && !refused(err) {
			s.lost(p, err)
		}
	}
	if err := s.spool.Append(r); err != nil {
		return fmt.Errorf("keep %s: %w", r.ID, err)
	}
	s.spooled.Add(1)
	return nil
}

func (s *Sink) connected() *producer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// found lets verdicts go to Kafka directly.
func (s *Sink) found(p *producer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil {
		s.log.Info("kafka is there", "brokers", s.config.Brokers, "away", time.Since(s.away).Round(time.Millisecond), "spooled", s.spool.Stats().Records)
	}
	s.live, s.why = p, nil
}

// lost sends verdicts to the spool until a record of it has been acknowledged. p is whom it failed with: another one may have
// taken its place since.
func (s *Sink) lost(p *producer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live != p && p != nil {
		return
	}
	if s.live != nil {
		s.away = time.Now()
		s.log.Warn("kafka is away, verdicts go to the spool", "error", err)
	}
	s.live, s.why = nil, err
}

// leave takes no more verdicts for a producer that is about to be closed.
func (s *Sink) leave(p *producer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == p {
		s.live, s.why, s.away = nil, errClosed, time.Now()
	}
}

// Stats are a sink's numbers, for metrics.
type Stats struct {
	Live bool
	// Direct is how many verdicts Kafka acknowledged without the spool, Spooled how many went there, Drained how many records
	// left it for Kafka, Refused how many Kafka will never take; they are in refused.ndjson in the spool's directory.
	Direct, Spooled, Drained, Refused uint64
	Spool                             spool.Stats
}

// Stats says how things are.
func (s *Sink) Stats() Stats {
	return Stats{
		Live:   s.connected() != nil,
		Direct: s.direct.Load(), Spooled: s.spooled.Load(), Drained: s.drained.Load(), Refused: s.rejected.Load(),
		Spool: s.spool.Stats(),
	}
}
