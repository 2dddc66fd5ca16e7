package follow

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// shownFor is how long incidents that were closed and silences that are over are shown beside those that are not.
const shownFor = 24 * time.Hour

// desk is what lies on the table now: incidents, silences, tickets. All methods may be called at the same time.
type desk struct {
	mu        sync.RWMutex
	incidents map[string]results.Incident
	fails     map[inventory.ID]string // the incident that a BMC fails in
	unknown   map[inventory.ID]string // the incident about us by which nothing is known of it
	silences  map[string]results.Silence
	tickets   map[string][]results.Ticket
}

func (d *desk) load(ctx context.Context, from store.Store, incidents []results.Incident, members []results.Member) error {
	silences, err := from.Silences(ctx)
	if err != nil {
		return err
	}
	tickets, err := from.Tickets(ctx, "")
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.incidents, d.fails, d.unknown = map[string]results.Incident{}, map[inventory.ID]string{}, map[inventory.ID]string{}
	d.silences, d.tickets = map[string]results.Silence{}, map[string][]results.Ticket{}
	d.mu.Unlock()
	d.take(Delta{Incidents: incidents, Members: members, Silences: silences, Tickets: tickets})
	return nil
}

// take takes in what is new.
func (d *desk) take(news Delta) {
	if len(news.Incidents)+len(news.Members)+len(news.Silences)+len(news.Tickets) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, i := range news.Incidents {
		d.incidents[i.ID] = i
	}
	for _, m := range news.Members {
		d.move(m)
	}
	for _, s := range news.Silences {
		d.silences[s.ID] = s
	}
	for _, t := range news.Tickets {
		d.put(t)
	}
	d.clear(time.Now().Add(-shownFor))
}

func (d *desk) move(m results.Member) {
	of := d.fails
	if d.incidents[m.Incident].Class == results.ClassUs {
		of = d.unknown
	}
	if m.Left.IsZero() {
		of[m.BMC] = m.Incident
	} else if of[m.BMC] == m.Incident {
		delete(of, m.BMC)
	}
}

func (d *desk) put(t results.Ticket) {
	all := slices.DeleteFunc(slices.Clone(d.tickets[t.Incident]), func(other results.Ticket) bool { return other.Desk == t.Desk })
	all = append(all, t)
	slices.SortFunc(all, func(a, b results.Ticket) int { return strings.Compare(a.Desk, b.Desk) })
	d.tickets[t.Incident] = all
}

// clear takes away what ended before a time.
func (d *desk) clear(before time.Time) {
	for id, i := range d.incidents {
		if i.Status == results.Resolved && i.ClosedAt.Before(before) {
			delete(d.incidents, id)
			delete(d.tickets, id)
		}
	}
	for id, s := range d.silences {
		if s.Over().Before(before) {
			delete(d.silences, id)
		}
	}
}

// Incidents are all that are not closed, and those closed in the last day; the most important first.
func (f *Follower) Incidents() (all []results.Incident) {
	f.desk.mu.RLock()
	defer f.desk.mu.RUnlock()
	for _, i := range f.desk.incidents {
		all = append(all, i)
	}
	slices.SortFunc(all, ByImportance)
	return all
}

// weight orders incidents: what is open before what somebody is on, before what is quiet, before what is closed.
func weight(i results.Incident) int {
	switch {
	case i.Status == results.Resolved:
		return 4
	case i.Silenced != nil:
		return 3
	case i.Status == results.Acknowledged:
		return 2
	case !i.Page:
		return 1
	}
	return 0
}

// ByImportance orders incidents, the most important first.
func ByImportance(a, b results.Incident) int {
	return cmp.Or(cmp.Compare(weight(a), weight(b)), b.ClosedAt.Compare(a.ClosedAt), cmp.Compare(b.Failing, a.Failing), b.OpenedAt.Compare(a.OpenedAt), strings.Compare(a.ID, b.ID))
}

// Incident is one of them, also an old one, or store.ErrNone.
func (f *Follower) Incident(ctx context.Context, id string) (results.Incident, error) {
	f.desk.mu.RLock()
	found, ok := f.desk.incidents[id]
	f.desk.mu.RUnlock()
	if ok {
		return found, nil
	}
	return f.config.Store.Incident(ctx, id)
}

// IncidentOf is the incident that a BMC fails in now, or by which nothing is known of it.
func (f *Follower) IncidentOf(bmc inventory.ID) (id string, ok bool) {
	f.desk.mu.RLock()
	defer f.desk.mu.RUnlock()
	if id, ok = f.desk.fails[bmc]; !ok {
		id, ok = f.desk.unknown[bmc]
	}
	return id, ok
}

// Members are all BMCs that fail in an incident now, by ID; an incident names only some of many.
func (f *Follower) Members(ctx context.Context, id string) (all []results.Child, err error) {
	members, err := f.config.Store.Members(ctx, id)
	for _, m := range members {
		if m.Left.IsZero() {
			all = append(all, m.Child)
		}
	}
	return all, err
}

// Silences are all that are not over, and those that were over in the last day; the newest first.
func (f *Follower) Silences() (all []results.Silence) {
	f.desk.mu.RLock()
	defer f.desk.mu.RUnlock()
	for _, s := range f.desk.silences {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b results.Silence) int { return cmp.Or(b.MadeAt.Compare(a.MadeAt), strings.Compare(a.ID, b.ID)) })
	return all
}

// Tickets are what desks have of an incident, by desk; of an old one ask the store.
func (f *Follower) Tickets(incident string) []results.Ticket {
	f.desk.mu.RLock()
	defer f.desk.mu.RUnlock()
	return slices.Clone(f.desk.tickets[incident])
}
