package pace

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// group is what was counted of a kind.
type group struct {
	newest int64
	ring   [slots]groupSlot
}

type groupSlot struct {
	number int64
	rounds uint32
	checks [8]*tally // in the order of names; nil: nothing of it
}

// tally is what was counted of a check. took is of those that went well: a timeout takes as long as it may.
type tally struct {
	asked, failed, unknown, unreached uint32
	took                              histogram
}

// see counts a verdict in a slot.
func (g *group) see(v *results.Verdict, protocol string, number int64) {
	s := &g.ring[number%slots]
	if number < s.number {
		return // it came after its slot was given away
	}
	if s.number != number {
		*s = groupSlot{number: number}
	}
	g.newest = max(g.newest, number)
	s.rounds++
	last := -1
	for i := range v.Trail {
		r := &v.Trail[i]
		at := slices.Index(names, r.Check)
		if at < 0 {
			continue // of a later version
		}
		if last = at; r.AgeS == 0 {
			s.of(at).add(r)
		}
	}
	if len(v.Trail) > 0 && v.Trail[len(v.Trail)-1].Outcome != checks.OK {
		s.miss(last, protocol)
	}
}

func (s *groupSlot) of(check int) *tally {
	if s.checks[check] == nil {
		s.checks[check] = new(tally)
	}
	return s.checks[check]
}

func (t *tally) add(r *checks.Result) {
	t.asked++
	switch r.Outcome {
	case checks.OK:
		t.took.add(time.Duration(r.TookMS) * time.Millisecond)
	case checks.Failed:
		t.failed++
	default:
		t.unknown++
	}
}

// miss counts the checks that were not reached after one that did not go well: those that apply to a BMC of the protocol.
func (s *groupSlot) miss(last int, protocol string) {
	facts := checks.Facts{checks.FactProtocol: protocol}
	for at := last + 1; at < len(names); at++ {
		if applies := chain[at].Applies; applies == nil || applies(inventory.BMC{Protocol: inventory.Auto}, facts) {
			s.of(at).unreached++
		}
	}
}

// Check is what was counted of a check: how often it was asked (what was carried over from an earlier round was not), how often it
// failed, how often it could not be found out by our fault, and how often the chain ended before it. The spread is of how long it took
// where it went well.
type Check struct {
	Check      checks.Name `json:"check"`
	Asked      int         `json:"asked"`
	Failed     int         `json:"failed"`
	Unknown    int         `json:"unknown"`
	NotReached int         `json:"not_reached"`
	Spread

	took histogram
}

func (c *Check) merge(t *tally) {
	c.Asked += int(t.asked)
	c.Failed += int(t.failed)
	c.Unknown += int(t.unknown)
	c.NotReached += int(t.unreached)
	c.took.merge(&t.took)
}

// Group is what was counted of a check on a kind of BMCs. Rounds are all of the kind.
type Group struct {
	Kind
	Rounds int `json:"rounds"`
	Check
}

// Whole is a check on the whole fleet, and before, an hour earlier; nil where that hour was not counted whole.
type Whole struct {
	Check
	Before *Check `json:"before"`
}

// Report is what was counted from From to Until.
type Report struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Rounds int       `json:"rounds"`
	// Checks are on the whole fleet, in the chain's order; Groups are of one of them by kind, the most
	// failures first; kinds that are never asked it are left out.
	Checks []Whole     `json:"checks"`
	Of     checks.Name `json:"check"`
	Groups []Group     `json:"groups"`
}

// fresh is how long a report is given out again: what many look at is added up once.
const fresh = 2 * time.Second

// Chain is how the checks went in the last hour, and one of them by vendor and firmware.
func (p *Pace) Chain(check checks.Name, now time.Time) Report {
	p.making.Lock()
	defer p.making.Unlock()
	if since := now.Sub(p.reported); since < 0 || since > fresh {
		clear(p.report)
		p.reported = now
	}
	if _, known := p.report[check]; !known {
		p.report[check] = p.chain(check, now)
	}
	return p.report[check]
}

// sums are what groups add up to, by the number of the check.
type sums struct{ now, before [8]Check }

// chain adds up. Verdicts are taken in meanwhile: the lock is held for one group at a time.
func (p *Pace) chain(check checks.Name, now time.Time) Report {
	from := window(slotOf(now))
	r, all := Report{Until: now.UTC(), Of: check, Groups: []Group{}}, new(sums)
	for kind, g := range p.kinds() {
		one := Group{Kind: kind, Check: Check{Check: check}}
		p.mu.Lock()
		g.sum(&one, all, from)
		p.mu.Unlock()
		r.Rounds += one.Rounds
		if one.Asked+one.NotReached > 0 {
			one.Spread = one.took.spread()
			r.Groups = append(r.Groups, one)
		}
	}
	r.From = p.span(from)
	for at, name := range names {
		w := Whole{Check: all.now[at]}
		w.Check.Check, w.Spread = name, w.took.spread()
		if !p.began.After(startOf(from - hour)) {
			w.Before = &all.before[at]
			w.Before.Check, w.Before.Spread = name, w.Before.took.spread()
		}
		r.Checks = append(r.Checks, w)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		return cmp.Or(b.Failed-a.Failed, b.Rounds-a.Rounds, cmp.Compare(a.Vendor, b.Vendor), cmp.Compare(a.Firmware, b.Firmware))
	})
	return r
}

func (p *Pace) kinds() map[Kind]*group {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.groups)
}

// sum adds what was counted since a slot to one, and to all; and to what was before what was in the hour before that. What a clock that
// is ahead sent counts as now.
func (g *group) sum(one *Group, all *sums, from int64) {
	for i := range g.ring {
		s := &g.ring[i]
		if s.number < from-hour {
			continue
		}
		of := &all.before
		if s.number >= from {
			of, one.Rounds = &all.now, one.Rounds+int(s.rounds)
		}
		for at, t := range s.checks {
			if t == nil {
				continue
			}
			of[at].merge(t)
			if s.number >= from && names[at] == one.Check.Check {
				one.merge(t)
			}
		}
	}
}
