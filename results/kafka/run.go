package kafka

import (
	"context"
	"sync"
	"time"

	"lamplighter/results/spool"
)

const (
	// windowSize is how many records of the spool are on the way at once, each of another BMC.
	windowSize = 1024
	// sayEvery is how often it is said that Kafka is away, and how often the spool is looked at for pressure.
	sayEvery = 10 * time.Second
	// tryEvery is how often a verdict may try Kafka while the spool is empty and Kafka is thought to be away.
	tryEvery = 3 * time.Second
)

// Run connects to Kafka and drains the spool, again and again, until ctx ends; then it returns nil, soon after grace. End it
// after the last Emit: what comes later goes to the disk.
func (s *Sink) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() { s.complain(ctx) })
	late, done := afterGrace(ctx)
	defer done()
	for tries := 0; ctx.Err() == nil; tries++ {
		if s.serve(ctx, late) {
			tries = 0
		}
		s.relieve()
		wait(ctx, backoff(tries))
	}
	return nil
}

// serve drains with one producer until something fails, and says whether anything was acknowledged. The producer may finish
// what it began until late ends.
func (s *Sink) serve(ctx, late context.Context) (worked bool) {
	p, err := newProducer(late, s.config)
	if err != nil {
		s.lost(nil, err)
		return false
	}
	p.answer()
	defer p.close()
	s.lacks(p.missing())
	defer s.leave(p)
	if s.spool.Stats().Records == 0 {
		s.found(p)
	}
	for ctx.Err() == nil {
		n, err := s.drain(ctx, p)
		worked = worked || n > 0
		if err != nil && ctx.Err() == nil {
			s.lost(p, err)
			return worked
		}
	}
	return worked
}

// drain sends the next records of the spool, or waits until there are some.
func (s *Sink) drain(ctx context.Context, p *producer) (int, error) {
	records, err := s.spool.Head(windowSize)
	if err != nil {
		s.log.Error("the spool cannot be read", "error", err)
		return 0, err
	}
	if len(records) == 0 {
		s.idle(ctx, p)
		return 0, nil
	}
	n, err := p.sendAll(ctx, records)
	if refused(err) {
		n, err = n+1, s.refuse(records[n], err)
	}
	if err == nil {
		s.found(p)
	}
	s.drained.Add(uint64(n))
	if failed := s.spool.Done(n); failed != nil {
		s.log.Error("the spool cannot forget", "error", failed)
	}
	return n, err
}

// idle waits until there is something to drain. Where the spool takes nothing, its disk being full, nothing of it can show
// that Kafka is there again: now and then a verdict may try.
func (s *Sink) idle(ctx context.Context, p *producer) {
	again := time.NewTimer(tryEvery)
	defer again.Stop()
	select {
	case <-s.spool.News():
	case <-ctx.Done():
	case <-again.C:
		if s.Missing() != nil {
			s.lacks(p.missing())
		}
		if s.connected() == nil {
			s.found(p)
		}
	}
}

// refuse puts a record aside that the broker will never take, so that it does not keep the others back.
func (s *Sink) refuse(r spool.Record, why error) error {
	s.rejected.Add(1)
	s.log.Error("kafka refuses a record for good; it is put aside", "id", r.ID, "bytes", len(r.Value), "error", why)
	return s.refused.Append(r.Value)
}

// relieve is for the time while Kafka is away; while it is there the spool only shrinks.
func (s *Sink) relieve() {
	if err := s.spool.Relieve(time.Now()); err != nil {
		s.log.Error("the spool cannot be coalesced", "error", err)
	}
}

// complain says every now and then that Kafka is away, or lacks topics.
func (s *Sink) complain(ctx context.Context) {
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		live, why, away := s.live != nil, s.why, s.away
		s.mu.Unlock()
		if stats := s.spool.Stats(); !live {
			s.log.Warn("waiting for kafka", "brokers", s.config.Brokers, "away", time.Since(away).Round(time.Second), "error", why,
				"spooled", stats.Records, "bytes", stats.Bytes)
		}
		if missing := s.Missing(); missing != nil {
			s.log.Error("kafka lacks topics", "error", missing)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
