package sqlite

import (
	"context"
	"fmt"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/store"
)

// Ack keeps acknowledgements.
func (s *SQLite) Ack(ctx context.Context, all ...store.Ack) error {
	return s.change(ctx, fmt.Sprintf("acknowledge %d BMCs", len(all)), func(ctx context.Context) error {
		for _, a := range all {
			if err := s.made.setAck.exec(ctx, string(a.BMC), a.Who, a.Note, millis(a.At), millis(a.Until)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Unack forgets one.
func (s *SQLite) Unack(ctx context.Context, bmc inventory.ID) (had bool, err error) {
	err = s.change(ctx, "take back the acknowledgement of "+string(bmc), func(ctx context.Context) error {
		n, err := s.made.unack.removed(ctx, string(bmc))
		had = n > 0
		return err
	})
	return had, err
}

// Acked are the acknowledgements that hold.
func (s *SQLite) Acked(ctx context.Context) (map[inventory.ID]store.Ack, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT bmc, who, note, at, until FROM ack WHERE until = 0 OR until > ?`, time.Now().UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read acknowledgements from %s: %w", s.path, err)
	}
	defer rows.Close()
	all := map[inventory.ID]store.Ack{}
	for rows.Next() {
		var a store.Ack
		var at, until int64
		if err := rows.Scan(&a.BMC, &a.Who, &a.Note, &at, &until); err != nil {
			return nil, err
		}
		a.At, a.Until = moment(at), moment(until)
		all[a.BMC] = a
	}
	return all, rows.Err()
}
