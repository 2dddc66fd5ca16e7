package api

import (
	"net/http"
	"slices"
	"strings"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// BMC is one in a list: its state, who is on it, and the facts that were asked for.
type BMC struct {
	results.State
	// Code is the state in one character (results.StateCodes).
	Code results.Code `json:"code"`
	Ack  *store.Ack   `json:"ack"`
	// Incident is the ID of the one that it fails in; Silenced says what keeps it quiet.
	Incident string            `json:"incident,omitempty"`
	Silenced *results.Silenced `json:"silenced"`
	Facts    map[string]string `json:"facts,omitempty"`
}

// listed is a BMC as lists have it.
func listed(k *follow.BMC, o overlay) BMC {
	s := &k.State
	return BMC{State: *s, Code: results.CodeOf(s.Health, s.Failed, s.Reason, o.kind()), Ack: o.ack, Incident: o.incident, Silenced: o.silenced()}
}

// matching gives the BMCs that a filter is true of, by ID, until see says that it has enough.
func (s *Server) matching(a ask, see func(b *follow.BMC) (more bool)) {
	l := s.lens(a)
	for _, b := range s.all(a) {
		if l.match(a.filter, b) && !see(b) {
			return
		}
	}
}

// place is where a list goes on: behind this BMC, in this order.
type place struct {
	Key string       `json:"k"`
	BMC inventory.ID `json:"b"`
}

func (p place) compare(other place) int {
	if c := strings.Compare(p.Key, other.Key); c != 0 {
		return c
	}
	return strings.Compare(string(p.BMC), string(other.BMC))
}

// orders are what a list of BMCs can be sorted by; "-" before the name turns it round.
var orders = map[string]func(*results.State) string{
	"bmc":   func(*results.State) string { return "" },
	"since": func(s *results.State) string { return s.Since.UTC().Format(query.Sortable) },
	"rack":  func(s *results.State) string { return strings.Join([]string{s.Site, s.Room, s.Row, s.Rack}, "\x00") },
	"health": func(s *results.State) string {
		return string('a' + rune(slices.Index(worst, s.Health)))
	},
}

// bmcs answers with a page of BMCs: GET /bmcs.
func (s *Server) bmcs(w http.ResponseWriter, _ *http.Request, a ask) error {
	order, err := a.choice("sort", "bmc", "-bmc", "since", "-since", "rack", "-rack", "health", "-health")
	if err != nil {
		return err
	}
	names, err := a.facts()
	if err != nil {
		return err
	}
	var after place
	if err := a.cursor(&after); err != nil {
		return err
	}
	name, down := strings.CutPrefix(order, "-")
	best := first{most: a.limit + 1, down: down}
	s.matching(a, func(b *follow.BMC) bool {
		at := place{orders[name](&b.State), b.State.BMC}
		if after.BMC == "" || best.less(after, at) {
			best.offer(entry{at, b})
		}
		return name != "bmc" || down || len(best.items) < best.most // those by ID come in order
	})
	return reply(w, best.page(a.limit, names, s.lens(a)))
}

// facts reads which facts a list shall have: names, or all.
func (a ask) facts() (names []string, err error) {
	text := a.text("facts")
	if text == "" || text == "all" {
		return strings.Fields(text), nil
	}
	names = strings.Split(text, ",")
	for _, name := range names {
		if len(name) > 100 || name == "" {
			return nil, mistake("facts", errWords)
		}
	}
	return names, nil
}

func chosen(facts []results.Fact, names []string) map[string]string {
	if len(names) == 0 {
		return nil
	}
	found := map[string]string{}
	for _, f := range facts {
		if names[0] == "all" || slices.Contains(names, f.Name) {
			found[f.Name] = f.Value
		}
	}
	return found
}

// first keeps the first BMCs of an order, out of as many as there are.
type first struct {
	most  int
	down  bool
	items []entry // up to twice as many as are wanted
	full  bool    // the first most are sorted, and what comes after the last of them is not wanted
}

type entry struct {
	at  place
	bmc *follow.BMC
}

func (f *first) less(a, b place) bool {
	if f.down {
		a, b = b, a
	}
	return a.compare(b) < 0
}

func (f *first) offer(e entry) {
	if f.full && !f.less(e.at, f.items[f.most-1].at) {
		return
	}
	if f.items = append(f.items, e); len(f.items) == 2*f.most {
		f.sort()
		f.full = true
	}
}

// sort sorts, and drops what is not wanted.
func (f *first) sort() {
	slices.SortFunc(f.items, func(a, b entry) int {
		if f.down {
			a, b = b, a
		}
		return a.at.compare(b.at)
	})
	f.items = f.items[:min(f.most, len(f.items))]
}

func (f *first) page(limit int, facts []string, l lens) page[BMC] {
	f.sort()
	p := page[BMC]{Items: []BMC{}}
	for i, e := range f.items {
		if i == limit {
			p.Next = next(f.items[i-1].at)
			break
		}
		b := listed(e.bmc, l.overlay(e.bmc))
		b.Facts = chosen(e.bmc.Facts, facts)
		p.Items = append(p.Items, b)
	}
	return p
}
