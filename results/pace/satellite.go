package pace

import (
	"cmp"
	"math"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// Name is a satellite in a site whose BMCs it checks.
type Name struct {
	Site      string `json:"site"`
	Satellite string `json:"satellite"`
}

// satellite is what was counted of one.
type satellite struct {
	newest int64
	last   time.Time // when it judged its newest round, by its clock
	heard  time.Time // when that was heard of, by ours
	ring   [slots]beat
}

// beat is a slot of a satellite.
type beat struct {
	number         int64
	rounds, checks uint32
	soonest        time.Duration // from judged to heard, at the least; it may be negative where two clocks differ
	late, way      histogram
}

// satellite is the one of this name, or that of all that are beyond the bound.
func (p *Pace) satellite(name Name, now int64) *satellite {
	if s := p.satellites[name]; s != nil {
		return s
	}
	if len(p.satellites) >= mostSatellites {
		p.purge(now)
	}
	if len(p.satellites) >= mostSatellites {
		name = Name{"", "others"}
		if s := p.satellites[name]; s != nil {
			return s
		}
	}
	s := new(satellite)
	p.satellites[name] = s
	return s
}

func (s *satellite) see(v *results.Verdict, number int64, heard time.Time) {
	if v.At.After(s.last) {
		s.last, s.heard = v.At, heard
	}
	b := &s.ring[number%slots]
	if number < b.number {
		return
	}
	if b.number != number {
		*b = beat{number: number, soonest: math.MaxInt64}
	}
	s.newest = max(s.newest, number)
	b.rounds++
	way := heard.Sub(v.At)
	b.soonest = min(b.soonest, way)
	b.way.add(way)
	for i := range v.Trail {
		if v.Trail[i].AgeS == 0 {
			b.checks++
		}
	}
	if first := v.Trail; v.Round.Why == checks.Routine && len(first) > 0 && first[0].AgeS == 0 {
		b.late.add(first[0].At.Add(-time.Duration(first[0].TookMS) * time.Millisecond).Sub(v.Round.Due))
	}
}

// Satellite is how one kept up in the last hour.
type Satellite struct {
	Name
	// LastAt is when it judged its newest round, by its own clock; HeardAt when that was heard of, by ours.
	LastAt  time.Time `json:"last_at,omitzero"`
	HeardAt time.Time `json:"heard_at,omitzero"`
	// Rounds and Checks are how many it made; what was carried over is no check. PerSecond are checks.
	Rounds    int     `json:"rounds"`
	Checks    int     `json:"checks"`
	PerSecond float64 `json:"checks_per_second"`
	// Late is how long after they were due its routine rounds began; Way how long its verdicts took to be taken in here.
	Late Spread `json:"late"`
	Way  Spread `json:"way"`
	// Soonest is the shortest of these ways in milliseconds; nil: there was none. Below 0 its clock is ahead of ours by at least so much;
	// above, it is behind by so much at most.
	Soonest *int64 `json:"soonest_ms"`
}

// Satellites are those that were heard of in the last two hours, by site and name, with what they did in the last hour.
func (p *Pace) Satellites(now time.Time) (all []Satellite, from time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := window(slotOf(now))
	from = p.span(first)
	for name, s := range p.satellites {
		one := Satellite{Name: name, LastAt: s.last.UTC(), HeardAt: s.heard.UTC()}
		var late, way histogram
		for i := range s.ring {
			b := &s.ring[i]
			if b.number < first || b.rounds == 0 {
				continue
			}
			one.Rounds, one.Checks = one.Rounds+int(b.rounds), one.Checks+int(b.checks)
			late.merge(&b.late)
			way.merge(&b.way)
			if ms := b.soonest.Milliseconds(); one.Soonest == nil || ms < *one.Soonest {
				one.Soonest = &ms
			}
		}
		one.PerSecond = math.Round(100*float64(one.Checks)/max(1, now.Sub(from).Seconds())) / 100
		one.Late, one.Way = late.spread(), way.spread()
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Satellite) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Satellite, b.Satellite))
	})
	return all, from
}
