package incident

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// affair is an incident with all that are in it.
type affair struct {
	results.Incident
	members map[*bmc]*results.Child
	past    map[inventory.ID]time.Time // who was in it, and when it left
	why     why                        // of an incident about us
	from    time.Time                  // since when its group was counted to fail as a whole; after a start, when it last changed
}

func newAffair(one results.Incident) *affair {
	a := &affair{Incident: one, members: map[*bmc]*results.Child{}, past: map[inventory.ID]time.Time{}, from: one.UpdatedAt}
	if one.Class == results.ClassUs {
		a.why = whyOf(one.Reason)
	}
	return a
}

// cause is what tells incidents that may be opened again apart.
type cause struct {
	place
	class     results.Class
	neverSeen bool
}

// causeOf: a BMC that fails alone is the same cause, however it fails.
func causeOf(one results.Incident) cause {
	c := cause{place{one.Cause.Kind, one.Cause.Key}, one.Class, one.NeverSeen}
	if c.kind == results.CauseBMC {
		c.class, c.neverSeen = "", false
	}
	return c
}

// begin has an incident be one of those that are not closed.
func (e *Engine) begin(a *affair) *affair {
	e.open[a.ID] = a
	at := place{a.Cause.Kind, a.Cause.Key}
	e.byCause[at] = append(e.byCause[at], a)
	e.touched[a] = true
	return a
}

// recall has an incident look like another cause.
func (e *Engine) recall(a *affair, what results.Cause) {
	e.forgetCause(a)
	a.Cause = what
	e.begin(a)
}

func (e *Engine) forgetCause(a *affair) {
	at := place{a.Cause.Kind, a.Cause.Key}
	e.byCause[at] = slices.DeleteFunc(e.byCause[at], func(other *affair) bool { return other == a })
	if len(e.byCause[at]) == 0 {
		delete(e.byCause, at)
	}
}

// opened is a new incident, named after what it begins with, and when that broke.
func (e *Engine) opened(t trouble, what results.Cause, first string, since, now time.Time) *affair {
	a := newAffair(results.Incident{
		Schema: results.IncidentSchema, ID: e.newID(first, since, now), Status: results.Open, Class: t.class, NeverSeen: t.neverSeen,
		Cause: what, Since: since.UTC(), OpenedAt: now.UTC(), Evidence: []string{},
	})
	a.why = t.why
	return e.begin(a)
}

// newID names an incident.
func (e *Engine) newID(first string, since, opened time.Time) string {
	for n := 0; ; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d %d", first, since.UnixNano(), opened.UnixNano(), n))
		id := "inc-" + opened.UTC().Format("20060102") + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:5]))
		if e.open[id] == nil {
			return id
		}
	}
}

// reopened is the incident of a cause that was closed a little while ago, opened again; nil: there is none.
func (e *Engine) reopened(t trouble, what results.Cause, now time.Time) *affair {
	key := causeOf(results.Incident{Cause: what, Class: t.class, NeverSeen: t.neverSeen})
	a := e.closed[key]
	if a == nil || now.Sub(a.ClosedAt) > e.settings.Reopen || t.class == results.ClassUs && a.why != t.why {
		return nil
	}
	delete(e.closed, key)
	a.Status, a.Closed, a.ClosedAt, a.Into, a.Ack = results.Open, "", time.Time{}, "", nil
	a.Class, a.NeverSeen, a.Reopened, a.Since, a.Evidence, a.Cause = t.class, t.neverSeen, a.Reopened+1, time.Time{}, []string{}, what
	return e.begin(a)
}

// seat puts a BMC into an incident.
func (a *affair) seat(b *bmc, child results.Child) {
	a.members[b] = &child
	delete(a.past, b.id)
	if a.Class == results.ClassUs {
		b.dark = a
	} else {
		b.in = a
	}
}

// enter has a BMC fail in an incident, and in no other. One that nobody is left in was a part of this one.
func (e *Engine) enter(a *affair, b *bmc, now time.Time) {
	e.rest(b)
	old := b.in
	if a.Class == results.ClassUs {
		old = b.dark
	}
	child := childOf(b, a)
	if old != nil && old != a {
		asBefore(&child, old.members[b])
		e.leave(old, b, now)
		if len(old.members) == 0 {
			old.Into = a.ID
			e.end(old, results.Merged, now)
		}
	}
	if a.Since.IsZero() || child.Since.Before(a.Since) {
		a.Since = child.Since
	}
	a.seat(b, child)
	e.moved = append(e.moved, results.Member{Incident: a.ID, Child: child})
	e.touched[a] = true
}

// childOf is a BMC as an incident has it.
func childOf(b *bmc, a *affair) results.Child {
	s := b.State
	child := results.Child{BMC: b.id, Rack: s.Rack, Unit: s.Unit, Failed: s.Failed, Reason: s.Reason, Since: s.Since}
	if reason, since := blindBy(s); a.Class == results.ClassUs || hardClass(s) == "" {
		child.Failed, child.Reason, child.Since = "", reason, since
	}
	return child
}

// asBefore has a child whose logins are fenced fail as it did when one was tried last: neither the fence nor the next refusal is news
// of it.
func asBefore(child, before *results.Child) {
	if before.Reason.Info().Owner != checks.OwnerCredentials {
		return
	}
	if child.Reason == checks.AuthFenced {
		child.Failed, child.Reason = before.Failed, before.Reason
	}
	if child.Reason == before.Reason {
		child.Since = before.Since
	}
}

// update has an incident know how its BMC fails now.
func (e *Engine) update(b *bmc) {
	a := b.in
	class := hardClass(b.State)
	if class == "" {
		return
	}
	if a.Cause.Kind == results.CauseBMC && (a.Class != class || a.NeverSeen != b.State.NeverSeen) {
		a.Class, a.NeverSeen = class, b.State.NeverSeen
		e.touched[a] = true
	}
	child := childOf(b, a)
	asBefore(&child, a.members[b])
	if class == a.Class && child != *a.members[b] {
		a.members[b] = &child
		e.moved = append(e.moved, results.Member{Incident: a.ID, Child: child})
		e.touched[a] = true
	}
}

// leave takes a BMC out of an incident.
func (e *Engine) leave(a *affair, b *bmc, now time.Time) {
	e.moved = append(e.moved, results.Member{Incident: a.ID, Child: *a.members[b], Left: now.UTC()})
	a.past[b.id] = now.UTC()
	delete(a.members, b)
	if a.Class == results.ClassUs {
		b.dark = nil
	} else {
		b.in = nil
	}
	e.touched[a] = true
}

// end closes an incident that nobody is in any more.
func (e *Engine) end(a *affair, why results.Closed, now time.Time) {
	if len(a.members) > 0 || a.Status == results.Resolved {
		return
	}
	a.Status, a.Closed, a.ClosedAt, a.Silenced = results.Resolved, why, now.UTC(), nil
	delete(e.open, a.ID)
	e.forgetCause(a)
	e.closed[causeOf(a.Incident)] = a
	e.touched[a] = true
}

// merge makes an incident a part of another.
func (e *Engine) merge(a, into *affair, now time.Time) {
	for _, b := range a.ordered() {
		e.enter(into, b, now)
	}
	a.Into = into.ID
	e.end(a, results.Merged, now)
}

// ordered gives the BMCs of an incident by ID.
func (a *affair) ordered() []*bmc {
	all := make([]*bmc, 0, len(a.members))
	for b := range a.members {
		all = append(all, b)
	}
	slices.SortFunc(all, byID)
	return all
}

// Ack says that somebody is on an incident; nil: nobody is. It is false where there is no such incident that is not closed.
func (e *Engine) Ack(id string, ack *results.IncidentAck) bool {
	a := e.open[id]
	if a == nil {
		return false
	}
	if a.Ack, a.Status = ack, results.Open; ack != nil {
		a.Status = results.Acknowledged
	}
	e.touched[a] = true
	return true
}
