package api

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/follow"
)

// worst are the healths as people want to see them: first what is broken, then what we do not know.
var worst = []checks.Health{checks.Unavailable, checks.Unknown, checks.Degraded, checks.Available}

// Count says how many BMCs there are, by what is believed of them.
type Count struct {
	Total        int `json:"total"`
	Available    int `json:"available"`
	Degraded     int `json:"degraded"`
	Unavailable  int `json:"unavailable"`
	Unknown      int `json:"unknown"`
	NeverSeen    int `json:"never_seen"`
	Flapping     int `json:"flapping"`
	Soft         int `json:"soft"`
	Acknowledged int `json:"acknowledged"`
	// Silenced is how many a silence or a maintenance keeps quiet, Maintenance how many of these a maintenance.
	Silenced    int `json:"silenced"`
	Maintenance int `json:"maintenance"`
	// Reasons are those of the BMCs that are not available, the most frequent first.
	Reasons []ReasonCount `json:"reasons"`
	// LastAt is when a round was last judged.
	LastAt time.Time `json:"last_at,omitzero"`

	reasons map[checks.Reason]int
}

// ReasonCount is how many BMCs have a reason.
type ReasonCount struct {
	Reason checks.Reason `json:"reason"`
	Owner  checks.Owner  `json:"owner"`
	Count  int           `json:"count"`
}

func (c *Count) add(s *results.State, o overlay) {
	c.Total++
	switch s.Health {
	case checks.Available:
		c.Available++
	case checks.Degraded:
		c.Degraded++
	case checks.Unavailable:
		c.Unavailable++
	default:
		c.Unknown++
	}
	for _, one := range []struct {
		is bool
		n  *int
	}{{s.NeverSeen, &c.NeverSeen}, {s.Flapping != nil, &c.Flapping}, {s.Soft != nil, &c.Soft}, {o.ack != nil, &c.Acknowledged},
		{o.quiet != nil, &c.Silenced}, {o.kind() == results.Maintenance, &c.Maintenance}} {
		if one.is {
			*one.n++
		}
	}
	if s.LastAt.After(c.LastAt) {
		c.LastAt = s.LastAt
	}
	if s.Reason != "" {
		if c.reasons == nil {
			c.reasons = map[checks.Reason]int{}
		}
		c.reasons[s.Reason]++
	}
}

// close sorts the reasons.
func (c *Count) close() {
	c.Reasons = byCount(c.reasons)
}

// byCount are reasons, the most frequent first.
func byCount(counts map[checks.Reason]int) []ReasonCount {
	all := []ReasonCount{}
	for reason, n := range counts {
		all = append(all, ReasonCount{reason, reason.Info().Owner, n})
	}
	slices.SortFunc(all, func(a, b ReasonCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(string(a.Reason), string(b.Reason)))
	})
	return all
}

// Site is a data centre.
type Site struct {
	Site string `json:"site"`
	Count
}

// Rack is a rack.
type Rack struct {
	Site string `json:"site"`
	Room string `json:"room"`
	Row  string `json:"row"`
	Rack string `json:"rack"`
	Count
}

// sites answers with a page of sites: GET /sites.
func (s *Server) sites(w http.ResponseWriter, _ *http.Request, a ask) error {
	return groups(s, w, a, func(b *results.State) [4]string { return [4]string{b.Site} },
		func(key [4]string, c Count) Site { return Site{key[0], c} })
}

// racks answers with a page of racks: GET /racks.
func (s *Server) racks(w http.ResponseWriter, _ *http.Request, a ask) error {
	return groups(s, w, a, func(b *results.State) [4]string { return [4]string{b.Site, b.Room, b.Row, b.Rack} },
		func(key [4]string, c Count) Rack { return Rack{key[0], key[1], key[2], key[3], c} })
}

// groups answers with a page of what BMCs are in, sorted by name.
func groups[T any](s *Server, w http.ResponseWriter, a ask, keyOf func(*results.State) [4]string, make func([4]string, Count) T) error {
	var after *[4]string
	if err := a.cursor(&after); err != nil {
		return err
	}
	counts, l := map[[4]string]*Count{}, s.lens(a)
	s.matching(a, func(b *follow.BMC) bool {
		key := keyOf(&b.State)
		if counts[key] == nil {
			counts[key] = new(Count)
		}
		counts[key].add(&b.State, l.overlay(b))
		return true
	})
	compare := func(a, b [4]string) int { return slices.Compare(a[:], b[:]) }
	p := page[T]{Items: []T{}}
	var last [4]string
	for _, key := range slices.SortedFunc(maps.Keys(counts), compare) {
		if after != nil && compare(key, *after) <= 0 {
			continue
		}
		if len(p.Items) == a.limit {
			p.Next = next(last)
			break
		}
		counts[key].close()
		p.Items, last = append(p.Items, make(key, *counts[key])), key
	}
	return reply(w, p)
}
