package incident

import (
	"cmp"
	"slices"
	"time"

	"lamplighter/results"
)

// remindAfter is how long an incident may stay as it is: then its document is sent again, so that its topic, which keeps records for
// 90 days, has it as long as it is open.
const remindAfter = 30 * 24 * time.Hour

// review looks at an incident that is not closed: whether what it says still holds, and whether it is over.
func (e *Engine) review(a *affair, now time.Time) {
	if a.Ack != nil && !a.Ack.Until.IsZero() && !now.Before(a.Ack.Until) {
		a.Ack, a.Status = nil, results.Open
		e.touched[a] = true
	}
	if a.why == stopped {
		e.absorb(a, now)
	}
	if a.Cause.Kind != results.CauseBMC && len(a.members) > 0 {
		e.outlive(a, now)
		e.retract(a, now)
	}
	if len(a.members) == 0 && len(a.past) > 0 {
		e.end(a, results.Recovered, now)
	}
	e.hushed(a, now)
	if now.Sub(a.UpdatedAt) > remindAfter {
		e.touched[a] = true
	}
}

// over is how many of an incident's BMCs have recovered since it was opened, or opened again, and when the share of all had.
func (e *Engine) over(a *affair) (most bool, at time.Time) {
	var left []time.Time
	for _, when := range a.past {
		if !when.Before(a.Since) {
			left = append(left, when)
		}
	}
	need := (e.settings.Share*(len(left)+len(a.members)) + 99) / 100
	if len(left) == 0 || len(left) < need {
		return false, at
	}
	slices.SortFunc(left, time.Time.Compare)
	return true, left[need-1]
}

func (e *Engine) mostlyOver(a *affair) bool {
	most, _ := e.over(a)
	return most
}

// outlive has those that still fail a while after the most have recovered become incidents of their own. Those of which nothing is
// known stay.
func (e *Engine) outlive(a *affair, now time.Time) {
	most, at := e.over(a)
	if !most || now.Sub(at) < e.settings.outlive() {
		return
	}
	for _, b := range a.ordered() {
		if a.Class == results.ClassUs {
			e.leave(a, b, now)
			e.dim[b] = true
		} else if hardClass(b.State) != "" {
			e.wait(a, b, now)
		}
	}
	e.end(a, results.Recovered, now)
}

// wait takes a BMC out of an incident that is not its own, to find it another one.
func (e *Engine) wait(a *affair, b *bmc, now time.Time) {
	e.leave(a, b, now)
	b.waits, b.from = now, a.ID
	e.waiting[b], e.released = true, true
}

// retract takes back that a group fails as a whole, where those that had not been asked yet turn out to be well: the incident is
// that of its first BMC then, and the others look for another one. Once somebody has recovered it is too late to tell.
func (e *Engine) retract(a *affair, now time.Time) {
	t := trouble{class: a.Class, neverSeen: a.NeverSeen}
	if a.Class == results.ClassUs || len(a.past) > 0 || now.Sub(a.from) > 2*e.apart(t) {
		return
	}
	g := e.groupOf(a)
	if g == nil {
		return
	}
	if c, certain := t.again(a, g); !certain || c.share() >= e.settings.Share {
		return
	}
	all := a.ordered()
	first := slices.MinFunc(all, func(x, y *bmc) int { return cmp.Or(a.members[x].Since.Compare(a.members[y].Since), byID(x, y)) })
	for _, b := range all {
		if b != first {
			e.wait(a, b, now)
		}
	}
	clear(a.past)
	e.wrong[place{a.Cause.Kind, a.Cause.Key}] = now
	e.recall(a, alone(first))
	a.Counted = e.countAlone(t, first)
}

// farAway is after all that is looked at.
var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// again counts what an incident's group shows now. It is not certain any more once somebody has recovered.
func (t trouble) again(a *affair, g *group) (c count, certain bool) {
	w := window{a.from, farAway}
	for _, b := range g.bmcs {
		_, in := a.members[b]
		at, fails := t.shows(b, w)
		switch {
		case in && !passed(b, a.Class).IsZero():
			return c, false
		case in || fails:
			c.fails++
			c.asked++
		case !at.IsZero() && b.State.FailedAt.Before(a.from):
			c.asked++
		}
	}
	return c, true
}

// groupOf is the group that an incident looks like; nil: there is none any more.
func (e *Engine) groupOf(a *affair) *group {
	for b := range a.members {
		for _, s := range b.seats {
			if s.kind == a.Cause.Kind && s.cause() == a.Cause {
				return s.group
			}
		}
	}
	return nil
}

// alone is a BMC as a cause.
func alone(b *bmc) results.Cause {
	return results.Cause{Kind: results.CauseBMC, Key: string(b.id), Name: "BMC " + string(b.id) + within("", "rack", b.State.Rack)}
}
