package storetest

import (
	"errors"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// Incident is an open one of a rack, of the suite's fleet, with so many BMCs; n is when it was opened.
func Incident(id string, n int, bmcs ...inventory.ID) results.Incident {
	at := Noon.Add(time.Duration(n) * Interval)
	info := checks.NetTimeout.Info()
	one := results.Incident{
		Schema: results.IncidentSchema, ID: id, Seq: 1, Status: results.Open, Class: results.ClassNet,
		Cause: results.Cause{Kind: results.CauseRack, Key: "ams1/hall-1/A/A03", Name: "rack A03 (ams1, room hall-1, row A)"},
		Title: "looks like rack A03: net.timeout at ping", Counted: "all", Health: checks.Unavailable, Failed: checks.Ping, Reason: checks.NetTimeout,
		Owner: info.Owner, NextStep: info.NextStep, Evidence: []string{"ping 127.0.0.2: no answer"}, Site: "ams1", Room: "hall-1", Row: "A", Rack: "A03",
		Since: at, OpenedAt: at, UpdatedAt: at, Total: len(bmcs), Failing: len(bmcs), Children: []results.Child{}, Page: true,
	}
	for _, m := range Members(one, bmcs...) {
		one.Children = append(one.Children, m.Child)
	}
	return one
}

// Members are BMCs that fail in an incident.
func Members(of results.Incident, bmcs ...inventory.ID) (all []results.Member) {
	for _, bmc := range bmcs {
		child := results.Child{BMC: bmc, Rack: of.Rack, Unit: 7, Failed: of.Failed, Reason: of.Reason, Since: of.Since}
		all = append(all, results.Member{Incident: of.ID, Child: child})
	}
	return all
}

func incidents(s *suite) {
	a, b, c := Incident("inc-a", 0, "x", "y"), Incident("inc-b", 1, "z"), Incident("inc-c", 2, "x")
	s.put(store.Batch{Incidents: []results.Incident{a, b}, Members: append(Members(a, "x", "y"), Members(b, "z")...)})
	s.put(store.Batch{Incidents: []results.Incident{c}, Members: Members(c, "x")})
	newer, left := a, Members(a, "y")
	newer.Seq, newer.Status, newer.Closed, newer.Failing, newer.ClosedAt = 2, results.Resolved, results.Recovered, 0, Noon.Add(Interval)
	left[0].Left = Noon.Add(Interval)
	s.put(store.Batch{Incidents: []results.Incident{newer}, Members: left})
	s.put(store.Batch{Incidents: []results.Incident{a}}) // it comes again
	s.again()
	got, err := s.Incident(s.Context(), "inc-a")
	s.ok(err)
	equal(s, "the newest document", got, newer)
	if _, err := s.Incident(s.Context(), "inc-x"); !errors.Is(err, store.ErrNone) {
		s.Errorf("an incident that is none: %v", err)
	}
	members, err := s.Members(s.Context(), "inc-a")
	s.ok(err)
	equal(s, "members", members, append(Members(a, "x"), left...))
	ids := func(which store.WhichIncidents) (line string, cursor int64) {
		s.Helper()
		s.ok(s.Incidents(s.Context(), which, func(k store.KeptIncident) bool {
			line, cursor = line+k.Incident.ID+" ", k.Cursor
			return len(line) < 12
		}))
		return line, cursor
	}
	line, cursor := ids(store.WhichIncidents{})
	equal(s, "the newest two", line, "inc-c inc-b ")
	for want, which := range map[string]store.WhichIncidents{
		"inc-a ":       {After: cursor},
		"inc-c inc-b ": {Open: true, Closed: Noon.Add(Interval + 1)},
		"inc-c ":       {Open: true, From: Noon.Add(2 * Interval)},
		"inc-c inc-a ": {BMC: "x"},
		"inc-b ":       {From: Noon.Add(Interval), To: Noon.Add(2 * Interval)},
		"":             {BMC: "nobody"},
	} {
		line, _ := ids(which)
		equal(s, "incidents", line, want)
	}
}

func forgetIncidents(s *suite) {
	open, closed := Incident("inc-a", 0, "x"), Incident("inc-b", 0, "y")
	closed.Status, closed.ClosedAt = results.Resolved, Noon.Add(Interval)
	over := results.Silence{Schema: results.SilenceSchema, ID: "s", Seq: 1, Where: "rack=A03", From: Noon, Until: Noon.Add(time.Hour)}
	ended := results.Silence{Schema: results.SilenceSchema, ID: "t", Seq: 1, Where: "rack=A03", From: Noon, Until: Noon.Add(100 * time.Hour), EndedAt: Noon.Add(time.Minute)}
	s.put(store.Batch{Incidents: []results.Incident{open, closed}, Members: append(Members(open, "x"), Members(closed, "y")...),
		Silences: []results.Silence{over, ended}, Tickets: []results.Ticket{{Incident: "inc-b", Desk: "d", At: Noon}}})
	forget := func(hours int, want store.Forgotten) {
		s.Helper()
		gone, err := s.Forget(s.Context(), store.Keep{Changes: 2 * time.Hour}, Noon.Add(time.Duration(hours)*time.Hour))
		s.ok(err)
		equal(s, "forgotten", gone, want)
	}
	forget(1, store.Forgotten{})
	forget(9, store.Forgotten{Incidents: 1, Silences: 2})
	members, err := s.Members(s.Context(), "inc-b")
	s.ok(err)
	tickets, err := s.Tickets(s.Context(), "inc-b")
	s.ok(err)
	equal(s, "what is left of it", len(members)+len(tickets), 0)
	_, err = s.Incident(s.Context(), "inc-a")
	s.ok(err)
}

func silences(s *suite) {
	one := results.Silence{Schema: results.SilenceSchema, ID: "sil-1", Seq: 1, Kind: results.Maintenance, Where: "rack=A03", Who: "ann", Reason: "new switch",
		Ticket: "OPS-812", MadeAt: Noon, From: Noon, Until: Noon.Add(time.Hour)}
	newer := one
	newer.Seq, newer.EndedAt, newer.EndedBy = 2, Noon.Add(time.Minute), "bob"
	other := one
	other.ID = "sil-0"
	ticket := results.Ticket{Schema: results.TicketSchema, Incident: "inc-a", Desk: "jira", Ref: "OPS-812", URL: "https://jira.example/OPS-812", Open: true, Seq: 1, At: Noon}
	told := ticket
	told.Seq, told.At = 2, Noon.Add(time.Minute)
	mail := ticket
	mail.Desk, mail.Incident = "mail", "inc-b"
	closed := Incident("inc-b", 0)
	closed.ClosedAt = Noon
	s.put(store.Batch{Silences: []results.Silence{one, other}, Tickets: []results.Ticket{ticket, mail}, Incidents: []results.Incident{Incident("inc-a", 0), closed}})
	s.put(store.Batch{Silences: []results.Silence{newer}, Tickets: []results.Ticket{told}})
	s.put(store.Batch{Silences: []results.Silence{one}, Tickets: []results.Ticket{ticket}})
	s.again()
	all, err := s.Silences(s.Context())
	s.ok(err)
	equal(s, "silences", all, []results.Silence{other, newer})
	for incident, want := range map[string][]results.Ticket{"": {told, mail}, "inc-a": {told}, "inc-b": {mail}, "inc-x": nil} {
		tickets, err := s.Tickets(s.Context(), incident)
		s.ok(err)
		equal(s, "tickets of "+incident, tickets, want)
	}
}
