package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lamplighter/checks"
)

// sums are what reports of an hour add up to.
type sums struct {
	Expected int `json:"expected"`
	Seen     int `json:"seen"`
	Merged   int `json:"merged"`
	Skipped  int `json:"skipped"`
	// Lost have neither a verdict nor a reason; Late were called lost and came after all.
	Lost int `json:"lost"`
	Late int `json:"late"`

	tiers map[string]Tiers
}

// Site is what a Watch says of one, for rounds due from From to Until, in the last 24 hours at most.
type Site struct {
	Site  string    `json:"site"`
	BMCs  int       `json:"bmcs"`
	From  time.Time `json:"from"`
	Until time.Time `json:"until"` // before From: nothing is judged yet
	sums
	// Pending are due, not judged yet and not there.
	Pending int `json:"pending"`
	// Silent is how many BMCs had neither a verdict nor a reason for two intervals.
	Silent int `json:"silent"`
	// Read is what was taken in since the process began.
	Read       Stats       `json:"read"`
	Satellites []Satellite `json:"satellites"`
	// LostRounds are the newest of those that are lost, SilentBMCs those silent for the longest; at most 200 each.
	LostRounds []Loss    `json:"lost_rounds"`
	SilentBMCs []Silence `json:"silent_bmcs"`
}

// Satellite is what one says of itself and what is there of it.
type Satellite struct {
	Satellite string `json:"satellite"`
	Tiers
	// Since is when its process began to count, ReportedAt when it last did, Version its program's; zero and "": it did not say.
	Since      time.Time `json:"since,omitzero"`
	ReportedAt time.Time `json:"reported_at,omitzero"`
	Version    string    `json:"version,omitempty"`
}

// satellite is what the newest tally says.
type satellite struct {
	since, at time.Time
	version   string
}

// watched is a site that is watched.
type watched struct {
	name       string
	bmcs       int
	from       time.Time
	ledger     *Ledger
	sums       map[time.Time]sums // by the hour that ends
	satellites map[string]*satellite
	lost       []Loss    // the newest
	mute       []Silence // the first of those that are silent, of so many
	muted      int
}

func (s *watched) take(r *record) {
	switch {
	case r.skip != nil:
		s.ledger.Skip(*r.skip, r.rounds)
	case r.tally != nil:
		s.ledger.Tally(*r.tally)
		if one := s.named(r.tally.Satellite); one != nil && r.tally.At.After(one.at) {
			*one = satellite{r.tally.Since, r.tally.At, r.tally.Version}
		}
	default:
		s.ledger.Verdict(r.verdict)
		s.named(r.verdict.Satellite)
	}
}

func (s *watched) named(name string) *satellite {
	if one := s.satellites[name]; one != nil || len(s.satellites) >= mostSatellites {
		return one
	}
	s.satellites[name] = new(satellite)
	return s.satellites[name]
}

// close judges the rounds that were due before then.
func (s *watched) close(then time.Time) {
	report := s.ledger.Close(then)
	if !report.Until.After(report.From) && len(report.Arrived) == 0 {
		return
	}
	mute := s.ledger.Mute()
	s.mute, s.muted = slices.Clone(mute[:min(len(mute), mostListed)]), len(mute)
	hour := report.Until.Add(-1).Truncate(time.Hour)
	sum := s.sums[hour]
	sum.Expected, sum.Seen, sum.Merged = sum.Expected+report.Expected, sum.Seen+report.Seen, sum.Merged+report.Merged
	sum.Skipped, sum.Lost, sum.Late = sum.Skipped+report.Skipped, sum.Lost+len(report.Lost), sum.Late+len(report.Arrived)
	sum.tiers = maps.Clone(sum.tiers)
	if sum.tiers == nil {
		sum.tiers = map[string]Tiers{}
	}
	for name, t := range report.Tiers {
		sum.tiers[name] = sum.tiers[name].with(t)
	}
	s.sums[hour] = sum
	maps.DeleteFunc(s.sums, func(at time.Time, _ sums) bool { return at.Before(hour.Add(-(hours - 1) * time.Hour)) })
	if s.lost = append(s.lost, report.Lost...); len(report.Arrived) > 0 {
		here := map[checks.Round]bool{}
		for _, round := range report.Arrived {
			here[round] = true
		}
		s.lost = slices.DeleteFunc(s.lost, func(l Loss) bool { return here[l.Round] })
	}
	s.lost = slices.DeleteFunc(s.lost, func(l Loss) bool { return l.Due.Before(hour.Add(-(hours - 1) * time.Hour)) })
	s.lost = slices.Clone(s.lost[max(0, len(s.lost)-mostListed):])
}

func (t Tiers) with(other Tiers) Tiers {
	return Tiers{t.Started + other.Started, t.Judged + other.Judged, t.Seen + other.Seen}
}

// report is how things are.
func (s *watched) report(now time.Time) Site {
	all := Site{
		Site: s.name, BMCs: s.bmcs, From: s.from, Until: s.ledger.closed, Pending: s.ledger.Pending(now), Silent: s.muted,
		Read: s.ledger.Stats(), Satellites: []Satellite{}, SilentBMCs: append([]Silence{}, s.mute...),
		LostRounds: append([]Loss{}, s.lost...),
	}
	slices.Reverse(all.LostRounds)
	tiers := map[string]Tiers{}
	for _, sum := range s.sums {
		all.sums.add(sum)
		for name, t := range sum.tiers {
			tiers[name] = tiers[name].with(t)
		}
	}
	if hours := slices.SortedFunc(maps.Keys(s.sums), time.Time.Compare); len(hours) > 0 && hours[0].After(all.From) {
		all.From = hours[0]
	}
	for name, one := range s.satellites {
		all.Satellites = append(all.Satellites, Satellite{name, tiers[name], one.since, one.at, one.version})
	}
	slices.SortFunc(all.Satellites, func(a, b Satellite) int { return cmp.Compare(a.Satellite, b.Satellite) })
	return all
}

func (s *sums) add(other sums) {
	s.Expected, s.Seen, s.Merged = s.Expected+other.Expected, s.Seen+other.Seen, s.Merged+other.Merged
	s.Skipped, s.Lost, s.Late = s.Skipped+other.Skipped, s.Lost+other.Lost, s.Late+other.Late
}
