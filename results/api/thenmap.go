package api

import (
	"context"
	"slices"

	"lamplighter/inventory"
	"lamplighter/results"
)

// look is what a BMC looks like, or looked like: its code, and the overlays after it.
func (s *Server) look(a ask, id inventory.ID) string {
	if a.then == nil {
		s.hub.mu.RLock()
		defer s.hub.mu.RUnlock()
		return s.hub.looks(id)
	}
	b := a.then.bmc(s.Live.Get(id))
	if b == nil {
		return string(results.CodeNone)
	}
	row := rowOf(&b.State, a.then.over(s, id))
	return row.look()
}

// mapThen is the map as it was.
func (s *Server) mapThen(a ask) Map {
	c := &s.hub.cells
	for {
		s.hub.mu.RLock()
		name, number := c.name, c.number // which is replaced as a whole
		s.hub.mu.RUnlock()
		looks := make([]string, len(number))
		for id, n := range number {
			looks[n] = s.look(a, id)
		}
		s.hub.mu.RLock()
		if c.name == name { // else BMCs were numbered anew meanwhile
			defer s.hub.mu.RUnlock()
			return c.document(a.now, looks)
		}
		s.hub.mu.RUnlock()
	}
}

// incidentsAt are the incidents that are not closed, and what was closed of late; or those that were open.
func (s *Server) incidentsAt(a ask) []results.Incident {
	if a.then != nil {
		return a.then.open
	}
	return s.Incidents.Incidents()
}

// incidentOf is the incident that a BMC fails in, or failed; "" where there is none.
func (s *Server) incidentOf(a ask, id inventory.ID) string {
	if a.then != nil {
		return a.then.of[id]
	}
	in, _ := s.Incidents.IncidentOf(id)
	return in
}

// incidentAt is an incident as it is, or was.
func (s *Server) incidentAt(ctx context.Context, a ask, id string) (results.Incident, error) {
	if a.then != nil {
		if at := slices.IndexFunc(a.then.open, func(i results.Incident) bool { return i.ID == id }); at >= 0 {
			return a.then.open[at], nil
		}
	}
	return s.Incidents.Incident(ctx, id)
}

// silencesAt are the silences, or those that held.
func (s *Server) silencesAt(a ask) (all []results.Silence) {
	if a.then == nil {
		return s.Incidents.Silences()
	}
	for _, q := range a.then.quiet {
		all = append(all, q.Silence)
	}
	return all
}
