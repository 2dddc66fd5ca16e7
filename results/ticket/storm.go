package ticket

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lamplighter/results"
)

// causeStorm is the kind of cause of what a Keeper makes up: an incident whose ticket lists those that have none of their own.
const causeStorm results.CauseKind = "storm"

// StormPrefix begins what stands for an incident in the ticket of a storm; the incident that began it follows.
const StormPrefix = "storm-"

// stormOf is the storm that an incident begins.
func stormOf(incident string) string { return StormPrefix + incident }

// allow says whether an incident may have a new ticket.
func (k *Keeper) allow(j *job, doc results.Incident, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return doc.Cause.Kind == causeStorm || j.line.brake.Allow(doc.ID, now)
}

// hold lists an incident in the storm's ticket.
func (k *Keeper) hold(ctx context.Context, j *job, doc results.Incident, now time.Time) (results.Ticket, error) {
	k.mu.Lock()
	l := j.line
	if t := k.tickets[place{l.storm, l.desk}]; l.storm == "" || t.Said.Status == results.Resolved {
		l.storm = stormOf(doc.ID)
		k.log.Warn("too many new tickets: the rest is listed in one", "desk", l.desk, "most", l.brake.Most, "within", l.brake.Within)
	}
	storm := l.storm
	k.numbers.Held++
	k.mu.Unlock()
	t := results.Ticket{Schema: results.TicketSchema, Incident: doc.ID, Desk: l.desk, Open: true, Seq: doc.Seq, At: now.UTC(), OpenedAt: now.UTC(), In: storm, Said: results.SaidOf(doc)}
	if err := k.config.Write(ctx, t); err != nil {
		return t, &unkept{err}
	}
	return t, nil
}

// ofStorm is for an incident that a storm's ticket lists: it is closed there, or is open again and gets a ticket of its own.
func (k *Keeper) ofStorm(ctx context.Context, doc results.Incident, known results.Ticket, now time.Time) (results.Ticket, error) {
	closed := known.Said.Status == results.Resolved
	if closed == (doc.Status == results.Resolved) {
		return known, nil
	}
	t := known
	t.Seq, t.At, t.Said = doc.Seq, now.UTC(), results.SaidOf(doc)
	if t.Open = doc.Status != results.Resolved; t.Open {
		t.In, t.Open, t.OpenedAt, t.Said = "", false, time.Time{}, results.Said{}
	}
	if err := k.config.Write(ctx, t); err != nil {
		return t, &unkept{err}
	}
	return t, nil
}

// refresh makes a storm's incident from what it lists, if we hold it already or it is ours: from is where the one that began it was
// read. The lock is held.
func (k *Keeper) refresh(desk, storm string, from int32, ours bool) {
	l := k.lines[desk]
	h := k.held[storm]
	if l == nil || h == nil && !ours {
		return
	}
	var members []results.Ticket
	for at, t := range k.tickets {
		if at.desk == desk && t.In == storm {
			members = append(members, t)
		}
	}
	doc, known := k.stormDoc(storm, l, members), k.tickets[place{storm, desk}]
	if h == nil {
		if doc.Status == results.Resolved && (known.Incident == "" || known.Said.Status == results.Resolved) {
			return
		}
		h = &held{from: from, jobs: map[string]*job{}}
		k.held[storm] = h
	}
	if h.doc.Seq > 0 && results.SaidOf(doc) == results.SaidOf(h.doc) {
		return
	}
	doc.Seq = max(h.doc.Seq, known.Seq) + 1
	h.doc = doc
	if doc.Status != results.Resolved {
		l.storm = storm
	}
	if h.jobs[desk] == nil {
		h.jobs[desk] = &job{held: h, line: l, index: idle}
	}
	if j := h.jobs[desk]; !j.running {
		k.schedule(j, time.Now())
	}
	k.release(h)
}

func (k *Keeper) stormDoc(storm string, l *line, members []results.Ticket) results.Incident {
	slices.SortFunc(members, func(a, b results.Ticket) int { return a.OpenedAt.Compare(b.OpenedAt) })
	doc := results.Incident{
		Schema: results.IncidentSchema, ID: storm, Status: results.Open, Total: len(members),
		Cause: results.Cause{Kind: causeStorm, Key: l.desk, Name: "a storm of incidents"}, Page: true,
		NextStep: "look for what the listed incidents have in common",
	}
	for _, t := range members {
		if !t.Open {
			continue
		}
		doc.Failing++
		doc.Evidence = append(doc.Evidence, k.listed(t.Incident))
	}
	if len(members) > 0 {
		doc.Since, doc.OpenedAt = members[0].OpenedAt, members[0].OpenedAt
	}
	if doc.Failing == 0 {
		doc.Status, doc.Closed, doc.ClosedAt = results.Resolved, results.Recovered, time.Now().UTC()
	}
	doc.Title = fmt.Sprintf("storm: %d incidents more than the %d new tickets that are allowed in %s", len(members), l.brake.Most, l.brake.Within)
	return doc
}

// listed is a line about an incident.
func (k *Keeper) listed(incident string) string {
	h := k.held[incident]
	if h == nil {
		return incident
	}
	return strings.Join(parts(Title(h.doc), string(h.doc.Owner), "since "+stamp(h.doc.Since), Link(k.config.Link, incident)), "; ")
}
