package api

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/pace"
)

// Satellite is what is known of one in a site: by its verdicts and by what it writes down for the audit. Who owns which BMC only
// satellites know: that a BMC is a satellite's says who judged its newest round.
type Satellite struct {
	pace.Satellite
	// Heard: it was, within two intervals.
	Heard bool `json:"heard"`
	// BMCs are those whose newest round it judged; Recent, within two intervals.
	BMCs   int `json:"bmcs"`
	Recent int `json:"recent"`
	// Reasons say of how many of them nothing is known through a fault of ours, by reason, the most frequent first.
	Reasons []ReasonCount `json:"reasons"`
	// Version is its program's, Since when its process began, ReportedAt when it last counted what it did; "" and none: it did not say.
	Version    string    `json:"version"`
	Since      time.Time `json:"since,omitzero"`
	ReportedAt time.Time `json:"reported_at,omitzero"`
}

// Cover is how well a site is seen.
type Cover struct {
	Site string `json:"site"`
	// BMCs are how many are known; Heard how many satellites were heard of within two intervals.
	BMCs  int `json:"bmcs"`
	Heard int `json:"satellites"`
	// Alone is how many BMCs nobody else would ask if the one satellite that is heard were gone; all of them are where none is.
	Alone int `json:"alone"`
	// Disputed is how many a second satellite sees and the first does not: a path of ours is broken.
	Disputed int `json:"disputed"`
}

// Satellites is what is known of all.
type Satellites struct {
	At time.Time `json:"at"`
	// From is since when rounds and checks are counted: an hour, or since the process began.
	From       time.Time   `json:"from"`
	IntervalS  float64     `json:"interval_s"`
	Sites      []Cover     `json:"sites"`
	Satellites []Satellite `json:"satellites"`
}

// sighting puts together what is known of satellites.
type sighting struct {
	now   time.Time
	since time.Time // who was heard of since is heard
	by    map[pace.Name]*Satellite
	why   map[pace.Name]map[checks.Reason]int
	sites map[string]*Cover
}

// of is a satellite's line; nil: nobody's name is known.
func (s *sighting) of(name pace.Name) *Satellite {
	if s.by[name] == nil {
		s.by[name], s.why[name] = &Satellite{Satellite: pace.Satellite{Name: name}}, map[checks.Reason]int{}
	}
	return s.by[name]
}

func (s *sighting) site(name string) *Cover {
	if s.sites[name] == nil {
		s.sites[name] = &Cover{Site: name}
	}
	return s.sites[name]
}

// state counts a BMC.
func (s *sighting) state(b *results.State) {
	site := s.site(b.Site)
	site.BMCs++
	if b.Reason == checks.SelfPath {
		site.Disputed++
	}
	if b.Satellite == "" {
		return
	}
	name := pace.Name{Site: b.Site, Satellite: b.Satellite}
	sat := s.of(name)
	sat.BMCs++
	if sat.LastAt.Before(b.LastAt) {
		sat.LastAt = b.LastAt // by what was kept over a restart
	}
	if !b.LastAt.Before(s.since) {
		sat.Recent++
	}
	if b.Reason != "" && b.Reason.Info().Owner == checks.OwnerUs {
		s.why[name][b.Reason]++
	}
}

// written adds what satellites say of themselves.
func (s *sighting) written(sites []audit.Site) {
	for _, site := range sites {
		for _, one := range site.Satellites {
			if name := (pace.Name{Site: site.Site, Satellite: one.Satellite}); !one.ReportedAt.IsZero() || s.by[name] != nil {
				sat := s.of(name)
				sat.Version, sat.Since, sat.ReportedAt = one.Version, one.Since, one.ReportedAt
			}
		}
	}
}

// satellites answers with what is known of all satellites: GET /satellites.
func (s *Server) satellites(w http.ResponseWriter, _ *http.Request, a ask) error {
	counted, from := s.Pace.Satellites(a.now)
	see := sighting{a.now, a.now.Add(-2 * s.Interval), map[pace.Name]*Satellite{}, map[pace.Name]map[checks.Reason]int{}, map[string]*Cover{}}
	for _, one := range counted {
		see.of(one.Name).Satellite = one
	}
	all, _ := s.Live.All()
	for _, b := range all {
		see.state(&b.State)
	}
	see.written(s.Rounds.Sites())
	answer := Satellites{At: a.now.UTC(), From: from, IntervalS: s.Interval.Seconds(), Sites: []Cover{}, Satellites: []Satellite{}}
	for name, sat := range see.by {
		if sat.Heard = !sat.LastAt.Before(see.since); sat.Heard {
			see.site(name.Site).Heard++
		}
		sat.Reasons = byCount(see.why[name])
		answer.Satellites = append(answer.Satellites, *sat)
	}
	slices.SortFunc(answer.Satellites, func(a, b Satellite) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Name.Satellite, b.Name.Satellite))
	})
	for _, name := range slices.Sorted(maps.Keys(see.sites)) {
		site := see.sites[name]
		if site.Heard < 2 {
			site.Alone = site.BMCs
		}
		answer.Sites = append(answer.Sites, *site)
	}
	return reply(w, answer)
}
