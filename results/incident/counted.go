package incident

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// say writes down what was counted of a group that fails as a whole.
func (c *choice) say(a *affair, x *candidate) {
	text := fmt.Sprintf("%d of %d in %s%s within %s", x.fails, x.asked, briefly(x.group), c.at(x), span(x.last.Sub(x.from)))
	if c.class == results.ClassUs {
		text = fmt.Sprintf("nothing was found out of %d of %d BMCs within %s", x.fails, x.asked, span(x.last.Sub(x.from)))
	}
	if unasked := len(x.bmcs) - x.asked; unasked > 0 {
		text += fmt.Sprintf(", %d not asked since", unasked)
	}
	if second := x.who[0].Second; second != "" && x.kind == results.CausePath {
		text += "; " + second + " gets answers"
	}
	switch {
	case x.beside == nil:
	case x.outside.asked == 0:
		text += "; nobody else was asked since"
	default:
		text += fmt.Sprintf("; %d of %d elsewhere%s", x.outside.fails, x.outside.asked, in(x.beside))
	}
	if a.Counted != text {
		a.Counted = text
		c.touched[a] = true
	}
}

func in(g *group) string {
	if g.kind == "" {
		return ""
	}
	return " in " + briefly(g)
}

// briefly is a group's name without what lies around it.
func briefly(g *group) string {
	name, _, _ := strings.Cut(g.name, " (")
	return name
}

// at is the check that the most of a candidate's BMCs fail at.
func (c *choice) at(x *candidate) string {
	counts := map[checks.Name]int{}
	for _, b := range x.who {
		if s := b.State; classOf(s.Believed()) == c.class {
			counts[s.Failed]++
		} else if s.Soft != nil {
			counts[s.Soft.Failed]++
		}
	}
	var best checks.Name
	for name, n := range counts {
		if n > counts[best] || n == counts[best] && name < best {
			best = name
		}
	}
	if best == "" {
		return ""
	}
	return " at " + string(best)
}

// span is how long something took, as people say it.
func span(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
}

// countAlone says that a BMC fails alone: what was counted beside it.
func (e *Engine) countAlone(t trouble, b *bmc) string {
	w := window{b.State.Since.Add(-e.apart(t)), b.State.Since.Add(e.apart(t))}
	seats := slices.Clone(b.seats)
	slices.SortStableFunc(seats, func(a, b seat) int {
		return cmp.Or(cmp.Compare(t.rank(a.group), t.rank(b.group)), cmp.Compare(len(a.bmcs), len(b.bmcs)))
	})
	for _, s := range seats {
		if t.rank(s.group) < 0 || len(s.bmcs) < 2 {
			continue
		}
		c := t.since(s.bmcs, w, b.State.Since, func(other *bmc) bool { return other == b })
		if c.asked > 0 {
			return fmt.Sprintf("it alone: %d of %d others in %s that were asked since", c.fails, c.asked, briefly(s.group))
		}
	}
	return "it alone: nobody near it was asked since"
}
