package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
	"lamplighter/results/store/storetest"
)

// dumpVariable, when set, writes the dump of the newest version, once, when a migration is added.
const dumpVariable = "LAMPLIGHTER_WRITE_DUMP"

func dumpOf(version int) string { return filepath.Join("testdata", fmt.Sprintf("v%d.sql", version)) }

// story is what every dump holds, put by the program of its time.
func story() store.Batch {
	a0, a1 := storetest.Verdict("a", 0, ""), storetest.Verdict("a", 1, checks.AuthRejected)
	b := store.Batch{
		Verdicts:  []store.Stored{{Verdict: a0, Rounds: 1}, {Verdict: a1, Rounds: 1}},
		Facts:     map[inventory.ID][]results.Fact{"a": {{Name: "firmware", Value: "2.14", Since: a0.At, At: a1.At}}},
		Positions: store.Positions{{Topic: "bmc.verdict.v1", Number: 3}: 42},
		Letters:   []store.Letter{{Topic: "bmc.state.v1", Key: "a", Partition: 3, Position: 42, At: a1.At}},
	}
	var state results.State
	for _, v := range []results.Verdict{a0, a1} {
		next, changes := results.Apply(state, v, 1, false)
		state, b.Changes = next, append(b.Changes, changes...)
	}
	b.States = []results.State{state}
	one := storetest.Incident("inc-a", 1, "a")
	b.Incidents, b.Members = []results.Incident{one}, storetest.Members(one, "a")
	b.Silences = []results.Silence{{Schema: results.SilenceSchema, ID: "sil-a", Seq: 1, Where: "rack=A03", From: storetest.Noon, Until: storetest.Noon.Add(time.Hour)}}
	b.Tickets = []results.Ticket{{Schema: results.TicketSchema, Incident: "inc-a", Desk: "jira", Ref: "OPS-812", At: storetest.Noon}}
	return b
}

// telling is the story as a store tells it that was written by a version.
func telling(t *testing.T, s *SQLite, version int) string {
	t.Helper()
	var all strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&all, format+"\n", args...) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.States(t.Context(), func(k store.Known) error {
		f := k.Facts[0]
		say("%s %s %s, %d rounds, version %d; %s %s %s", k.State.BMC, k.State.Health, k.State.Reason, k.State.Rounds, k.Version, f.Name, f.Value, f.At.Format(time.RFC3339))
		return nil
	}))
	spans, err := s.Spans(t.Context(), "a", time.Time{}, time.Time{})
	must(err)
	say("%s", storetest.Line(spans))
	must(s.Changes(t.Context(), store.Which{}, func(k store.Kept) bool { say("%d %s", k.Cursor, k.Change.ID); return true }))
	must(s.Verdicts(t.Context(), "a", time.Time{}, time.Time{}, func(v results.Verdict) bool { say("whole %s", v.Round); return true }))
	positions, err := s.Positions(t.Context())
	must(err)
	letters, err := s.Outbox(t.Context(), 9)
	must(err)
	acks, err := s.Acked(t.Context())
	must(err)
	say("%v %d %s %s %s", positions, len(letters), letters[0].Topic, letters[0].ID, acks["a"].Note)
	newest, err := s.Newest(t.Context(), "a")
	must(err)
	say("newest %s", newest.Round)
	if version >= 2 {
		tellIncidents(t, s, say)
	}
	return all.String()
}

// tellIncidents tells what came with version 2.
func tellIncidents(t *testing.T, s *SQLite, say func(string, ...any)) {
	t.Helper()
	one, err := s.Incident(t.Context(), "inc-a")
	members, failed := s.Members(t.Context(), "inc-a")
	silences, third := s.Silences(t.Context())
	tickets, last := s.Tickets(t.Context(), "")
	if err := errors.Join(err, failed, third, last); err != nil {
		t.Fatal(err)
	}
	say("%s %s, %d member %s, %d silence %s, %d ticket %s", one.ID, one.Title, len(members), members[0].BMC, len(silences), silences[0].ID, len(tickets), tickets[0].Ref)
}

const told = `a unavailable auth.rejected, 2 rounds, version 1; firmware 2.14 2026-11-22T12:05:03Z
0-0 available  x1; 1-1 unavailable auth.rejected x1 open; 
2 a@2026-11-22T12:05:00.000Z#health
1 a@2026-11-22T12:00:00.000Z#health
whole a@2026-11-22T12:05:00.000Z#routine
map[{bmc.verdict.v1 3}:42] 1 bmc.state.v1 a#2 PSU ordered
newest a@2026-11-22T12:05:00.000Z#routine
`

const toldSince2 = "inc-a looks like rack A03: net.timeout at ping, 1 member a, 1 silence sil-a, 1 ticket OPS-812\n"

// Every version that was ever shipped has its dump, and is understood.
func TestAFileOfEveryOlderVersionIsUnderstood(t *testing.T) {
	if os.Getenv(dumpVariable) != "" {
		writeDump(t)
	}
	for version := 1; version <= newestVersion(); version++ {
		dump, err := os.ReadFile(dumpOf(version))
		if err != nil {
			t.Errorf("version %d has no dump (%s=1 writes that of the newest): %v", version, dumpVariable, err)
			continue
		}
		dir := t.TempDir()
		raw(t, dir, func(ctx context.Context, conn *sql.Conn) error {
			if err := migrateTo(ctx, conn, version); err != nil {
				return err
			}
			_, err := conn.ExecContext(ctx, string(dump))
			return err
		})
		s, err := Open(t.Context(), dir)
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		want := told
		if version >= 2 {
			want += toldSince2
		}
		if got := telling(t, s, version); got != want {
			t.Errorf("version %d tells\n%s\nwant\n%s", version, got, want)
		}
		if _, err := s.Put(t.Context(), store.Batch{Verdicts: []store.Stored{{Verdict: storetest.Verdict("b", 0, "")}}}); err != nil {
			t.Errorf("version %d: put: %v", version, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileOfANewerVersionIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	raw(t, dir, func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, "PRAGMA user_version = 99")
		return err
	})
	_, err := Open(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), "a newer lamplighter wrote it: its version is 99") {
		t.Errorf("opened: %v", err)
	}
}

func TestOneProcessAtATimeHasAStoreOpen(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "another process has it open") {
		t.Errorf("opened twice: %v", err)
	}
}

// raw does something with the file itself.
func raw(t *testing.T, dir string, do func(context.Context, *sql.Conn) error) {
	t.Helper()
	db, err := sql.Open("sqlite", source(filepath.Join(dir, "results.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := do(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}

// writeDump puts the story and writes every row as an INSERT.
func writeDump(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), story()); err != nil {
		t.Fatal(err)
	}
	if err := s.Ack(t.Context(), store.Ack{BMC: "a", Who: "ann", Note: "PSU ordered", At: storetest.Noon}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	raw(t, dir, func(ctx context.Context, conn *sql.Conn) error { return dump(ctx, conn, &out) })
	if err := os.WriteFile(dumpOf(newestVersion()), []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func dump(ctx context.Context, conn *sql.Conn, out *strings.Builder) error {
	var tables []string
	rows, err := conn.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		return err
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		tables = append(tables, name)
	}
	if err := rows.Close(); err != nil {
		return err
	}
	for _, table := range tables {
		if err := dumpTable(ctx, conn, table, out); err != nil {
			return err
		}
	}
	return nil
}

func dumpTable(ctx context.Context, conn *sql.Conn, table string, out *strings.Builder) error {
	columns, err := conn.QueryContext(ctx, "SELECT group_concat(name, ', '), group_concat('quote(' || name || ')', ' || '', '' || ') FROM pragma_table_info(?)", table)
	if err != nil {
		return err
	}
	var names, quoted string
	columns.Next()
	if err := columns.Scan(&names, &quoted); err != nil {
		return err
	}
	if err := columns.Close(); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, "SELECT "+quoted+" FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var values string
		if err := rows.Scan(&values); err != nil {
			return err
		}
		fmt.Fprintf(out, "INSERT INTO %s (%s) VALUES (%s);\n", table, names, values)
	}
	return rows.Err()
}
