package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// load reads what is kept in memory.
func (s *SQLite) load(ctx context.Context) error {
	if err := s.loadMeta(ctx); err != nil {
		return err
	}
	rows, err := s.conn.QueryContext(ctx, `SELECT number, id, evidence, since, until, health, failed, reason, rounds FROM bmc`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		var id string
		var evidence int64
		var span rawSpan
		if err := rows.Scan(append([]any{&r.number, &id, &evidence}, span.fields()...)...); err != nil {
			return err
		}
		if r.open, err = span.span(); err != nil {
			return err
		}
		r.open.Open, r.evidence = true, uint64(evidence)
		s.rows[inventory.ID(id)] = &r
	}
	return rows.Err()
}

func (s *SQLite) loadMeta(ctx context.Context) error {
	var version string
	err := s.conn.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'epoch'`).Scan(&s.epoch)
	if errors.Is(err, sql.ErrNoRows) {
		s.epoch = newEpoch()
		return s.made.meta.exec(ctx, "epoch", s.epoch)
	}
	if err != nil {
		return err
	}
	switch err := s.conn.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'version'`).Scan(&version); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	s.version, err = strconv.ParseUint(version, 10, 64)
	return err
}

// States gives every BMC.
func (s *SQLite) States(ctx context.Context, see func(store.Known) error) error {
	rows, err := s.read.QueryContext(ctx, `SELECT b.version, b.state, f.doc FROM bmc b LEFT JOIN fact f ON f.bmc = b.number WHERE b.state IS NOT NULL ORDER BY b.number`)
	if err != nil {
		return fmt.Errorf("read states from %s: %w", s.path, err)
	}
	defer rows.Close()
	var state, facts sql.RawBytes
	for rows.Next() {
		var known store.Known
		if err := rows.Scan(&known.Version, &state, &facts); err != nil {
			return err
		}
		if err := json.Unmarshal(state, &known.State); err != nil {
			return fmt.Errorf("state in %s: %w", s.path, err)
		}
		if facts != nil {
			if known.Facts, err = unpackFacts(facts); err != nil {
				return fmt.Errorf("facts of %s in %s: %w", known.State.BMC, s.path, err)
			}
		}
		if err := see(known); err != nil {
			return err
		}
	}
	return rows.Err()
}

// rawSpan is a span as columns.
type rawSpan struct {
	since, until           int64
	health, failed, reason string
	rounds                 int
}

func (r *rawSpan) fields() []any {
	return []any{&r.since, &r.until, &r.health, &r.failed, &r.reason, &r.rounds}
}

func (r *rawSpan) span() (store.Span, error) {
	s := store.Span{Since: moment(r.since), Until: moment(r.until), Failed: checks.Name(r.failed), Reason: checks.Reason(r.reason), Rounds: r.rounds}
	if r.rounds == 0 {
		return store.Span{}, nil
	}
	return s, s.Health.UnmarshalText([]byte(r.health))
}

// spanOf reads one; the zero Span where there is none.
func spanOf(row *sql.Row) (store.Span, error) {
	var raw rawSpan
	err := row.Scan(raw.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Span{}, nil
	}
	if err != nil {
		return store.Span{}, err
	}
	return raw.span()
}

// Spans are the runs that touch a time.
func (s *SQLite) Spans(ctx context.Context, bmc inventory.ID, from, to time.Time) ([]store.Span, error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT since, until, health, failed, reason, rounds, 0 FROM span WHERE bmc = (SELECT number FROM bmc WHERE id = ?1) AND since <= ?3 AND until >= ?2
		UNION ALL
		SELECT since, until, health, failed, reason, rounds, 1 FROM bmc WHERE id = ?1 AND rounds > 0 AND since <= ?3 AND until >= ?2
		ORDER BY 1, 2`, string(bmc), millis(from), end(to))
	if err != nil {
		return nil, fmt.Errorf("read spans of %s from %s: %w", bmc, s.path, err)
	}
	defer rows.Close()
	var all []store.Span
	for rows.Next() {
		var raw rawSpan
		var open bool
		if err := rows.Scan(append(raw.fields(), &open)...); err != nil {
			return nil, err
		}
		span, err := raw.span()
		if err != nil {
			return nil, err
		}
		span.Open = open
		all = append(all, span)
	}
	return all, rows.Err()
}

// end is a time, or the end of time.
func end(to time.Time) int64 {
	if to.IsZero() {
		return math.MaxInt64
	}
	return to.UnixMilli()
}

// Verdict is the whole verdict of a round.
func (s *SQLite) Verdict(ctx context.Context, round checks.Round) (v results.Verdict, err error) {
	err = s.doc(ctx, &v, `SELECT doc FROM verdict WHERE bmc = (SELECT number FROM bmc WHERE id = ?) AND due = ? AND why = ?`, string(round.BMC), millis(round.Due), string(round.Why))
	if !errors.Is(err, store.ErrNone) {
		return v, err
	}
	if v, err = s.Newest(ctx, round.BMC); err == nil && v.Round.String() != round.String() {
		err = store.ErrNone
	}
	if err != nil {
		return results.Verdict{}, fmt.Errorf("round %s: %w", round, err)
	}
	return v, nil
}

// Newest is the newest verdict of a BMC.
func (s *SQLite) Newest(ctx context.Context, bmc inventory.ID) (v results.Verdict, err error) {
	return v, s.doc(ctx, &v, `SELECT doc FROM newest WHERE bmc = (SELECT number FROM bmc WHERE id = ?)`, string(bmc))
}

// doc reads one packed document.
func (s *SQLite) doc(ctx context.Context, into any, query string, args ...any) error {
	var packed []byte
	err := s.read.QueryRowContext(ctx, query, args...).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNone
	}
	if err != nil {
		return fmt.Errorf("read from %s: %w", s.path, err)
	}
	return unpack(packed, into)
}

// Verdicts gives whole verdicts, newest first.
func (s *SQLite) Verdicts(ctx context.Context, bmc inventory.ID, from, to time.Time, see func(results.Verdict) bool) error {
	return each(ctx, s, func(_ int64, v results.Verdict) bool { return see(v) },
		`SELECT due, doc FROM verdict WHERE bmc = (SELECT number FROM bmc WHERE id = ?) AND due BETWEEN ? AND ? ORDER BY due DESC, why`, string(bmc), millis(from), end(to))
}

// each gives a number and a packed document of each row.
func each[T any](ctx context.Context, s *SQLite, see func(int64, T) bool, query string, args ...any) error {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read from %s: %w", s.path, err)
	}
	defer rows.Close()
	var number int64
	var packed sql.RawBytes
	for rows.Next() {
		var what T
		if err := rows.Scan(&number, &packed); err != nil {
			return err
		}
		if err := unpack(packed, &what); err != nil {
			return err
		}
		if !see(number, what) {
			return nil
		}
	}
	return rows.Err()
}

// Changes gives changes.
func (s *SQLite) Changes(ctx context.Context, which store.Which, see func(store.Kept) bool) error {
	query, args := changesQuery(which)
	return each(ctx, s, func(cursor int64, c results.Change) bool { return see(store.Kept{Cursor: cursor, Change: c}) }, query, args...)
}

func changesQuery(which store.Which) (query string, args []any) {
	query = `SELECT number, doc FROM change WHERE true`
	add := func(condition string, arg any) {
		query, args = query+" AND "+condition, append(args, arg)
	}
	after, order := "number < ?", " ORDER BY number DESC"
	if which.Forward {
		after, order = "number > ?", " ORDER BY number"
	}
	if which.After != 0 {
		add(after, which.After)
	}
	if which.BMC != "" {
		add("bmc = (SELECT number FROM bmc WHERE id = ?)", string(which.BMC))
	}
	if which.Kind != "" {
		add("kind = ?", string(which.Kind))
	}
	if !which.From.IsZero() {
		add("at >= ?", millis(which.From))
	}
	if !which.To.IsZero() {
		add("at < ?", millis(which.To))
	}
	return query + order, args
}

// Facts are those of a BMC.
func (s *SQLite) Facts(ctx context.Context, bmc inventory.ID) ([]results.Fact, error) {
	var packed []byte
	err := s.read.QueryRowContext(ctx, `SELECT doc FROM fact WHERE bmc = (SELECT number FROM bmc WHERE id = ?)`, string(bmc)).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read facts of %s from %s: %w", bmc, s.path, err)
	}
	return unpackFacts(packed)
}
