package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"lamplighter/results"
)

// candidate is a group that fails as a whole.
type candidate struct {
	*group
	count
	covers int // how many BMCs it would explain
	rank   int
	stale  bool // some of its BMCs were explained by another
	// outside is what was counted beside it, and where.
	outside count
	beside  *group
}

// choice is the search for causes of one trouble in one window.
type choice struct {
	*Engine
	trouble
	window
	share     int
	now       time.Time
	explained map[*bmc]bool
	all       []*candidate
	by        map[*group]*candidate
}

// choose finds the groups that fail as a whole among those of BMCs that wait, and has each become an incident: first the one that
// explains the most, then of what is left.
func (e *Engine) choose(t trouble, due []*bmc, w window, now time.Time) *choice {
	c := &choice{Engine: e, trouble: t, window: w, share: e.settings.Share, now: now, explained: map[*bmc]bool{}, by: map[*group]*candidate{}}
	if t.class == results.ClassUs {
		c.share = e.settings.Us
	}
	for _, b := range due {
		for _, s := range b.seats {
			c.add(s.group)
		}
	}
	for best := c.best(); best != nil; best = c.best() {
		c.claim(best, now)
	}
	return c
}

func (t trouble) rank(g *group) int {
	if t.class == results.ClassUs {
		if !g.us && g.kind != results.CauseCredential {
			return -1
		}
		return slices.Index(t.why.kinds(), g.kind)
	}
	if g.us {
		return -1
	}
	return rank(t.class, g.kind)
}

// add has a group be looked at, once; one that was taken back just now is not.
func (c *choice) add(g *group) *candidate {
	if x, known := c.by[g]; known {
		return x
	}
	var new *candidate
	if rank := c.trouble.rank(g); g != c.fleet && rank >= 0 && c.now.Sub(c.wrong[g.place]) > c.settings.Hold {
		new = &candidate{group: g, rank: rank}
	}
	c.by[g] = new
	if new != nil && c.weigh(new) {
		c.all = append(c.all, new)
	}
	return new
}

// weigh counts what the group explains, and says whether it fails as a whole.
func (c *choice) weigh(x *candidate) bool {
	x.stale, x.covers = false, 0
	broken := c.broken(x.group, c.window, c.explained)
	if len(broken) < 2 {
		return false
	}
	well, hopeless := c.well(x.group, c.window, c.explained, broken, c.share, c.buffer)
	if c.buffer = well; hopeless {
		return false
	}
	x.count = stretch(broken, well, c.settings.Share)
	if c.class == results.ClassUs && x.fails < c.settings.Smallest {
		if x.count = stretch(broken, well, c.share); 100*x.fails < c.share*len(x.bmcs) {
			return false
		}
	}
	if x.fails < c.settings.Smallest && !c.sparse(x.group, x.count) || x.rank >= 2 && 2*x.asked < len(x.bmcs) {
		return false // too few, or of an unlikely kind, and not even half was asked
	}
	if !c.wholeParts(c.trouble, x.group, c.window, x.from, c.share, c.explained) {
		return false
	}
	for _, b := range x.who {
		if c.takes(x.group, b) {
			x.covers++
		}
	}
	return x.covers > 0
}

// takes says that a group would explain a BMC: it fails for sure, and in no incident of another group.
func (c *choice) takes(g *group, b *bmc) bool {
	if c.class == results.ClassUs {
		return b.dark == nil || c.swallows(g, b.dark)
	}
	return hardClass(b.State) == c.class && (b.in == nil || c.swallows(g, b.in) || b.in.Class != c.class)
}

// swallows says that all that fail in an incident are in a group: it is a part of that.
func (c *choice) swallows(g *group, a *affair) bool {
	if a.Cause.Kind != results.CauseBMC && (a.Class != c.class || a.NeverSeen != c.neverSeen) {
		return false
	}
	if a.Cause == g.cause() {
		return true
	}
	for b := range a.members {
		if !slices.ContainsFunc(b.seats, func(s seat) bool { return s.group == g }) {
			return false
		}
	}
	return true
}

// best is the candidate that explains the most and fails clearly more than what lies outside of it; nil: there is none.
func (c *choice) best() *candidate {
	for {
		c.all = slices.DeleteFunc(c.all, func(x *candidate) bool { return x.stale && !c.weigh(x) })
		if len(c.all) == 0 {
			return nil
		}
		best := slices.MinFunc(c.all, likelier)
		c.all = slices.DeleteFunc(c.all, func(x *candidate) bool { return x == best })
		if c.stands(best) {
			return best
		}
		c.by[best.group].covers = 0
	}
}

// likelier orders candidates: a kind of cause that is less plausible has to explain a tenth more for each step; of those that explain
// as much the smaller group goes first.
func likelier(a, b *candidate) int {
	return cmp.Or(cmp.Compare(b.covers*(10-b.rank), a.covers*(10-a.rank)), cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.bmcs), len(b.bmcs)),
		strings.Compare(string(a.kind), string(b.kind)), strings.Compare(a.key, b.key))
}

// stands compares a candidate with what lies outside: the next wider place, or else the site or the fleet, without what fails as a
// whole itself.
func (c *choice) stands(x *candidate) bool {
	if c.class == results.ClassUs {
		return true
	}
	for beside := c.around(x.group); ; beside = c.wider(beside) {
		x.beside = beside
		x.outside = c.since(beside.bmcs, c.window, x.from, func(b *bmc) bool { return c.explained[b] || c.belongs(x.group, b) })
		if x.outside.asked >= c.settings.Smallest || beside == c.fleet {
			break
		}
	}
	return x.outside.asked == 0 || 100*x.outside.fails*x.asked <= c.settings.Outside*x.fails*x.outside.asked
}

// belongs says that a BMC is not outside of a group: it is in it, or in another of its kind that fails as a whole, too, or
// in the incident of one. That other one need not have anybody who waits: if it was passed over before, because too much failed
// beside it that nobody could explain yet, its turn is now.
func (c *choice) belongs(g *group, b *bmc) bool {
	if b.in != nil && b.in.Cause.Kind != results.CauseBMC && b.in.Class == c.class {
		return true
	}
	for _, s := range b.seats {
		if s.group == g {
			return true
		}
		if s.kind != g.kind || (len(s.parts) > 0) != (len(g.parts) > 0) {
			continue
		}
		if other := c.add(s.group); other != nil && other.covers > 0 {
			return true
		}
	}
	return false
}

// around is where a group lies: its place is in a wider one, all else in the site of its BMCs, or in the fleet.
func (c *choice) around(g *group) *group {
	if g.wider != nil && slices.Contains(placeKinds, g.kind) {
		return g.wider
	}
	if site := c.groups[place{results.CauseSite, g.bmcs[0].State.Site}]; site != nil && g.kind != results.CauseSite &&
		!slices.ContainsFunc(g.bmcs, func(b *bmc) bool { return b.State.Site != g.bmcs[0].State.Site }) {
		return site
	}
	return c.fleet
}

func (c *choice) wider(g *group) *group {
	if g.wider != nil {
		return g.wider
	}
	return c.fleet
}

// explain marks BMCs as explained.
func (c *choice) explain(all []*bmc) {
	for _, b := range all {
		c.explained[b] = true
		for _, s := range b.seats {
			if x := c.by[s.group]; x != nil {
				x.stale = true
			}
		}
	}
}
