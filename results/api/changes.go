package api

import (
	"fmt"
	"net/http"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// which reads which changes are asked for. The filter asks the BMCs as they are now, not as they were.
func (a ask) which() (w store.Which, err error) {
	kind, err := a.choice("kind", "", string(results.HealthChanged), string(results.StartedFlapping), string(results.StoppedFlapping),
		string(results.WentUnknown), string(results.WentSilent))
	if err != nil {
		return w, err
	}
	w.Kind = results.Kind(kind)
	if w.From, err = a.time("from", time.Time{}); err != nil {
		return w, err
	}
	usual := time.Time{}
	if a.then != nil {
		usual = a.now.Add(time.Millisecond)
	}
	if w.To, err = a.time("to", usual); err != nil {
		return w, err
	}
	if !w.To.IsZero() && w.From.After(w.To) {
		return w, mistake("from", fmt.Errorf("%s is after to, %s", w.From.Format(time.RFC3339), w.To.Format(time.RFC3339)))
	}
	return w, nil
}

// picked says which BMCs a filter is true of now. A BMC that is no more has no state to ask, and matches only where there is no
// filter.
func (s *Server) picked(a ask) func(inventory.ID) bool {
	if a.filter.String() == "" {
		return func(inventory.ID) bool { return true }
	}
	l, known := s.lens(a), map[inventory.ID]bool{}
	return func(id inventory.ID) bool {
		match, asked := known[id]
		if !asked {
			if b := a.then.bmc(s.Live.Get(id)); b != nil {
				match = l.match(a.filter, b)
			}
			known[id] = match
		}
		return match
	}
}

// changes answers with a page of changes, newest first: GET /changes.
func (s *Server) changes(w http.ResponseWriter, r *http.Request, a ask) error {
	which, err := a.which()
	if err != nil {
		return err
	}
	if err := a.cursor(&which.After); err != nil {
		return err
	}
	p := page[results.Change]{Items: []results.Change{}}
	picked, last := s.picked(a), int64(0)
	err = s.Store.Changes(r.Context(), which, func(k store.Kept) bool {
		if !picked(k.Change.BMC) {
			return true
		}
		if len(p.Items) == a.limit {
			p.Next = next(last)
			return false
		}
		p.Items, last = append(p.Items, k.Change), k.Cursor
		return true
	})
	if err != nil {
		return fmt.Errorf("read changes: %w", err)
	}
	return reply(w, p)
}
