package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"lamplighter/results"
	"lamplighter/results/store"
)

func (b *batch) putIncidents(ctx context.Context, what store.Batch) error {
	for _, each := range what.Incidents {
		doc, err := b.pack.pack(each)
		if err != nil {
			return err
		}
		if err := b.made.setIncident.exec(ctx, each.ID, int64(each.Seq), millis(each.OpenedAt), millis(each.ClosedAt), doc); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putMembers(ctx context.Context, what store.Batch) error {
	for _, m := range what.Members {
		doc, err := json.Marshal(m.Child)
		if err != nil {
			return err
		}
		if err := b.made.setMember.exec(ctx, m.Incident, string(m.BMC), millis(m.Left), doc); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putSilences(ctx context.Context, what store.Batch) error {
	for _, each := range what.Silences {
		doc, err := json.Marshal(each)
		if err != nil {
			return err
		}
		if err := b.made.setSilence.exec(ctx, each.ID, int64(each.Seq), millis(each.Over()), doc); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putTickets(ctx context.Context, what store.Batch) error {
	for _, each := range what.Tickets {
		doc, err := json.Marshal(each)
		if err != nil {
			return err
		}
		if err := b.made.setTicket.exec(ctx, each.Incident, each.Desk, millis(each.At), doc); err != nil {
			return err
		}
	}
	return nil
}

// Incident is one of them.
func (s *SQLite) Incident(ctx context.Context, id string) (found results.Incident, err error) {
	err = s.doc(ctx, &found, `SELECT doc FROM incident WHERE id = ?`, id)
	if errors.Is(err, store.ErrNone) {
		err = fmt.Errorf("incident %s: %w", id, err)
	}
	return found, err
}

// Incidents gives them newest first.
func (s *SQLite) Incidents(ctx context.Context, which store.WhichIncidents, see func(store.KeptIncident) bool) error {
	query, args := incidentsQuery(which)
	return each(ctx, s, func(cursor int64, i results.Incident) bool {
		return see(store.KeptIncident{Cursor: cursor, Incident: i})
	}, query, args...)
}

func incidentsQuery(which store.WhichIncidents) (query string, args []any) {
	query = `SELECT number, doc FROM incident WHERE true`
	add := func(condition string, arg any) {
		query, args = query+" AND "+condition, append(args, arg)
	}
	if which.After != 0 {
		add("number < ?", which.After)
	}
	switch {
	case which.Open && !which.Closed.IsZero():
		add("(closed = 0 OR closed >= ?)", millis(which.Closed))
	case which.Open:
		query += " AND closed = 0"
	}
	if which.BMC != "" {
		add("id IN (SELECT incident FROM member WHERE bmc = ?)", string(which.BMC))
	}
	if !which.From.IsZero() {
		add("opened >= ?", millis(which.From))
	}
	if !which.To.IsZero() {
		add("opened < ?", millis(which.To))
	}
	return query + " ORDER BY number DESC", args
}

// Members are all of an incident.
func (s *SQLite) Members(ctx context.Context, id string) (all []results.Member, err error) {
	err = each(ctx, s, func(gone int64, child results.Child) bool {
		all = append(all, results.Member{Incident: id, Child: child, Left: moment(gone)})
		return true
	}, `SELECT gone, doc FROM member WHERE incident = ? ORDER BY bmc`, id)
	return all, err
}

// Silences are all that are kept.
func (s *SQLite) Silences(ctx context.Context) (all []results.Silence, err error) {
	err = each(ctx, s, func(_ int64, one results.Silence) bool { all = append(all, one); return true }, `SELECT 0, doc FROM silence ORDER BY id`)
	return all, err
}

// Tickets are what desks have of an incident.
func (s *SQLite) Tickets(ctx context.Context, incident string) (all []results.Ticket, err error) {
	query, args := `SELECT 0, doc FROM ticket ORDER BY incident, desk`, []any(nil)
	if incident != "" {
		query, args = `SELECT 0, doc FROM ticket WHERE incident = ? ORDER BY desk`, []any{incident}
	}
	err = each(ctx, s, func(_ int64, one results.Ticket) bool { all = append(all, one); return true }, query, args...)
	return all, err
}
