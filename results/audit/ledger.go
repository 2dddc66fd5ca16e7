package audit

import (
	"cmp"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// Plan is what the schedule asks for: a routine round of each BMC per interval, as checks.Due says.
type Plan struct {
	Fleet    []inventory.ID
	Interval time.Duration
	From     time.Time // rounds due before do not matter; whole minutes
	// Backlog is how many judged rounds of a BMC are still known, for records that come late; 0: 1024. A bit each, some times over.
	Backlog int
}

// Verdict is what the ledger needs to know of a verdict's record.
type Verdict struct {
	Round     checks.Round
	Satellite string
	// Rounds is how many rounds the record stands for.
	Rounds uint64
}

// Ledger compares what should have been with what is on Kafka. Records may come in any order, more than once, and late. It is
// for one goroutine.
type Ledger struct {
	plan    Plan
	rows    map[inventory.ID]*row
	minutes map[time.Time]*minute
	named   map[checks.Round]bool // lost, said so, and not seen since
	arrived []checks.Round
	closed  time.Time
	stats   Stats
}

// Stats say what a ledger took in.
type Stats struct {
	Verdicts   int `json:"verdicts"`
	Duplicates int `json:"duplicates"` // the same round by the same satellite again
	Twice      int `json:"twice"`      // the same round by another satellite: a takeover
	Merged     int `json:"merged"`     // records that stand for more than one round
	Skips      int `json:"skips"`
	Tallies    int `json:"tallies"`
	Strangers  int `json:"strangers"` // verdicts of BMCs that the inventory does not have
	Unplanned  int `json:"unplanned"` // routine rounds at times that are not in the schedule
}

// mostNamed bounds the lost rounds that the ledger waits for.
const mostNamed = 100_000

// New opens a ledger.
func New(p Plan) *Ledger {
	p.From, p.Backlog = p.From.UTC().Truncate(time.Minute), cmp.Or(p.Backlog, backlog)
	l := &Ledger{plan: p, rows: make(map[inventory.ID]*row, len(p.Fleet)), minutes: map[time.Time]*minute{}, named: map[checks.Round]bool{}, closed: p.From}
	for _, id := range p.Fleet {
		l.rows[id] = l.newRow(id)
	}
	return l
}

// Fleet says which BMCs there are from now on. Rounds of those that came are expected if they are due at from or later, and of those
// that left no more.
func (l *Ledger) Fleet(fleet []inventory.ID, from time.Time) {
	listed := make(map[inventory.ID]bool, len(fleet))
	for _, id := range fleet {
		listed[id] = true
		r := l.rows[id]
		if r == nil {
			r = l.newRow(id)
			r.stranger = true
			l.rows[id] = r
		}
		if r.stranger {
			first, _ := r.number(checks.Due(id, l.plan.Interval, from), l.plan.Interval)
			r.stranger, r.silent, r.closed = false, 0, max(r.closed, first)
		}
	}
	for id, r := range l.rows {
		r.stranger = !listed[id]
	}
	l.plan.Fleet = fleet
}

func (l *Ledger) newRow(id inventory.ID) *row {
	return &row{first: checks.Due(id, l.plan.Interval, l.plan.From)}
}

// row is a BMC's, also of one that left the inventory: its rounds are in the satellites' tallies.
func (l *Ledger) row(id inventory.ID) *row {
	r := l.rows[id]
	if r == nil && len(l.rows) < 2*len(l.plan.Fleet)+10_000 {
		r = l.newRow(id)
		r.stranger = true
		l.rows[id] = r
	}
	return r
}

// Stats says what was taken in.
func (l *Ledger) Stats() Stats { return l.stats }

// Verdict takes in a verdict's record.
func (l *Ledger) Verdict(v Verdict) {
	l.stats.Verdicts++
	r := l.row(v.Round.BMC)
	if r == nil || r.stranger {
		l.stats.Strangers++
	}
	if r == nil {
		return
	}
	n, exact := r.number(v.Round.Due, l.plan.Interval)
	if n >= mostRounds {
		l.stats.Unplanned++
		return
	}
	r.heard.set(n)
	before := n // the last round that a merged record may stand for besides its own
	if v.Round.Why == checks.Routine {
		before--
		if exact && n >= 0 {
			l.judged(r, n, v.Round, v.Satellite)
		} else if !exact {
			l.stats.Unplanned++
		}
	}
	if v.Rounds > 1 {
		l.stats.Merged++
		r.merged = append(r.merged, merged{v.Satellite, before, v.Rounds - 1})
	}
}

// judged enters a routine round's verdict.
func (l *Ledger) judged(r *row, n int, round checks.Round, satellite string) {
	own := r.of(satellite)
	if own.has(n) {
		l.stats.Duplicates++
		return
	}
	if n < own.base {
		l.late(round)
		return
	}
	page, hash := l.minute(round.Due), results.HashOf(round)
	if r.seen(n) {
		l.stats.Twice++
	} else {
		page.seen.add(hash)
	}
	page.of(satellite).seen.add(hash)
	own.set(n)
	l.late(round)
}

// late takes back that a round is lost.
func (l *Ledger) late(round checks.Round) {
	if round.Due = round.Due.UTC(); l.named[round] {
		delete(l.named, round)
		l.arrived = append(l.arrived, round)
	}
}

// Skip takes in a skip's record; it may stand for several, which count from it backwards as those of a verdict do.
func (l *Ledger) Skip(s results.Skip, rounds uint64) {
	l.stats.Skips++
	r := l.rows[s.Round.BMC]
	if r == nil {
		return
	}
	n, exact := r.number(s.Round.Due, l.plan.Interval)
	if !exact || n < 0 || n >= mostRounds {
		return
	}
	for ; rounds > 0 && n >= 0 && !r.skipped.has(n) && !r.judged(n); rounds-- {
		r.skipped.set(n)
		l.late(l.round(s.Round.BMC, r, n))
		n--
	}
}

// Tally takes in a tally.
func (l *Ledger) Tally(t results.Tally) {
	l.stats.Tallies++
	if t.Minute.Before(l.closed.Add(-LookBack)) {
		return
	}
	l.minute(t.Minute).tally(t)
}

func (l *Ledger) minute(due time.Time) *minute {
	at := due.UTC().Truncate(time.Minute)
	m := l.minutes[at]
	if m == nil {
		m = &minute{at: at, by: map[string]*counted{}}
		l.minutes[at] = m
	}
	return m
}
