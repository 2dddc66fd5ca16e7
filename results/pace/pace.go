// Package pace keeps how the rounds go, while they come: how long each check takes, how often it fails and is not reached, by
// vendor and firmware; and how each satellite keeps up. Nothing is asked of the store, and what is kept is bounded, however large the
// fleet: for the current ten minutes and the two hours before them.
//
// follow tells it each verdict that it takes in; the API asks. It decides nothing.
package pace

import (
	"slices"
	"strings"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

const (
	// slotLasts is how long a slot counts.
	slotLasts = 10 * time.Minute
	// hour is how many slots an hour has; there is one more, which goes on, and an hour before to compare with.
	hour  = int64(time.Hour / slotLasts)
	slots = 2*hour + 1
	// mostGroups bounds the pairs of vendor and firmware that are told apart; those beyond are counted together.
	mostGroups = 512
	// mostSatellites bounds the pairs of site and satellite.
	mostSatellites = 512
	// mostName is how much of a BMC's text is a name.
	mostName = 128
)

// names are the checks in the chain's order; chain says which of them come after a failure.
var (
	chain = checks.Default()
	names = func() (all []checks.Name) {
		for _, check := range chain {
			all = append(all, check.Name)
		}
		return all
	}()
)

// Pace counts rounds. New makes it; all methods may be called at the same time.
type Pace struct {
	began time.Time

	mu         sync.Mutex // guards the following
	groups     map[Kind]*group
	satellites map[Name]*satellite
	purged     int64 // the slot in which was last looked for what can be forgotten

	making   sync.Mutex // guards the following
	report   map[checks.Name]Report
	reported time.Time
}

// New begins to count.
func New(now time.Time) *Pace {
	return &Pace{began: now.UTC(), groups: map[Kind]*group{}, satellites: map[Name]*satellite{}, report: map[checks.Name]Report{}}
}

func slotOf(at time.Time) int64 { return at.UnixNano() / int64(slotLasts) }

func startOf(slot int64) time.Time { return time.Unix(0, slot*int64(slotLasts)).UTC() }

// See takes in a verdict with what is known of its BMC, heard at a time. It takes about a microsecond, whatever was counted before. A
// verdict that stands for several rounds counts as one: only the newest is known to the millisecond.
func (p *Pace) See(v *results.Verdict, facts []results.Fact, heard time.Time) {
	now, slot := slotOf(heard), slotOf(v.At)
	if slot <= now-slots || slot > now+1 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.satellite(Name{v.Site, v.Satellite}, now).see(v, slot, heard)
	p.group(kindOf(v, facts), now).see(v, factOf(facts, checks.FactProtocol), slot)
}

// Kind is what BMCs have in common that may share a fault. Other is all that are beyond the number of kinds that are told apart.
type Kind struct {
	Vendor   string `json:"vendor"`
	Firmware string `json:"firmware"`
	Other    bool   `json:"other"`
}

// kindOf is the kind of a verdict's BMC, as filters see vendor and firmware.
func kindOf(v *results.Verdict, facts []results.Fact) Kind {
	k := Kind{Vendor: v.Vendor, Firmware: factOf(facts, "firmware")}
	if k.Vendor == "" {
		k.Vendor = factOf(facts, "vendor")
	}
	k.Vendor, k.Firmware = short(k.Vendor), short(k.Firmware)
	return k
}

func short(text string) string {
	if len(text) <= mostName {
		return text
	}
	return strings.ToValidUTF8(text[:mostName], "")
}

// factOf is a fact's value; facts are sorted by name.
func factOf(facts []results.Fact, name string) string {
	i, found := slices.BinarySearchFunc(facts, name, func(f results.Fact, name string) int { return strings.Compare(f.Name, name) })
	if !found {
		return ""
	}
	return facts[i].Value
}

// group is the kind's, or that of all others where there are too many.
func (p *Pace) group(kind Kind, now int64) *group {
	if g := p.groups[kind]; g != nil {
		return g
	}
	if len(p.groups) >= mostGroups {
		p.purge(now)
	}
	if len(p.groups) >= mostGroups {
		kind = Kind{Other: true}
		if g := p.groups[kind]; g != nil {
			return g
		}
	}
	g := new(group)
	p.groups[kind] = g
	return g
}

// purge forgets what was not heard of for two hours, once a slot: so that it costs nothing on the whole.
func (p *Pace) purge(now int64) {
	if p.purged == now {
		return
	}
	p.purged = now
	for kind, g := range p.groups {
		if g.newest <= now-slots {
			delete(p.groups, kind)
		}
	}
	for name, s := range p.satellites {
		if s.newest <= now-slots {
			delete(p.satellites, name)
		}
	}
}

// window is where the last hour begins: six slots before the current one, which counts, too.
func window(now int64) (from int64) { return now - hour }

// span is from when the slots count, up to now.
func (p *Pace) span(from int64) time.Time {
	if start := startOf(from); start.After(p.began) {
		return start
	}
	return p.began
}
