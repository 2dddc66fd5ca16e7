package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"lamplighter/inventory"
	"lamplighter/results/store"
)

// row is what is in memory of a BMC: what its row in the file has beside the state.
type row struct {
	number   int64
	open     store.Span
	evidence uint64
}

// batch is a transaction as it goes on. rows are those that differ from the store's; they take their places once it is kept.
type batch struct {
	*SQLite
	version uint64
	fresh   int64 // how many BMCs are new
	rows    map[inventory.ID]*row
	heard   map[inventory.ID][]byte // the newest verdict of each, where it is the newest of all
}

// Put keeps a batch.
func (s *SQLite) Put(ctx context.Context, b store.Batch) (uint64, error) {
	if err := s.take(ctx); err != nil {
		return 0, err
	}
	defer s.give()
	now := &batch{SQLite: s, version: s.version + 1, rows: map[inventory.ID]*row{}, heard: map[inventory.ID][]byte{}}
	err := s.writing(ctx, func(ctx context.Context) error { return now.put(ctx, b) })
	if err != nil {
		return 0, fmt.Errorf("keep %d verdicts and %d changes in %s: %w", len(b.Verdicts), len(b.Changes), s.path, err)
	}
	maps.Copy(s.rows, now.rows)
	s.version = now.version
	return now.version, nil
}

func (b *batch) put(ctx context.Context, what store.Batch) error {
	for _, part := range []func(context.Context, store.Batch) error{
		b.putVerdicts, b.putHeard, b.putStates, b.putChanges, b.putFacts, b.putGone, b.putIncidents, b.putMembers,
		b.putSilences, b.putTickets, b.putLetters, b.putPositions,
	} {
		if err := part(ctx, what); err != nil {
			return err
		}
	}
	return b.made.meta.exec(ctx, "version", strconv.FormatUint(b.version, 10))
}

// of is the row of a BMC, which may be changed; a new BMC gets one.
func (b *batch) of(ctx context.Context, id inventory.ID) (*row, error) {
	if r, ok := b.rows[id]; ok {
		return r, nil
	}
	if r, ok := b.SQLite.rows[id]; ok {
		own := *r
		b.rows[id] = &own
		return &own, nil
	}
	b.fresh++ // rows are never removed
	r := &row{number: int64(len(b.SQLite.rows)) + b.fresh}
	b.rows[id] = r
	return r, b.made.addBMC.exec(ctx, r.number, string(id))
}

func (b *batch) putVerdicts(ctx context.Context, what store.Batch) error {
	for i := range what.Verdicts {
		if err := b.putVerdict(ctx, &what.Verdicts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putVerdict(ctx context.Context, s *store.Stored) error {
	v := &s.Verdict
	r, err := b.of(ctx, v.BMC)
	if err != nil {
		return err
	}
	text := s.Doc
	if text == nil {
		if text, err = json.Marshal(v); err != nil {
			return err
		}
	}
	next, evidence := store.SpanOf(*s), store.Evidence(*v)
	again := r.evidence == evidence && r.open.Same(next)
	if r.open.Rounds > 0 && !next.Until.After(r.open.Until) {
		if err := b.putLate(ctx, r, next); err != nil {
			return err
		}
		again = false
	} else {
		open, ended := r.open.Continue(next)
		if ended {
			if err := b.addSpan(ctx, r.number, r.open); err != nil {
				return err
			}
		}
		r.open, r.evidence, b.heard[v.BMC] = open, evidence, text
	}
	if store.Healthy(*v) {
		return nil
	}
	doc, err := b.pack.packText(text)
	if err != nil {
		return err
	}
	return b.made.addVerdict.exec(ctx, r.number, millis(v.Round.Due), string(v.Round.Why), again, doc)
}

// putLate finds a late verdict's place among the spans: within one that says the same it is known already.
func (b *batch) putLate(ctx context.Context, r *row, next store.Span) error {
	if r.open.Holds(next) {
		return nil
	}
	before, err := spanOf(b.made.spanBefore.QueryRowContext(ctx, r.number, millis(next.Since)))
	switch {
	case err != nil:
		return err
	case before.Rounds > 0 && before.Holds(next):
		return nil
	case before.Rounds > 0 && before.Same(next) && next.Since.Before(r.open.Since):
		return b.made.growSpan.exec(ctx, millis(next.Until), before.Rounds+next.Rounds, r.number, millis(before.Since))
	}
	return b.addSpan(ctx, r.number, next)
}

func (b *batch) addSpan(ctx context.Context, number int64, s store.Span) error {
	return b.made.addSpan.exec(ctx, number, millis(s.Since), millis(s.Until), s.Health.String(), string(s.Failed), string(s.Reason), s.Rounds)
}

// putHeard writes what is known of the newest verdict of each BMC, once for each.
func (b *batch) putHeard(ctx context.Context, _ store.Batch) error {
	for id, doc := range b.heard {
		r := b.rows[id]
		o := r.open
		err := b.made.setSpan.exec(ctx, millis(o.Since), millis(o.Until), o.Health.String(), string(o.Failed), string(o.Reason), o.Rounds, int64(r.evidence), r.number)
		if err != nil {
			return err
		}
		if err := b.made.setNewest.exec(ctx, r.number, doc); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putStates(ctx context.Context, what store.Batch) error {
	for _, state := range what.States {
		r, err := b.of(ctx, state.BMC)
		if err != nil {
			return err
		}
		doc, err := json.Marshal(state)
		if err != nil {
			return err
		}
		if err := b.made.setState.exec(ctx, doc, int64(state.Seq), int64(b.version), r.number); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putChanges(ctx context.Context, what store.Batch) error {
	for _, change := range what.Changes {
		r, err := b.of(ctx, change.BMC)
		if err != nil {
			return err
		}
		doc, err := b.pack.pack(change)
		if err != nil {
			return err
		}
		if err := b.made.addChange.exec(ctx, r.number, millis(change.Round.Due), string(change.Kind), millis(change.At), doc); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putFacts(ctx context.Context, what store.Batch) error {
	for id, facts := range what.Facts {
		r, err := b.of(ctx, id)
		if err != nil {
			return err
		}
		if err := b.made.setFacts.exec(ctx, r.number, packFacts(facts)); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putGone(ctx context.Context, what store.Batch) error {
	for _, id := range what.Gone {
		r, err := b.of(ctx, id)
		if err != nil {
			return err
		}
		if err := b.made.setState.exec(ctx, nil, 0, int64(b.version), r.number); err != nil {
			return err
		}
	}
	for _, id := range append(what.Healed, what.Gone...) {
		if err := b.made.unack.exec(ctx, string(id)); err != nil {
			return err
		}
	}
	return nil
}
