package follow_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/schematest"
	"lamplighter/results/store"
	"lamplighter/results/store/storetest"
)

// round emits one verdict of each BMC that finds a reason.
func (r *running) round(t *testing.T, due time.Time, reason checks.Reason, bmcs ...string) {
	t.Helper()
	for _, bmc := range bmcs {
		if err := r.Emit(t.Context(), storetest.VerdictOf(bmc, 0, due.Truncate(time.Millisecond).UTC(), reason)); err != nil {
			t.Fatal(err)
		}
	}
}

// untilIncident waits until an incident that a BMC fails in is as wanted.
func (r *running) untilIncident(t *testing.T, bmc inventory.ID, what string, ok func(results.Incident) bool) (found results.Incident) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if id, in := r.IncidentOf(bmc); in {
			found, _ = r.Incident(ctx, id)
			if ok(found) {
				return found
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %s; found %+v", bmc, what, found)
		}
	}
}

func valid(t *testing.T, schema string, document any) {
	t.Helper()
	doc, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	schematest.Validate(t, schema, doc)
}

func TestAnIncidentIsOpenedAcknowledgedKeptAndClosed(t *testing.T) {
	dir, from := t.TempDir(), time.Now().Add(-3*time.Minute)
	r := start(t, dir, follow.Config{Wait: time.Millisecond})
	_, deltas, stop := r.Live().Subscribe()
	defer stop()
	r.round(t, from, "", "a")
	r.round(t, from.Add(time.Minute), checks.AuthRejected, "a")
	opened := r.untilIncident(t, "a", "opened", func(i results.Incident) bool { return i.Seq == 1 })
	valid(t, "incident.v1", opened)
	if opened.Cause.Kind != results.CauseBMC || opened.Owner != checks.OwnerCredentials || opened.Total != 1 || !opened.Page || len(opened.Evidence) != 1 {
		t.Errorf("%+v", opened)
	}
	acked, err := r.AckIncident(t.Context(), opened.ID, results.IncidentAck{Who: "ann", Note: "on it"})
	if err != nil || acked.Status != results.Acknowledged || acked.Seq != 2 || acked.Ack.Who != "ann" {
		t.Errorf("%+v, %v", acked, err)
	}
	valid(t, "incident.v1", acked)
	told := 0
	for told < 2 {
		told += len((<-deltas).Incidents)
	}
	stop()
	r.stop()
	r = start(t, dir, follow.Config{Wait: time.Millisecond})
	if again := r.untilIncident(t, "a", "kept", func(results.Incident) bool { return true }); again.Seq != 2 || again.Ack == nil {
		t.Errorf("after a restart: %+v", again)
	}
	if free, err := r.UnackIncident(t.Context(), opened.ID); err != nil || free.Status != results.Open || free.Ack != nil {
		t.Errorf("%+v, %v", free, err)
	}
	r.round(t, from.Add(2*time.Minute), "", "a")
	r.round(t, from.Add(2*time.Minute+time.Second), "", "a")
	closed := results.Incident{}
	for deadline := time.Now().Add(5 * time.Second); closed.Status != results.Resolved && time.Now().Before(deadline); {
		closed, _ = r.Incident(t.Context(), opened.ID)
	}
	valid(t, "incident.v1", closed)
	if _, still := r.IncidentOf("a"); still || closed.Closed != results.Recovered || closed.Failing != 0 || closed.Total != 1 {
		t.Errorf("%+v, fails still: %v", closed, still)
	}
	if _, err := r.AckIncident(t.Context(), opened.ID, results.IncidentAck{Who: "ann"}); !errors.Is(err, follow.ErrNot) {
		t.Errorf("acknowledged when closed: %v", err)
	}
	if _, err := r.AckIncident(t.Context(), "inc-none", results.IncidentAck{Who: "ann"}); !errors.Is(err, store.ErrNone) {
		t.Errorf("acknowledged what is none: %v", err)
	}
	if all := r.Incidents(); len(all) != 1 || all[0].ID != opened.ID {
		t.Errorf("incidents: %+v", all)
	}
}

func TestASilenceIsCheckedKeptAndEnded(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, follow.Config{Wait: time.Millisecond})
	good := results.Silence{Where: "site=ams1 and rack=A03", Who: "ann", Reason: "new switch", Ticket: "OPS-812", Kind: results.Maintenance, Until: time.Now().Add(time.Hour)}
	for name, change := range map[string]func(*results.Silence){
		"want a filter that says which BMCs":    func(s *results.Silence) { s.Where = " " },
		"position 1: found \"rak\"":             func(s *results.Silence) { s.Where = "rak=A03" },
		"that does not change with time":        func(s *results.Silence) { s.Where = "age>2h" },
		"who wants it and the reason":           func(s *results.Silence) { s.Reason = "" },
		"want an end that is yet to come":       func(s *results.Silence) { s.Until = time.Now().Add(-time.Hour) },
		`kind "quiet": want silence or mainten`: func(s *results.Silence) { s.Kind = "quiet" },
	} {
		bad := good
		change(&bad)
		if _, err := r.Silence(t.Context(), bad); !errors.Is(err, follow.ErrNot) || !strings.Contains(err.Error(), name) {
			t.Errorf("want %s, got %v", name, err)
		}
	}
	made, err := r.Silence(t.Context(), good)
	if err != nil || made.ID == "" || made.From.IsZero() {
		t.Fatalf("%+v, %v", made, err)
	}
	valid(t, "silence.v1", made)
	r.stop()
	r = start(t, dir, follow.Config{Wait: time.Millisecond})
	ended, err := r.EndSilence(t.Context(), made.ID, "bob", time.Now())
	if err != nil || ended.EndedBy != "bob" || ended.Holds(time.Now()) {
		t.Errorf("%+v, %v", ended, err)
	}
	valid(t, "silence.v1", ended)
	if _, err := r.EndSilence(t.Context(), made.ID, "bob", time.Now()); !errors.Is(err, follow.ErrNot) {
		t.Errorf("ended twice: %v", err)
	}
	if _, err := r.EndSilence(t.Context(), "sil-none", "bob", time.Now()); !errors.Is(err, store.ErrNone) {
		t.Errorf("ended what is none: %v", err)
	}
	if all := r.Silences(); len(all) != 1 || all[0].EndedBy != "bob" {
		t.Errorf("%+v", all)
	}
}

func TestTicketsOfAnIncidentAreKept(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir, follow.Config{Wait: time.Millisecond})
	from := time.Now().Add(-2 * time.Minute)
	r.round(t, from, "", "a")
	r.round(t, from.Add(time.Minute), checks.AuthRejected, "a")
	opened := r.untilIncident(t, "a", "opened", func(i results.Incident) bool { return i.Seq == 1 })
	ticket := results.Ticket{Schema: results.TicketSchema, Incident: opened.ID, Desk: "jira", Ref: "OPS-812", URL: "https://jira.example/OPS-812", Open: true, Seq: 1, At: time.Now().UTC().Truncate(time.Millisecond)}
	valid(t, "ticket.v1", ticket)
	mail := ticket
	mail.Desk = "chat"
	for _, each := range []results.Ticket{ticket, mail} {
		if err := r.PutTicket(t.Context(), each); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if all := r.Tickets(opened.ID); len(all) != 2 || all[1] != ticket {
			t.Errorf("%+v", all)
		}
		r.stop()
		r = start(t, dir, follow.Config{Wait: time.Millisecond})
	}
}
