package follow

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/store"
)

const (
	// lookBack is how far back verdicts are read of a partition that was never read before.
	lookBack = 24 * time.Hour
	// mostRounds is how many rounds a record can stand for.
	mostRounds = 1 << 20
	// lull is how long reading has to go without trouble until we are said to listen.
	lull = 10 * time.Second
)

// reading is what reads verdicts from Kafka, again after each error.
type reading struct {
	*Follower
	next store.Positions // after what was handed on
	lost time.Time
}

// read reads until ctx ends.
func (f *Follower) read(ctx context.Context) {
	r := &reading{Follower: f, next: maps.Clone(f.begun)}
	for tries := 0; ctx.Err() == nil; tries++ {
		began := time.Now()
		err := r.once(ctx)
		f.hear(time.Time{})
		if ctx.Err() != nil {
			return
		}
		f.log.Warn("verdicts cannot be read", "error", err)
		if time.Since(began) > time.Minute {
			tries = 0
		}
		wait(ctx, min(5*time.Second, 200*time.Millisecond<<min(tries, 5)))
	}
}

// once reads from where reading ended.
func (r *reading) once(ctx context.Context) error {
	next := map[string]map[int32]int64{kafka.VerdictTopic: {}}
	for p, offset := range r.next {
		if p.Topic == kafka.VerdictTopic {
			next[p.Topic][p.Number] = offset
		}
	}
	return kafka.Read(ctx, *r.config.Kafka, kafka.Reading{
		Topics: []string{kafka.VerdictTopic}, From: time.Now().Add(-lookBack), Next: next,
		See: func(record kafka.Record) error { return r.see(ctx, record) },
		Follow: func(now time.Time) error {
			if now.Sub(r.lost) > lull {
				r.hear(now)
			}
			return nil
		},
		Lost: func(error) { r.lost = time.Now(); r.hear(time.Time{}) },
	})
}

func (r *reading) see(ctx context.Context, record kafka.Record) error {
	a := arrivalOf(record)
	if time.Since(record.At) > r.config.Interval {
		r.hear(time.Time{}) // a backlog, of ours or of theirs
	}
	if err := r.hand(ctx, a); err != nil {
		return err
	}
	r.next[a.from] = a.next
	return nil
}

// arrivalOf reads a record: a verdict, or what is wrong with it.
func arrivalOf(record kafka.Record) arrival {
	a := arrival{at: record.At, from: store.Partition{Topic: record.Topic, Number: record.Partition}, next: record.Offset + 1, rounds: 1}
	var err error
	if a.verdict, err = results.ReadVerdict(record.Value); err == nil {
		a.rounds, err = roundsOf(record)
	}
	if err == nil && string(record.Key) != string(a.verdict.BMC) {
		err = &results.Refused{Fault: results.Nameless, Why: "the record's key is not the verdict's BMC"}
	}
	var refused *results.Refused
	switch {
	case errors.As(err, &refused):
		a.fault, a.why = refused.Fault, refused.Why
	case err != nil:
		a.fault, a.why = results.Broken, err.Error()
	}
	a.body = record.Value
	return a
}

// roundsOf is how many rounds a record stands for.
func roundsOf(record kafka.Record) (int, error) {
	text := record.Header("ce_rounds")
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostRounds {
		return 0, &results.Refused{Fault: results.Broken, Why: "header ce_rounds: want a count of rounds, got " + strconv.Quote(text[:min(len(text), 64)])}
	}
	return n, nil
}
