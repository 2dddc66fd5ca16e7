package results

import (
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// Judge says what a round found: the health, the check it broke at, and whose job that is. It is pure, and it never makes
// more of the results than they say: what was not asked, or not found out, is Unknown.
func Judge(t checks.Task, bmc inventory.BMC, chain checks.Chain, satellite string, at time.Time) Verdict {
	v := Verdict{
		Schema: Schema,
		BMC:    t.Round.BMC, Address: address(bmc),
		Site: bmc.Site, Room: bmc.Room, Row: bmc.Row, Rack: bmc.Rack, Unit: bmc.Unit,
		Vendor: bmc.Vendor, Model: bmc.Model,
		Satellite: satellite, Round: t.Round, At: at.UTC(),
		Trail: trail(t, at),
	}
	v.Health, v.Failed, v.Reason = decide(t, bmc, chain)
	info := v.Reason.Info()
	v.Owner, v.NextStep = info.Owner, info.NextStep
	return v
}

// decide judges by the last result only where all before it were good: an expired task whose ping was answered ends in an
// unknown result, not in a good ping.
func decide(t checks.Task, bmc inventory.BMC, chain checks.Chain) (checks.Health, checks.Name, checks.Reason) {
	if len(t.Done) == 0 {
		return checks.Unknown, t.Check, checks.SelfError
	}
	for _, r := range t.Done[:len(t.Done)-1] {
		if r.Outcome != checks.OK {
			return checks.Unknown, r.Check, checks.SelfError // no chain goes on after this
		}
	}
	last := t.Done[len(t.Done)-1]
	health := last.Reason.Info().Health
	switch {
	case last.Outcome == checks.OK:
		if next, more := chain.After(bmc, t.Done); more {
			return checks.Unknown, next.Name, checks.SelfError
		}
		return noted(t.Done)
	case last.Outcome == checks.Failed && health != checks.Unknown:
		return health, last.Check, last.Reason
	case last.Reason.Info().Owner == checks.OwnerUs:
		return checks.Unknown, last.Check, last.Reason
	}
	return checks.Unknown, last.Check, checks.SelfError
}

// noted is the health of a chain that was gone through: Degraded by its worst note, else Available.
func noted(done []checks.Result) (checks.Health, checks.Name, checks.Reason) {
	var worst checks.Reason
	for _, r := range done {
		for _, note := range r.Notes {
			if worst == "" || worse(note, worst) {
				worst = note
			}
		}
	}
	if worst == "" {
		return checks.Available, "", ""
	}
	return checks.Degraded, "", worst
}

// worse orders notes: first what would be an outage if it ended the chain, then by how far along the chain it bites, which is
// the order of the table of reasons. tls.insecure comes last: it is a setting that somebody chose, and it must not hide what
// nobody chose.
func worse(a, b checks.Reason) bool { return weight(a) > weight(b) }

func weight(note checks.Reason) int {
	if note == checks.TLSInsecure {
		return 0
	}
	line := 1 + slices.IndexFunc(checks.Reasons, func(info checks.ReasonInfo) bool { return info.Reason == note })
	if note.Info().Health == checks.Unavailable {
		line += len(checks.Reasons)
	}
	return line
}

// trail copies the results, with the age of those that were carried over.
func trail(t checks.Task, at time.Time) []checks.Result {
	all := make([]checks.Result, 0, len(t.Done))
	for _, r := range t.Done {
		if carried(t, r) {
			r.AgeS = max(1, int64(at.Sub(r.At).Seconds()))
		}
		if r.Notes == nil {
			r.Notes = []checks.Reason{}
		}
		if r.Facts == nil {
			r.Facts = checks.Facts{}
		}
		all = append(all, r)
	}
	return all
}

func carried(t checks.Task, r checks.Result) bool {
	return slices.ContainsFunc(t.Carried, func(c checks.Result) bool { return c.Check == r.Check && c.At.Equal(r.At) })
}

func address(bmc inventory.BMC) string {
	if !bmc.Address.IsValid() {
		return ""
	}
	return bmc.Address.String()
}
