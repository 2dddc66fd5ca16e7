package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results/follow"
)

// mostSearch is how long a searched text may be.
const mostSearch = 200

// Hit is a BMC that was found, or an incident, and by what.
type Hit struct {
	BMC inventory.ID `json:"bmc"`
	// Incident is set, and BMC empty, where an incident was found: by its ID, its title or one of its tickets.
	Incident string `json:"incident,omitempty"`

	Site   string        `json:"site"`
	Rack   string        `json:"rack"`
	Unit   float64       `json:"unit"`
	Health checks.Health `json:"health"`
	// Field has the text that was searched for, in Value.
	Field string `json:"field"`
	Value string `json:"value"`

	rank int
}

// searched are the facts that are searched besides the state.
var searched = []string{"serial", "uuid", "cert_names", "cert_pin", "redfish_product"}

// search answers with the BMCs and incidents that have a text somewhere, best first: the whole value, then its beginning, then a part.
func (s *Server) search(w http.ResponseWriter, _ *http.Request, a ask) error {
	q := strings.ToLower(strings.TrimSpace(a.text("q")))
	if q == "" || len(q) > mostSearch || !utf8.ValidString(q) {
		return mistake("q", fmt.Errorf("want a text of 1 to %d bytes", mostSearch))
	}
	all, _ := s.Live.All()
	hits := []Hit{}
	for _, b := range all {
		if hit, ok := find(b, q); ok {
			hits = append(hits, hit)
		}
	}
	hits = append(hits, s.findIncidents(q)...)
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(a.rank, b.rank) }) // they were by ID
	return reply(w, page[Hit]{Items: hits[:min(a.limit, len(hits))]})
}

// find looks for q, which is in lower case.
func find(b *follow.BMC, q string) (best Hit, ok bool) {
	st := &b.State
	best.rank = len(ranks)
	look := func(field, value string) {
		if r := rankOf(value, q); r < best.rank {
			best = Hit{BMC: st.BMC, Site: st.Site, Rack: st.Rack, Unit: st.Unit, Health: st.Health, Field: field, Value: value, rank: r}
		}
	}
	for _, one := range [][2]string{
		{"bmc", string(st.BMC)}, {"address", st.Address}, {"rack", st.Rack}, {"site", st.Site}, {"model", st.Model}, {"vendor", st.Vendor},
	} {
		look(one[0], one[1])
	}
	for _, f := range b.Facts {
		if slices.Contains(searched, f.Name) {
			look(f.Name, f.Value)
		}
	}
	return best, best.rank < len(ranks)
}

// findIncidents looks for q in incidents: all that are open, and those that were closed in the last day.
func (s *Server) findIncidents(q string) (hits []Hit) {
	for _, i := range s.Incidents.Incidents() {
		best := Hit{rank: len(ranks)}
		look := func(field, value string) {
			if r := rankOf(value, q); r < best.rank {
				best = Hit{Incident: i.ID, Site: i.Site, Rack: i.Rack, Unit: i.Unit, Health: i.Health, Field: field, Value: value, rank: r}
			}
		}
		look("incident", i.ID)
		look("cause", i.Cause.Name)
		look("title", i.Title)
		for _, t := range s.Incidents.Tickets(i.ID) {
			look("ticket", t.Ref)
		}
		if best.rank < len(ranks) {
			hits = append(hits, best)
		}
	}
	return hits
}

// ranks are how well a value fits, best first.
var ranks = []func(value, q string) bool{
	func(value, q string) bool { return value == q }, strings.HasPrefix, strings.Contains,
}

func rankOf(value, q string) int {
	low := strings.ToLower(value)
	for i, fits := range ranks {
		if fits(low, q) {
			return i
		}
	}
	return len(ranks)
}
