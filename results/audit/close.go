package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// Report is what a ledger found of the rounds due from From to Until.
type Report struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// Expected is how many rounds the schedule asks for. Each has a verdict, stands behind a merged record, was skipped with
	// a reason, or is lost.
	Expected int       `json:"expected"`
	Seen     int       `json:"seen"`
	Merged   int       `json:"merged"`
	Skipped  int       `json:"skipped"`
	Lost     []Loss    `json:"lost"`
	Silent   []Silence `json:"silent"`
	// Arrived are rounds that an earlier report called lost.
	Arrived []checks.Round `json:"arrived"`
	// Tiers are what satellites say of the routine rounds due in these minutes, of BMCs that left the inventory, too.
	Tiers map[string]Tiers `json:"-"`
}

// Tiers is how many rounds a satellite handed to the bus, gave a verdict of to the sink, and how many of its verdicts are there.
type Tiers struct {
	Started int `json:"started"`
	Judged  int `json:"judged"`
	Seen    int `json:"seen"`
}

// Loss is a round without a verdict or a reason.
type Loss struct {
	Round checks.Round `json:"round"`
	BMC   inventory.ID `json:"bmc"`
	Due   time.Time    `json:"due"`
	Where Where        `json:"where"`
}

// Silence is an alarm: nothing was heard of a BMC for two intervals, neither a verdict nor a reason why there is none.
type Silence struct {
	BMC   inventory.ID `json:"bmc"`
	Since time.Time    `json:"since"` // due of the first round that is missing
}

// LookBack is how long after a satellite's last tally its silence makes the auditor unsure: records that were sent so long before
// Plan.From matter, too.
const LookBack = 10 * time.Minute

// Close judges the rounds that are due before until, a whole minute, and were not judged before. Nothing of them may be on
// the way any more.
func (l *Ledger) Close(until time.Time) Report {
	until = until.UTC().Truncate(time.Minute)
	report := Report{From: l.closed, Until: until, Arrived: l.arrived, Tiers: map[string]Tiers{}}
	l.arrived = nil
	if !until.After(l.closed) {
		report.Until = l.closed
		return report
	}
	lost := map[time.Time][]checks.Round{}
	for id, r := range l.rows {
		l.spread(id, r)
		if !r.stranger {
			l.closeRow(id, r, until, &report, lost)
		}
	}
	for minute, rounds := range lost {
		report.Lost = append(report.Lost, l.locate(minute, rounds)...)
	}
	for at, m := range l.minutes {
		if !at.Before(l.closed) && at.Before(until) {
			m.count(report.Tiers)
		}
	}
	l.closed = until
	l.forget()
	report.Arrived, l.arrived = append(report.Arrived, l.arrived...), nil // by merged records
	slices.SortFunc(report.Lost, func(a, b Loss) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.BMC, b.BMC)) })
	slices.SortFunc(report.Silent, func(a, b Silence) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.BMC, b.BMC)) })
	return report
}

// spread enters the rounds that merged records stand for, the oldest record first.
func (l *Ledger) spread(id inventory.ID, r *row) {
	slices.SortFunc(r.merged, func(a, b merged) int { return cmp.Compare(a.at, b.at) })
	for _, m := range r.merged {
		for _, n := range r.cover(m) {
			round := l.round(id, r, n)
			if page := l.minutes[round.Due.Truncate(time.Minute)]; page != nil {
				page.seen.add(results.HashOf(round))
				page.of(m.satellite).seen.add(results.HashOf(round))
			}
			l.late(round)
		}
	}
	r.merged = nil
}

func (l *Ledger) round(id inventory.ID, r *row, n int) checks.Round {
	return checks.Round{BMC: id, Due: r.first.Add(time.Duration(n) * l.plan.Interval), Why: checks.Routine}
}

func (l *Ledger) closeRow(id inventory.ID, r *row, until time.Time, report *Report, lost map[time.Time][]checks.Round) {
	for ; r.closed < mostRounds; r.closed++ {
		n := r.closed
		round := l.round(id, r, n)
		if !round.Due.Before(until) {
			return
		}
		report.Expected++
		missing := false
		switch {
		case r.judged(n):
			report.Seen++
		case r.covered.has(n):
			report.Merged++
		case r.skipped.has(n):
			report.Skipped++
		default:
			missing = true
			minute := round.Due.Truncate(time.Minute)
			lost[minute] = append(lost[minute], round)
		}
		if !missing || r.heard.has(n) {
			r.silent = 0
			continue
		}
		if r.silent++; r.silent == 2 {
			report.Silent = append(report.Silent, Silence{id, round.Due.Add(-l.plan.Interval)})
		}
	}
}

// count adds a minute to what satellites say.
func (m *minute) count(tiers map[string]Tiers) {
	for satellite, c := range m.by {
		t := tiers[satellite]
		tiers[satellite] = Tiers{t.Started + c.started.rounds, t.Judged + c.judged.rounds, t.Seen + c.seen.rounds}
	}
}

// locate says where a minute's lost rounds were lost.
func (l *Ledger) locate(minute time.Time, rounds []checks.Round) (all []Loss) {
	slices.SortFunc(rounds, func(a, b checks.Round) int { return cmp.Compare(a.BMC, b.BMC) })
	hashes := make([]results.Hash, len(rounds))
	for i, round := range rounds {
		hashes[i] = results.HashOf(round)
	}
	places := l.minute(minute).locate(hashes, l.quiet(minute))
	for i, round := range rounds {
		all = append(all, Loss{round, round.BMC, round.Due, places[i]})
		if len(l.named) < mostNamed {
			l.named[round] = true
		}
	}
	return all
}

// quiet says whether a satellite that may have had a part in a minute did not report it whole: one with verdicts or a partial
// report in it, one that reported shortly before, or nobody did.
func (l *Ledger) quiet(minute time.Time) bool {
	here := l.minutes[minute].by
	reported := false
	for _, c := range here {
		if !c.whole {
			return true
		}
		reported = true
	}
	for back := time.Minute; back <= LookBack; back += time.Minute {
		if before := l.minutes[minute.Add(-back)]; before != nil {
			for satellite, c := range before.by {
				if c.whole && here[satellite] == nil {
					return true
				}
			}
		}
	}
	return !reported
}

// forget lets go of what no later record can change, but for the minutes that quiet looks back to.
func (l *Ledger) forget() {
	maps.DeleteFunc(l.minutes, func(at time.Time, _ *minute) bool { return at.Before(l.closed.Add(-LookBack)) })
	for id, r := range l.rows {
		// What a merged record stands for may reach far back.
		r.forget(r.closed - l.plan.Backlog)
		if r.stranger && l.closed.Sub(r.first) > 24*time.Hour {
			delete(l.rows, id)
		}
	}
}

// backlog is how many closed rounds of a BMC are still known where the plan does not say.
const backlog = 1024

// Mute are the BMCs of which nothing was heard for two intervals up to now, and since when, the longest first.
func (l *Ledger) Mute() (all []Silence) {
	for id, r := range l.rows {
		if !r.stranger && r.silent >= 2 {
			all = append(all, Silence{id, l.round(id, r, r.closed-r.silent).Due})
		}
	}
	slices.SortFunc(all, func(a, b Silence) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.BMC, b.BMC)) })
	return all
}

// Pending is how many rounds due before then have neither a verdict nor a reason, and are not judged yet: they may be on the way.
func (l *Ledger) Pending(then time.Time) (pending int) {
	for id, r := range l.rows {
		if r.stranger {
			continue
		}
		for n := r.closed; n < mostRounds && l.round(id, r, n).Due.Before(then); n++ {
			if !r.seen(n) && !r.skipped.has(n) {
				pending++
			}
		}
	}
	return pending
}
