package incident

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// mostEvidence is how many BMCs are quoted.
const mostEvidence = 3

// outcome writes down what was decided.
func (e *Engine) outcome(now time.Time) (o Outcome) {
	o.Members, o.Silences, e.moved, e.quiet = e.moved, e.quiet, nil, nil
	for a := range e.touched {
		a.Seq, a.UpdatedAt, a.Failing, a.Total = a.Seq+1, now.UTC(), len(a.members), len(a.members)+len(a.past)
		e.write(a)
		o.Incidents = append(o.Incidents, a.Incident)
	}
	clear(e.touched)
	for key, a := range e.closed {
		if now.Sub(a.ClosedAt) > e.settings.Reopen {
			delete(e.closed, key)
		}
	}
	maps.DeleteFunc(e.wrong, func(_ place, at time.Time) bool { return now.Sub(at) > e.settings.Hold })
	slices.SortFunc(o.Incidents, func(a, b results.Incident) int { return strings.Compare(a.ID, b.ID) })
	return o
}

// write brings a document up to date with who is in the incident. Where nobody is any more it says what was last.
func (e *Engine) write(a *affair) {
	a.Children = []results.Child{}
	all := a.ordered()
	for _, b := range all[:min(len(all), results.MostChildren)] {
		a.Children = append(a.Children, *a.members[b])
	}
	if len(all) == 0 {
		if a.Class == results.ClassUs && a.Total == 0 {
			a.Health, a.Owner, a.NextStep, a.Page = checks.Unknown, checks.OwnerUs, a.Reason.Info().NextStep, true
			a.Title = fmt.Sprintf("looks like %s: %s", a.Cause.Name, a.Reason)
		}
		return
	}
	a.Children = slices.Clip(a.Children)
	a.Failed, a.Reason = mostly(a)
	a.Evidence = slices.Clip(evidence(a, all))
	where(a, all)
	a.Health, a.Page = checks.Unknown, a.Class == results.ClassUs
	for _, b := range all {
		if s := b.State; a.Class != results.ClassUs && s != nil {
			a.Health = max(a.Health, healthIn(s))
		}
	}
	if a.Health == checks.Unavailable && !a.NeverSeen {
		a.Page = true
	}
	a.Owner, a.NextStep = whose(a), next(a)
	a.Title = title(a)
}

// healthIn is how a BMC is, or was before that became unknown.
func healthIn(s *results.State) checks.Health {
	if s.Health == checks.Unknown && s.LastKnown != nil {
		return s.LastKnown.Health
	}
	if s.Health == checks.Available {
		return checks.Degraded // it recovered and is flapping
	}
	return s.Health
}

// mostly is what the most of an incident's BMCs fail at and by. Logins that were stopped are no failure.
func mostly(a *affair) (checks.Name, checks.Reason) {
	type kind struct {
		failed checks.Name
		reason checks.Reason
	}
	counts := map[kind]int{}
	for _, child := range a.members {
		if a.Class == results.ClassUs || child.Reason != checks.SelfGroupStopped {
			counts[kind{child.Failed, child.Reason}]++
		}
	}
	if len(counts) == 0 {
		return a.Failed, a.Reason
	}
	var best kind
	for k, n := range counts {
		if most := counts[best]; n > most || n == most && (k.reason < best.reason || k.reason == best.reason && k.failed < best.failed) {
			best = k
		}
	}
	return best.failed, best.reason
}

// evidence quotes what checks said of some BMCs, and goes on where it was quoted before.
func evidence(a *affair, all []*bmc) []string {
	quoted := slices.Clone(a.Evidence)
	for _, b := range all {
		if len(quoted) >= mostEvidence {
			break
		}
		if b.Said != "" && !slices.Contains(quoted, b.Said) {
			quoted = append(quoted, b.Said)
		}
	}
	if quoted == nil {
		quoted = []string{}
	}
	return quoted
}

// where says where all of an incident's BMCs are.
func where(a *affair, all []*bmc) {
	first := all[0].State
	if first == nil {
		return
	}
	a.Site, a.Room, a.Row, a.Rack, a.Unit = first.Site, first.Room, first.Row, first.Rack, first.Unit
	for _, b := range all {
		s := b.State
		if s == nil {
			continue
		}
		switch {
		case s.Site != a.Site:
			a.Site, a.Room, a.Row, a.Rack, a.Unit = "", "", "", "", 0
			return
		case s.Room != a.Room:
			a.Room, a.Row, a.Rack, a.Unit = "", "", "", 0
		case s.Row != a.Row:
			a.Row, a.Rack, a.Unit = "", "", 0
		case s.Rack != a.Rack:
			a.Rack, a.Unit = "", 0
		case s.Unit != a.Unit:
			a.Unit = 0
		}
	}
}

// whose says whose job an incident is.
func whose(a *affair) checks.Owner {
	switch {
	case a.Class == results.ClassUs && a.Cause.Kind != results.CauseCredential:
		return checks.OwnerUs
	case a.Cause.Kind == results.CauseCredential:
		return checks.OwnerCredentials
	case a.NeverSeen:
		return checks.OwnerInventory
	}
	return a.Reason.Info().Owner
}

// first says what to do first where a cause is of a kind; what is to be done to a BMC comes after that.
var first = map[results.CauseKind]string{
	results.CauseRack:       "look at the rack's switch and power before any of its BMCs",
	results.CauseRow:        "look at the row's power and the switches above its racks before any rack",
	results.CauseRoom:       "look at the room's power and uplinks before any row",
	results.CauseSite:       "look at the site's uplinks and power before any room",
	results.CauseSubnet:     "look at the subnet's gateway and VLAN before any of its BMCs",
	results.CauseCredential: "compare the credential in the keyring with the BMCs: was it changed on one side only?",
	results.CauseFirmware:   "find out what changed for this firmware; try what helps on one BMC first",
	results.CauseIssuer:     "look at the authority and its renewals before any certificate",
	results.CauseKeyring:    "look at the keyring's file or vault, and at who may read it",
	results.CausePath:       "compare the routes and firewall rules of the satellites that disagree",
	results.CauseSatellite:  "look at the satellite, its uplink and its broker",
}

// next is what the owner does next.
func next(a *affair) string {
	step := a.Reason.Info().NextStep
	switch {
	case a.Class == results.ClassUs:
		if a.Cause.Kind == results.CauseSite || a.Cause.Kind == results.CauseSatellite && step != "" {
			return step
		}
		return first[a.Cause.Kind]
	case a.NeverSeen:
		step = results.Provision
	}
	if before := first[a.Cause.Kind]; before != "" && a.Class != results.ClassPolicy {
		return before + "; then: " + step
	}
	return step
}

// title is one line that asserts nothing.
func title(a *affair) string {
	what := string(a.Reason)
	if a.Failed != "" {
		what += " at " + string(a.Failed)
	}
	if a.NeverSeen {
		what += ", never seen to work"
	}
	switch {
	case a.Class == results.ClassUs:
		return fmt.Sprintf("looks like %s: nothing is known of %s: %s", a.Cause.Name, number(len(a.members)), what)
	case a.Cause.Kind == results.CauseBMC:
		return fmt.Sprintf("looks like %s: %s", a.Cause.Name, what)
	}
	idle := 0
	for _, child := range a.members {
		if child.Reason == checks.SelfGroupStopped {
			idle++
		}
	}
	if idle > 0 {
		what += fmt.Sprintf(", logins of %d more stopped", idle)
	}
	return fmt.Sprintf("looks like %s: %s %s", a.Cause.Name, number(len(a.members)-idle), what)
}

func number(bmcs int) string {
	if bmcs == 1 {
		return "1 BMC"
	}
	return fmt.Sprintf("%d BMCs", bmcs)
}
