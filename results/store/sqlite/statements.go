package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// statement is prepared on the connection that writes.
type statement struct{ *sql.Stmt }

func (s statement) exec(ctx context.Context, args ...any) error {
	_, err := s.ExecContext(ctx, args...)
	return err
}

// removed is exec that says how many rows it was.
func (s statement) removed(ctx context.Context, args ...any) (int64, error) {
	result, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// statements are those that are used for each verdict, or nearly.
type statements struct {
	begin, commit, rollback                      statement
	meta, position                               statement
	addBMC, setState, setSpan                    statement
	setNewest, addVerdict, addSpan, growSpan     statement
	spanBefore                                   statement
	addChange, setFacts, addLetter, sent, unpost statement
	setAck, unack                                statement
	setIncident, setMember, setSilence           statement
	setTicket                                    statement
}

// prepare prepares them all.
func prepare(ctx context.Context, conn *sql.Conn) (made statements, err error) {
	for _, each := range []struct {
		to   *statement
		text string
	}{
		{&made.begin, `BEGIN IMMEDIATE`},
		{&made.commit, `COMMIT`},
		{&made.rollback, `ROLLBACK`},
		{&made.meta, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`},
		{&made.position, `INSERT INTO position (topic, number, next) VALUES (?, ?, ?) ON CONFLICT (topic, number) DO UPDATE SET next = excluded.next`},
		{&made.addBMC, `INSERT INTO bmc (number, id, version, seq) VALUES (?, ?, 0, 0)`},
		{&made.setState, `UPDATE bmc SET state = ?, seq = ?, version = ? WHERE number = ?`},
		{&made.setSpan, `UPDATE bmc SET since = ?, until = ?, health = ?, failed = ?, reason = ?, rounds = ?, evidence = ? WHERE number = ?`},
		{&made.setNewest, `INSERT INTO newest (bmc, doc) VALUES (?, ?) ON CONFLICT (bmc) DO UPDATE SET doc = excluded.doc`},
		{&made.addVerdict, `INSERT INTO verdict (bmc, due, why, again, doc) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&made.addSpan, `INSERT INTO span (bmc, since, until, health, failed, reason, rounds) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&made.growSpan, `UPDATE span SET until = ?, rounds = ? WHERE bmc = ? AND since = ?`},
		{&made.spanBefore, `SELECT since, until, health, failed, reason, rounds FROM span WHERE bmc = ? AND since <= ? ORDER BY since DESC LIMIT 1`},
		{&made.addChange, `INSERT INTO change (bmc, due, kind, at, doc) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`},
		{&made.setFacts, `INSERT INTO fact (bmc, doc) VALUES (?, ?) ON CONFLICT (bmc) DO UPDATE SET doc = excluded.doc`},
		{&made.addLetter, `INSERT INTO outbox (topic, key, id, value, partition, position, at) VALUES (?, ?, ?, ?, ?, ?, ?)`},
		{&made.sent, `DELETE FROM outbox WHERE number <= ?`},
		{&made.unpost, `DELETE FROM outbox WHERE number = ?`},
		{&made.setAck, `INSERT OR REPLACE INTO ack (bmc, who, note, at, until) VALUES (?, ?, ?, ?, ?)`},
		{&made.unack, `DELETE FROM ack WHERE bmc = ?`},
		{&made.setIncident, `INSERT INTO incident (id, seq, opened, closed, doc) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, opened = excluded.opened, closed = excluded.closed, doc = excluded.doc WHERE excluded.seq > seq`},
		{&made.setMember, `INSERT INTO member (incident, bmc, gone, doc) VALUES (?, ?, ?, ?) ON CONFLICT (incident, bmc) DO UPDATE SET gone = excluded.gone, doc = excluded.doc`},
		{&made.setSilence, `INSERT INTO silence (id, seq, until, doc) VALUES (?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, until = excluded.until, doc = excluded.doc WHERE excluded.seq > seq`},
		{&made.setTicket, `INSERT INTO ticket (incident, desk, at, doc) VALUES (?, ?, ?, ?)
			ON CONFLICT (incident, desk) DO UPDATE SET at = excluded.at, doc = excluded.doc WHERE excluded.at >= at`},
	} {
		if each.to.Stmt, err = conn.PrepareContext(ctx, each.text); err != nil {
			return made, fmt.Errorf("prepare %q: %w", each.text, err)
		}
	}
	return made, nil
}
