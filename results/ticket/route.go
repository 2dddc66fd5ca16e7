package ticket

import (
	"slices"

	"lamplighter/checks"
	"lamplighter/results"
)

// Route says which incidents a desk gets. The zero Route gets all.
type Route struct {
	Desk   string
	Owners []checks.Owner // of these owners alone; none: of all
	Sites  []string       // of these sites alone; none: of all, and those of several
	// PagesOnly: only what is worth waking somebody for.
	PagesOnly bool
	// Rest: what no other desk gets, and nothing else.
	Rest bool
}

func (r Route) takes(i results.Incident) bool {
	return (len(r.Owners) == 0 || slices.Contains(r.Owners, i.Owner)) && (len(r.Sites) == 0 || slices.Contains(r.Sites, i.Site)) &&
		(i.Page || !r.PagesOnly)
}

// Takes names the desks that get an incident.
func Takes(routes []Route, i results.Incident) (desks []string) {
	for _, r := range routes {
		if !r.Rest && r.takes(i) {
			desks = append(desks, r.Desk)
		}
	}
	if len(desks) > 0 {
		return desks
	}
	for _, r := range routes {
		if r.Rest && r.takes(i) {
			desks = append(desks, r.Desk)
		}
	}
	return desks
}
