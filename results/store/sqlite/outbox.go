package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"lamplighter/results/store"
)

func (b *batch) putLetters(ctx context.Context, what store.Batch) error {
	for _, l := range what.Letters {
		if err := b.made.addLetter.exec(ctx, l.Topic, l.Key, l.ID, l.Value, l.Partition, l.Position, millis(l.At)); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putPositions(ctx context.Context, what store.Batch) error {
	for p, next := range what.Positions {
		if err := b.made.position.exec(ctx, p.Topic, p.Number, next); err != nil {
			return err
		}
	}
	return nil
}

// Positions are where reading goes on.
func (s *SQLite) Positions(ctx context.Context) (store.Positions, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT topic, number, next FROM position`)
	if err != nil {
		return nil, fmt.Errorf("read positions from %s: %w", s.path, err)
	}
	defer rows.Close()
	all := store.Positions{}
	for rows.Next() {
		var p store.Partition
		var next int64
		if err := rows.Scan(&p.Topic, &p.Number, &next); err != nil {
			return nil, err
		}
		all[p] = next
	}
	return all, rows.Err()
}

// Outbox gives the oldest letters.
func (s *SQLite) Outbox(ctx context.Context, most int) (letters []store.Letter, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT o.number, o.topic, o.key, o.id, o.partition, o.position, o.at, coalesce(o.value, b.state), o.value IS NULL, coalesce(b.seq, 0)
		FROM outbox o LEFT JOIN bmc b ON o.value IS NULL AND b.id = o.key ORDER BY o.number LIMIT ?`, most)
	if err != nil {
		return nil, fmt.Errorf("read the outbox of %s: %w", s.path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var l store.Letter
		var at, seq int64
		var state bool
		if err := rows.Scan(&l.Number, &l.Topic, &l.Key, &l.ID, &l.Partition, &l.Position, &at, &l.Value, &state, &seq); err != nil {
			return nil, err
		}
		l.At = moment(at)
		if state {
			l.ID = l.Key + "#" + strconv.FormatInt(seq, 10)
		}
		letters = append(letters, l)
	}
	return letters, rows.Err()
}

// Sent forgets letters up to one.
func (s *SQLite) Sent(ctx context.Context, last int64) error {
	return s.change(ctx, "forget what was sent", func(ctx context.Context) error { return s.made.sent.exec(ctx, last) })
}

// Drop forgets letters one by one.
func (s *SQLite) Drop(ctx context.Context, numbers []int64) error {
	return s.change(ctx, "drop letters", func(ctx context.Context) error {
		var errs []error
		for _, number := range numbers {
			errs = append(errs, s.made.unpost.exec(ctx, number))
		}
		return errors.Join(errs...)
	})
}

// change is a small transaction.
func (s *SQLite) change(ctx context.Context, what string, do func(context.Context) error) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	if err := s.writing(ctx, do); err != nil {
		return fmt.Errorf("%s in %s: %w", what, s.path, err)
	}
	return nil
}
