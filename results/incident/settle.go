package incident

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// place has those that waited long enough become incidents, or parts of them.
func (e *Engine) place(now time.Time) {
	e.released = false
	due, all := map[trouble][]*bmc{}, e.ordered(e.waiting)
	o := outlook{e, map[outlooked]time.Time{}, map[outlooked]bool{}}
	for _, b := range all {
		o.note(b)
	}
	for _, b := range all {
		if t := troubleOf(b); o.due(t, b, now) {
			due[t] = append(due[t], b)
		}
	}
	for _, t := range slices.SortedFunc(maps.Keys(due), inOrder) {
		for _, some := range clusters(due[t], e.apart(t)) {
			c := e.choose(t, some.bmcs, some.window, now)
			for _, b := range some.bmcs {
				if !c.explained[b] {
					e.single(t, b, now)
				}
			}
		}
	}
}

func inOrder(a, b trouble) int {
	bit := map[bool]int{true: 1}
	return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(bit[a.neverSeen], bit[b.neverSeen]), cmp.Compare(a.why, b.why))
}

// apart is how far apart what has one cause may break, or be found to be broken: a refused login shows when the next one is due.
func (e *Engine) apart(t trouble) time.Duration {
	apart, every := e.settings.Window, e.settings.Every
	switch {
	case t.class == results.ClassUs:
		return max(apart, 2*e.settings.Interval)
	case stepOf(t.class) == stepTLS:
		return max(apart, every[checks.TLS]*11/10)
	case stepOf(t.class) == stepLogin:
		return max(apart, every[checks.RedfishLogin]*11/10, every[checks.IPMILogin]*11/10)
	case stepOf(t.class) == stepPower:
		return max(apart, every[checks.Power]*11/10)
	}
	return apart
}

// cluster is BMCs that broke about the same time.
type cluster struct {
	bmcs []*bmc
	window
}

// clusters parts BMCs where more than so long lies between them.
func clusters(all []*bmc, apart time.Duration) (found []cluster) {
	slices.SortFunc(all, func(a, b *bmc) int { return cmp.Or(began(a).Compare(began(b)), byID(a, b)) })
	for _, b := range all {
		at := began(b)
		if last := len(found) - 1; last >= 0 && at.Sub(found[last].to) <= 0 {
			found[last].bmcs, found[last].to = append(found[last].bmcs, b), at.Add(apart)
			continue
		}
		found = append(found, cluster{[]*bmc{b}, window{at.Add(-apart), at.Add(apart)}})
	}
	return found
}

// began is when the trouble that a BMC waits with began.
func began(b *bmc) time.Time {
	if hardClass(b.State) != "" {
		return b.State.Since
	}
	_, since := blindBy(b.State)
	return since
}

// troubleOf is what a BMC waits with.
func troubleOf(b *bmc) trouble {
	return trouble{class: hardClass(b.State), neverSeen: b.State.NeverSeen}
}

// outlook says whether anything is to be learned any more, at one time.
type outlook struct {
	*Engine
	// first is when the first of those broke that wait, of each group, and settled what was found of it.
	first   map[outlooked]time.Time
	settled map[outlooked]bool
}

type outlooked struct {
	trouble
	*group
}

// note takes in a BMC that waits.
func (o outlook) note(b *bmc) {
	t := troubleOf(b)
	for _, s := range b.seats {
		if at := (outlooked{t, s.group}); o.first[at].IsZero() || b.State.Since.Before(o.first[at]) {
			o.first[at] = b.State.Since
		}
	}
}

// due says that a BMC has waited long enough: as long as it may, or until nothing that it belongs to can fail as a whole
// any more, or all there have been asked; or there is an incident already that it belongs to.
func (o outlook) due(t trouble, b *bmc, now time.Time) bool {
	if now.Sub(b.waits) >= o.settings.Hold || b.from != "" || o.openFor(t, b) != nil {
		return true
	}
	for _, s := range b.seats {
		if s.group != o.fleet && t.rank(s.group) >= 0 && !o.isSettled(outlooked{t, s.group}) {
			return false
		}
	}
	return true
}

// isSettled says that nothing is to be learned any more of whether a group fails as a whole.
func (o outlook) isSettled(at outlooked) bool {
	known, ok := o.settled[at]
	if !ok {
		first := o.first[at]
		known = at.over(at.bmcs, first.Add(-o.apart(at.trouble)), first, o.settings.Share)
		o.settled[at] = known
	}
	return known
}

// over says that of BMCs all that count were asked since one broke, or too many are well for the share to fail. Those that broke
// before are long dead.
func (t trouble) over(all []*bmc, before, since time.Time, share int) bool {
	size, well, fails := 0, 0, 0
	for _, b := range all {
		if b.silence != nil || !asked(b, t.class) {
			continue
		}
		if broke, bad := failsBy(b, t.class); bad {
			if broke.Before(before) {
				continue
			}
			fails++
		} else if !passed(b, t.class).Before(since) {
			if well++; 100*well > (100-share)*len(all) {
				return true
			}
		}
		size++
	}
	return 100*well > (100-share)*size || well+fails >= size
}

// openFor is the incident of a group that a BMC belongs to and that it fails by; nil: there is none. An incident of which the most
// have recovered is none of those that fail anew.
func (e *Engine) openFor(t trouble, b *bmc) *affair {
	var best *affair
	for _, s := range b.seats {
		cause := s.cause()
		for _, a := range e.byCause[place{cause.Kind, cause.Key}] {
			if a.Cause.Name != cause.Name || a.Class != t.class || a.NeverSeen != t.neverSeen || a.ID == b.from || t.class == results.ClassUs && a.why != t.why ||
				began(b).Before(a.Since.Add(-e.apart(t))) || e.mostlyOver(a) {
				continue
			}
			if best == nil || len(a.members) > len(best.members) || len(a.members) == len(best.members) && a.ID < best.ID {
				best = a
			}
		}
	}
	return best
}

// single is what becomes of a BMC that no group explains: a part of an open incident, or one of its own.
func (e *Engine) single(t trouble, b *bmc, now time.Time) {
	if a := e.openFor(t, b); a != nil {
		e.enter(a, b, now)
		return
	}
	if b.in != nil && b.in.Cause.Kind == results.CauseBMC {
		e.rest(b) // it is the same one that fails in another way
		return
	}
	a := e.reopened(t, alone(b), now)
	if a == nil {
		a = e.opened(t, alone(b), string(b.id), began(b), now)
	}
	a.From, a.Counted = cmp.Or(b.from, a.From), e.countAlone(t, b)
	e.enter(a, b, now)
}

// rest ends the waiting of a BMC.
func (e *Engine) rest(b *bmc) {
	b.waits, b.from = time.Time{}, ""
	delete(e.waiting, b)
	delete(e.dim, b)
}
