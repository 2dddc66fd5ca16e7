package incident

import (
	"cmp"
	"slices"
	"time"

	"lamplighter/results"
)

// trouble is what BMCs with one cause have in common: a class, and whether they were ever seen to work. Of what is ours it is why
// we know nothing.
type trouble struct {
	class     results.Class
	neverSeen bool
	why       why
}

// window is when what has one cause broke.
type window struct{ from, to time.Time }

// count is what was counted in a group: of the BMCs that were asked since the first of those broke that fail, how many fail.
type count struct {
	fails, asked int
	// from and last are when the first and the last of those that fail broke.
	from, last time.Time
	who        []*bmc // those that fail
}

func (c count) share() int {
	if c.asked == 0 {
		return 0
	}
	return 100 * c.fails / c.asked
}

// shows says what a BMC shows of a trouble: when it broke, or when it was last found without it; zero: neither.
func (t trouble) shows(b *bmc, w window) (at time.Time, fails bool) {
	switch {
	case b.silence != nil:
		return at, false
	case t.class == results.ClassUs:
		return t.showsUs(b, w)
	}
	since, fails := failsBy(b, t.class)
	if fails {
		if b.State.NeverSeen != t.neverSeen || since.Before(w.from) || since.After(w.to) {
			return time.Time{}, false // it has another cause, or died long before
		}
		return since, true
	}
	if at = passed(b, t.class); at.Before(w.from) {
		at = time.Time{}
	}
	return at, false
}

// sign is a BMC that fails, and when it broke.
type sign struct {
	at time.Time
	b  *bmc
}

// broken are the BMCs of a group that fail, those that broke last first.
func (t trouble) broken(g *group, w window, without map[*bmc]bool) (found []sign) {
	for b := range g.ill {
		if without[b] {
			continue
		}
		if at, fails := t.shows(b, w); fails {
			found = append(found, sign{at, b})
		}
	}
	slices.SortFunc(found, func(a, b sign) int { return cmp.Or(b.at.Compare(a.at), byID(a.b, b.b)) })
	return found
}

// well are when the others of a group were found well, in any order; buffer is where to write them. It gives up, as for most groups, once so
// many were since at least two broke that the share cannot fail in any stretch.
func (t trouble) well(g *group, w window, without map[*bmc]bool, broken []sign, share int, buffer []time.Time) (found []time.Time, hopeless bool) {
	found = buffer[:0]
	since, second := 0, broken[1].at
	for _, b := range g.bmcs {
		if without[b] {
			continue
		}
		at, fails := t.shows(b, w)
		if at.IsZero() || fails {
			continue
		}
		found = append(found, at)
		if at.Before(second) {
			continue
		}
		if since++; 100*len(broken) < share*(len(broken)+since) {
			return found, true
		}
	}
	return found, false
}

// stretch counts the longest stretch back from now in which the share fails: what broke before it has another cause.
func stretch(broken []sign, well []time.Time, share int) (best count) {
	since := make([]int, len(broken)+1) // how many were found well since one broke, and before the next later one did
	for _, at := range well {
		i, _ := slices.BinarySearchFunc(broken, at, func(s sign, at time.Time) int { return at.Compare(s.at) })
		since[i]++
	}
	now := count{}
	for i, s := range broken {
		if i == 0 {
			now.last = s.at
		}
		now.fails++
		now.asked += 1 + since[i]
		if now.from = s.at; now.share() >= share {
			best = now
		}
	}
	for _, s := range broken[:best.fails] {
		best.who = append(best.who, s.b)
	}
	return best
}

// since counts what BMCs show from a time on.
func (t trouble) since(all []*bmc, w window, from time.Time, skip func(*bmc) bool) (c count) {
	w.from = from
	for _, b := range all {
		if skip(b) {
			continue
		}
		if at, fails := t.shows(b, w); !at.IsZero() {
			c.asked++
			if fails {
				c.fails++
			}
		}
	}
	return c
}

// racks are the BMCs of a subnet by rack: a subnet may have some racks, and be none of them.
func (g *group) racks() (parts [][]*bmc) {
	by := map[*group]int{}
	for _, b := range g.bmcs {
		for _, s := range b.seats {
			if s.kind != results.CauseRack {
				continue
			}
			at, ok := by[s.group]
			if !ok {
				at = len(parts)
				by[s.group], parts = at, append(parts, nil)
			}
			parts[at] = append(parts[at], b)
		}
	}
	return parts
}

// sections are the parts of a group of which most have to fail as a whole where there are several.
func (g *group) sections() (parts [][]*bmc) {
	if g.kind == results.CauseSubnet {
		if parts = g.racks(); len(parts) < 2 {
			return nil
		}
		return parts
	}
	for part := range g.parts {
		parts = append(parts, part.bmcs)
	}
	return parts
}

// wholeParts says that at least two parts of a group fail as a whole, and as many of those that were asked as the share.
func (e *Engine) wholeParts(t trouble, g *group, w window, from time.Time, share int, without map[*bmc]bool) bool {
	whole, heard := 0, 0
	sections := g.sections()
	if len(sections) == 0 {
		return true
	}
	for _, bmcs := range sections {
		c := t.since(bmcs, w, from, func(b *bmc) bool { return without[b] })
		if c.asked > 0 {
			heard++
		}
		if c.fails > 0 && c.share() >= share {
			whole++
		}
	}
	return whole >= 2 && 100*whole >= share*heard
}

// sparse says that two are enough: most of a rack, subnet or credential was not asked yet, and nobody there is well.
func (t trouble) sparse(g *group, c count) bool {
	if c.fails != 2 || c.asked != 2 || len(g.bmcs) <= 4 {
		return false
	}
	switch g.kind {
	case results.CauseRack, results.CauseSubnet:
		return t.class == results.ClassNet
	case results.CauseCredential:
		return t.class == results.ClassAuth && len(g.parts) == 0
	}
	return false
}
