package sqlite

import (
	"context"
	"time"

	"lamplighter/results/store"
)

// slice is of how many BMCs at once what is old is removed.
const slice = 200

// Forget removes what is old, a slice of the BMCs at a time. The file does not shrink: its room is used again.
func (s *SQLite) Forget(ctx context.Context, keep store.Keep, now time.Time) (all store.Forgotten, err error) {
	rules := []struct {
		keep    time.Duration
		removed *int64
		text    string
	}{
		{keep.History, &all.Spans, `DELETE FROM span WHERE bmc BETWEEN ? AND ? AND until < ?`},
		{keep.History, &all.Verdicts, `DELETE FROM verdict WHERE bmc BETWEEN ? AND ? AND due < ?`},
		{keep.Repeats, &all.Verdicts, `DELETE FROM verdict WHERE bmc BETWEEN ? AND ? AND due < ? AND again = 1`},
		{keep.Changes, &all.Changes, `DELETE FROM change WHERE bmc BETWEEN ? AND ? AND at < ?`},
	}
	if err := s.forgetIncidents(ctx, keep.Changes, now, &all); err != nil {
		return all, err
	}
	last, err := s.last(ctx)
	if err != nil {
		return all, err
	}
	for from := int64(1); from <= last; from += slice {
		err := s.change(ctx, "forget what is old", func(ctx context.Context) error {
			for _, rule := range rules {
				if rule.keep == 0 {
					continue
				}
				result, err := s.conn.ExecContext(ctx, rule.text, from, from+slice-1, millis(now.Add(-rule.keep)))
				if err != nil {
					return err
				}
				n, err := result.RowsAffected()
				if err != nil {
					return err
				}
				*rule.removed += n
			}
			return nil
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// last is the highest number of a BMC.
func (s *SQLite) last(ctx context.Context) (int64, error) {
	if err := s.take(ctx); err != nil {
		return 0, err
	}
	defer s.give()
	return int64(len(s.rows)), nil
}

// forgetIncidents removes closed incidents that are old, with all that belongs to them, and silences that are over.
func (s *SQLite) forgetIncidents(ctx context.Context, keep time.Duration, now time.Time, all *store.Forgotten) error {
	if keep == 0 {
		return nil
	}
	return s.change(ctx, "forget incidents", func(ctx context.Context) error {
		for _, rule := range []struct {
			removed *int64
			text    string
		}{
			{nil, `DELETE FROM member WHERE incident IN (SELECT id FROM incident WHERE closed BETWEEN 1 AND ?)`},
			{nil, `DELETE FROM ticket WHERE incident IN (SELECT id FROM incident WHERE closed BETWEEN 1 AND ?)`},
			{&all.Incidents, `DELETE FROM incident WHERE closed BETWEEN 1 AND ?`},
			{&all.Silences, `DELETE FROM silence WHERE until < ?`},
		} {
			result, err := s.conn.ExecContext(ctx, rule.text, millis(now.Add(-keep)))
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			if rule.removed != nil {
				*rule.removed += n
			}
		}
		return nil
	})
}
