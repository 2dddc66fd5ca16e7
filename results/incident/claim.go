package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"lamplighter/results"
)

// claim has a group that fails as a whole be an incident: a new one, one that is widened or opened again, or one that goes on.
func (c *choice) claim(x *candidate, now time.Time) {
	defer c.explain(x.who)
	if other := c.holder(x); other != nil {
		for _, b := range x.who {
			if c.waiting[b] {
				c.enter(other, b, now)
			}
		}
		return
	}
	a := c.lead(x, now)
	parts := map[*affair]bool{}
	for _, b := range x.who {
		if old := c.old(b); old != nil && old != a && c.swallows(x.group, old) {
			parts[old] = true
		}
	}
	for _, b := range x.who {
		if c.old(b) != a && c.takes(x.group, b) {
			c.enter(a, b, now)
		}
	}
	for _, old := range inOrderOf(parts) {
		c.merge(old, a, now)
	}
	a.from = x.from
	c.say(a, x)
}

func inOrderOf(all map[*affair]bool) (sorted []*affair) {
	for a := range all {
		sorted = append(sorted, a)
	}
	slices.SortFunc(sorted, func(a, b *affair) int { return strings.Compare(a.ID, b.ID) })
	return sorted
}

// old is the incident that a BMC is in already.
func (c *choice) old(b *bmc) *affair {
	if c.class == results.ClassUs {
		return b.dark
	}
	return b.in
}

// holder is the incident of the same trouble, of another group, that most of a group fail in already, or come back to; nil: there is
// none.
func (c *choice) holder(x *candidate) *affair {
	held := map[*affair]int{}
	for _, b := range x.who {
		a := c.old(b)
		if a == nil || a.Class != c.class {
			a = c.left(b)
		}
		if a != nil && a.Class == c.class && !c.swallows(x.group, a) {
			if held[a]++; 2*held[a] > x.fails {
				return a
			}
		}
	}
	return nil
}

// left is the incident that a BMC was in before, by the same trouble, if that is still open; nil: there is none.
func (c *choice) left(b *bmc) *affair {
	if c.class == results.ClassUs {
		return nil
	}
	a := c.openFor(c.trouble, b)
	if a == nil || a.past[b.id].IsZero() {
		return nil
	}
	return a
}

// lead is the incident that a group becomes: the one that looks like it already, or did a little while ago; else the one that it
// swallows with the most BMCs, the oldest of those; else a new one.
func (c *choice) lead(x *candidate, now time.Time) *affair {
	what := x.cause()
	var lead *affair
	for _, b := range x.who {
		a := c.old(b)
		if a == nil || !c.swallows(x.group, a) {
			continue
		}
		if lead == nil || older(a, lead) < 0 {
			lead = a
		}
	}
	for _, a := range c.byCause[place{what.Kind, what.Key}] {
		if a.Cause.Name == what.Name && a.Class == c.class && a.NeverSeen == c.neverSeen && (c.class != results.ClassUs || a.why == c.why) {
			return a
		}
	}
	if again := c.reopened(c.trouble, what, now); again != nil {
		return again
	}
	if lead == nil {
		first := x.who[len(x.who)-1]
		lead = c.opened(c.trouble, what, string(first.id), x.from, now)
		lead.From = c.leftOf(x)
		return lead
	}
	lead.Class, lead.NeverSeen = c.class, c.neverSeen
	c.recall(lead, what)
	return lead
}

// older orders incidents by which one a ticket was opened for first.
func older(a, b *affair) int {
	return cmp.Or(cmp.Compare(len(b.members), len(a.members)), a.OpenedAt.Compare(b.OpenedAt), strings.Compare(a.ID, b.ID))
}

// leftOf is the incident that all of a candidate's BMCs were left of; "": none.
func (c *choice) leftOf(x *candidate) string {
	from := x.who[0].from
	for _, b := range x.who {
		if b.from != from {
			return ""
		}
	}
	return from
}
