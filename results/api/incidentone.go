package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// IncidentDetail is an incident with its BMCs, its tickets, and what happened to it.
type IncidentDetail struct {
	Incident
	// Members are the BMCs that are in it or were, those that fail first, at most MostMembers; the filter incident=ID finds all
	// that fail.
	Members []IncidentMember `json:"members"`
	// Changes are those of its members while it lasted, newest first, at most MostMembers, without their trails.
	Changes []results.Change `json:"changes"`
	// Acts are what people did with it, newest first.
	Acts []Act `json:"acts"`
}

// IncidentMember is a BMC that fails in an incident, or did until it left.
type IncidentMember struct {
	results.Child
	Left time.Time `json:"left,omitzero"`
}

// Limits of an incident's detail.
const (
	MostMembers = 1_000
	mostLooked  = 20_000 // changes that are looked at for it
)

// anIncident is the one of the path.
func (s *Server) anIncident(r *http.Request) (results.Incident, error) {
	id := r.PathValue("incident")
	i, err := s.Incidents.Incident(r.Context(), id)
	if errors.Is(err, store.ErrNone) {
		return i, problem(http.StatusNotFound, "no incident with the ID %.200q is known", id)
	}
	if err != nil {
		return i, fmt.Errorf("read incident %s: %w", id, err)
	}
	return i, nil
}

// incident answers with all that is known of one: GET /incidents/{incident}.
func (s *Server) incident(w http.ResponseWriter, r *http.Request, _ ask) error {
	i, err := s.anIncident(r)
	if err != nil {
		return err
	}
	d := IncidentDetail{Incident: s.shown(i), Members: []IncidentMember{}, Acts: s.record.of(i.ID, MostMembers)}
	d.Evidence = orEmpty(i.Evidence)
	members, err := s.Store.Members(r.Context(), i.ID)
	if err != nil {
		return fmt.Errorf("read the BMCs of incident %s: %w", i.ID, err)
	}
	slices.SortStableFunc(members, func(a, b results.Member) int { return a.Left.Compare(b.Left) }) // they were by ID
	for _, m := range members[:min(len(members), MostMembers)] {
		d.Members = append(d.Members, IncidentMember{m.Child, m.Left})
	}
	if d.Changes, err = s.changesOf(r, i, members); err != nil {
		return fmt.Errorf("read the changes of incident %s: %w", i.ID, err)
	}
	return reply(w, d)
}

// changesOf are the changes of an incident's members while it lasted.
func (s *Server) changesOf(r *http.Request, i results.Incident, members []results.Member) ([]results.Change, error) {
	in := make(map[inventory.ID]bool, len(members))
	for _, m := range members {
		in[m.BMC] = true
	}
	which := store.Which{From: i.Since}
	if !i.ClosedAt.IsZero() {
		which.To = i.ClosedAt.Add(time.Second)
	}
	found, looked := []results.Change{}, 0
	err := s.Store.Changes(r.Context(), which, func(k store.Kept) bool {
		if looked++; in[k.Change.BMC] {
			k.Change.Trail = []checks.Result{} // GET /rounds has it
			found = append(found, k.Change)
		}
		return len(found) < MostMembers && looked < mostLooked
	})
	return found, err
}
