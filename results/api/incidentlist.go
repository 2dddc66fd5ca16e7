package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/store"
)

// asksIncidents are the parameters that say which incidents.
var asksIncidents = []string{"status", "owner", "site", "cause", "where"}

var owners = []string{"", string(checks.OwnerNetwork), string(checks.OwnerServer), string(checks.OwnerSecurity), string(checks.OwnerCredentials),
	string(checks.OwnerInventory), string(checks.OwnerUs)}

// wanted says which incidents are asked for. Without a status it is those that are not closed.
type wanted struct{ status, owner, site, cause string }

func (a ask) wanted() (w wanted, err error) {
	if w.status, err = a.choice("status", "", string(results.Open), string(results.Acknowledged), string(results.Resolved), "all"); err != nil {
		return w, err
	}
	if w.owner, err = a.choice("owner", owners...); err != nil {
		return w, err
	}
	causes := []string{""}
	for _, kind := range results.CauseKinds {
		causes = append(causes, string(kind))
	}
	w.cause, err = a.choice("cause", causes...)
	w.site = a.text("site")
	return w, err
}

func (w wanted) match(i *results.Incident) bool {
	return (w.owner == "" || string(i.Owner) == w.owner) && (w.site == "" || strings.EqualFold(i.Site, w.site)) && (w.cause == "" || string(i.Cause.Kind) == w.cause) &&
		(w.status == "" || w.status == "all" || w.status == string(i.Status))
}

// closed says whether closed ones are asked for, too.
func (w wanted) closed() bool { return w.status == "all" || w.status == string(results.Resolved) }

// failingIn counts the BMCs that a filter is true of by the incident that they fail in.
func (s *Server) failingIn(a ask) map[string]int {
	counts := map[string]int{}
	s.matching(a, func(b *follow.BMC) bool {
		if id := s.incidentOf(a, b.State.BMC); id != "" {
			counts[id]++
		}
		return true
	})
	return counts
}

// openOnes are those asked for that are not closed, the most important first. A filter asks the BMCs that fail in them now.
func (s *Server) openOnes(a ask, w wanted) []results.Incident {
	var in map[string]int
	if a.filter.String() != "" {
		in = s.failingIn(a)
	}
	return slices.DeleteFunc(slices.Clone(s.incidentsAt(a)), func(i results.Incident) bool {
		return i.Status == results.Resolved || !w.match(&i) || in != nil && in[i.ID] == 0
	})
}

// closedOnes gives those asked for that are closed, newest first, behind a cursor, until see says that it has enough. A filter
// asks the BMCs that were in them, as they are now.
func (s *Server) closedOnes(ctx context.Context, a ask, w wanted, after int64, see func(store.KeptIncident) (more bool)) error {
	picked := s.picked(a)
	for more := true; more; {
		more = false
		var some []store.KeptIncident
		err := s.Store.Incidents(ctx, store.WhichIncidents{After: after}, func(k store.KeptIncident) bool {
			if after = k.Cursor; k.Incident.Status == results.Resolved && !k.Incident.ClosedAt.After(a.now) && w.match(&k.Incident) {
				some = append(some, k)
			}
			more = len(some) == usualPage
			return !more
		})
		if err != nil {
			return fmt.Errorf("read closed incidents: %w", err)
		}
		for _, k := range some {
			is, err := s.had(ctx, a, k.Incident.ID, picked)
			if err != nil {
				return err
			}
			if is && !see(k) {
				return nil
			}
		}
	}
	return nil
}

// had says whether a BMC that the filter is true of was in an incident.
func (s *Server) had(ctx context.Context, a ask, id string, picked func(inventory.ID) bool) (bool, error) {
	if a.filter.String() == "" {
		return true, nil
	}
	members, err := s.Store.Members(ctx, id)
	if err != nil {
		return false, fmt.Errorf("read the BMCs of incident %s: %w", id, err)
	}
	return slices.ContainsFunc(members, func(m results.Member) bool { return picked(m.BMC) }), nil
}

// seat is where a list of incidents goes on: behind this one, or where it was if it is there no more; or at a cursor of the
// closed ones.
type seat struct {
	ID     string `json:"i"`
	At     int    `json:"n"`
	Closed int64  `json:"c"`
}

// incidentPage is a page of incidents.
type incidentPage struct {
	page[Incident]
	// Total is how many of those asked for are not closed, on whatever page.
	Total int `json:"total"`
}

// incidents answers with a page of incidents, the most important first, the closed ones last: GET /incidents.
func (s *Server) incidents(w http.ResponseWriter, r *http.Request, a ask) error {
	want, err := a.wanted()
	if err != nil {
		return err
	}
	var after seat
	if err := a.cursor(&after); err != nil {
		return err
	}
	all := s.openOnes(a, want)
	p, last := incidentPage{page[Incident]{Items: []Incident{}}, len(all)}, after
	add := func(i results.Incident, at seat) (more bool) {
		if len(p.Items) == a.limit {
			p.Next = next(last)
			return false
		}
		p.Items, last = append(p.Items, s.shown(i)), at
		return true
	}
	if after.Closed == 0 {
		from := min(max(after.At, 0), len(all))
		if at := slices.IndexFunc(all, func(i results.Incident) bool { return i.ID == after.ID }); at >= 0 {
			from = at + 1
		}
		for n, i := range all[from:] {
			if !add(i, seat{ID: i.ID, At: from + n + 1}) {
				break
			}
		}
	}
	if want.closed() && p.Next == "" {
		err = s.closedOnes(r.Context(), a, want, after.Closed, func(k store.KeptIncident) bool { return add(k.Incident, seat{Closed: k.Cursor}) })
	}
	if err != nil {
		return err
	}
	return replyPacked(w, r, p)
}
