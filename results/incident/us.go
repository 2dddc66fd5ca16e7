package incident

import (
	"maps"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// why says why we know nothing of a BMC: reasons that have one cause are one.
type why string

// The whys.
const (
	blind   why = "blind"   // the satellite sees nobody
	silent  why = "silent"  // nothing is heard of its rounds
	locked  why = "keyring" // no credential
	parted  why = "path"    // another satellite gets answers
	stopped why = "stopped" // logins of its credential are stopped
	halted  why = "halted"  // somebody stopped all probes
	clogged why = "load"    // too much to do
	erring  why = "error"
)

func whyOf(r checks.Reason) why {
	switch r {
	case checks.SelfBlind:
		return blind
	case checks.SelfSilent:
		return silent
	case checks.SelfKeyring, checks.SelfNoCredential:
		return locked
	case checks.SelfPath:
		return parted
	case checks.SelfGroupStopped:
		return stopped
	case checks.SelfStopped:
		return halted
	case checks.SelfExpired, checks.SelfOverload:
		return clogged
	}
	return erring
}

// kinds are the causes that it may have.
func (w why) kinds() []results.CauseKind {
	switch w {
	case locked:
		return []results.CauseKind{results.CauseKeyring}
	case parted:
		return []results.CauseKind{results.CausePath}
	case stopped:
		return []results.CauseKind{results.CauseCredential}
	}
	return []results.CauseKind{results.CauseSatellite, results.CauseSite}
}

// hold is how long it has to last. Those whose refused logins stopped the others are believed first.
func (w why) hold(usual time.Duration) time.Duration {
	if w == stopped {
		return 3 * usual
	}
	return usual
}

// showsUs says what a BMC shows of a trouble of ours.
func (t trouble) showsUs(b *bmc, w window) (at time.Time, fails bool) {
	if reason, since := blindBy(b.State); reason != "" {
		if whyOf(reason) != t.why || since.Before(w.from) || since.After(w.to) {
			return at, false
		}
		return since, true
	}
	if b.State.Found == nil {
		return at, false
	}
	if at = b.State.Found.At; t.why == locked || t.why == stopped {
		at = b.State.LoginAt
	}
	if at.Before(w.from) {
		return time.Time{}, false
	}
	return at, false
}

// lookUs takes a BMC out of an incident about us once something is found out of it again.
func (e *Engine) lookUs(b *bmc, now time.Time) {
	reason, _ := blindBy(b.State)
	if reason == "" {
		delete(e.dim, b)
		if b.dark != nil {
			e.leave(b.dark, b, now)
		}
		return
	}
	if b.dark != nil || b.silence != nil {
		return
	}
	if a := e.refusing(b); whyOf(reason) == stopped && a != nil && b.in == nil {
		e.enter(a, b, now) // the cause is known
		return
	}
	if _, known := e.dim[b]; !known && (b.in == nil || b.in.Class != results.ClassAuth) {
		e.dim[b] = true
	}
}

// refusing is the incident of the credential of a BMC; nil: there is none.
func (e *Engine) refusing(b *bmc) *affair {
	for _, s := range b.seats {
		for _, a := range e.byCause[s.place] {
			if s.kind == results.CauseCredential && a.Class == results.ClassAuth {
				return a
			}
		}
	}
	return nil
}

// absorb makes an incident of stopped logins a part of that of the credential, where there is one by now.
func (e *Engine) absorb(a *affair, now time.Time) {
	for _, b := range a.ordered() {
		into := e.refusing(b)
		if into == nil {
			continue
		}
		if e.leave(a, b, now); b.in == nil {
			e.enter(into, b, now)
		}
		if a.Into = into.ID; len(a.members) == 0 {
			e.end(a, results.Merged, now)
			return
		}
		a.Into = ""
	}
}

// placeUs has what nothing is known of become incidents about us, where it is enough of what a satellite asks. It never is about a
// single BMC.
func (e *Engine) placeUs(now time.Time) {
	due, anew := map[trouble][]*bmc{}, map[trouble]bool{}
	for _, b := range e.ordered(e.dim) {
		reason, since := blindBy(b.State)
		t := trouble{class: results.ClassUs, why: whyOf(reason)}
		if a := e.openFor(t, b); a != nil {
			e.enter(a, b, now)
			continue
		}
		if now.Sub(since) < t.why.hold(e.settings.Hold) {
			continue
		}
		due[t] = append(due[t], b)
		anew[t] = anew[t] || e.dim[b]
		e.dim[b] = false
	}
	for _, t := range slices.SortedFunc(maps.Keys(due), inOrder) {
		if !anew[t] {
			continue
		}
		for _, some := range clusters(due[t], e.apart(t)) {
			e.choose(t, some.bmcs, some.window, now)
		}
	}
}

// goneAfter is how long a satellite has to be silent until it is taken for one that was taken away.
const goneAfter = 24 * time.Hour

// missSatellites finds satellites that are heard no more, while others of their site are: their BMCs are asked by those, and
// nothing else shows it.
func (e *Engine) missSatellites(now time.Time) {
	long := 2 * e.settings.Interval
	if e.listening.IsZero() || now.Sub(e.listening) < long {
		return
	}
	newest := map[string]time.Time{}
	for name, at := range e.satellites {
		site, _, _ := strings.Cut(name, "/")
		if at.After(newest[site]) {
			newest[site] = at
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.satellites)) {
		site, _, _ := strings.Cut(name, "/")
		e.miss(name, now.Sub(e.satellites[name]) > long && now.Sub(newest[site]) < long, now)
	}
}

// miss opens or closes the incident of a satellite that nobody's trouble shows.
func (e *Engine) miss(name string, missed bool, now time.Time) {
	site, satellite, _ := strings.Cut(name, "/")
	last := e.satellites[name]
	var known *affair
	for _, a := range e.byCause[place{results.CauseSatellite, name}] {
		if a.Class == results.ClassUs {
			known = a
		}
	}
	switch {
	case missed && now.Sub(last) > goneAfter:
		delete(e.satellites, name)
		if known != nil {
			e.end(known, results.Left, now)
		}
	case missed && known == nil:
		what := results.Cause{Kind: results.CauseSatellite, Key: name, Name: "satellite " + satellite + within(site)}
		t := trouble{class: results.ClassUs, why: silent}
		a := e.reopened(t, what, now)
		if a == nil {
			a = e.opened(t, what, "satellite/"+name, last, now)
		}
		a.Since, a.Reason, a.Site = last.UTC(), checks.SelfSilent, site
		a.Counted = "nothing was heard of it since " + last.UTC().Format(time.RFC3339) + "; others ask its BMCs"
	case known != nil && len(known.members) == 0 && known.why == silent && !missed && now.Sub(last) <= 2*e.settings.Interval:
		e.end(known, results.Recovered, now)
	}
}
