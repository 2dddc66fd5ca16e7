package audit

import (
	"slices"
	"time"
)

// mostRounds bounds the numbers of rounds: whatever a record says of a time far away is no round of this schedule.
const mostRounds = 1 << 20

// row is one BMC's line in the ledger. Rounds are numbered from the first that is due in the plan.
type row struct {
	first    time.Time
	stranger bool // the inventory does not have it
	closed   int  // rounds below were judged

	by      []judgedBy
	skipped numbers
	covered numbers // by a coalesced record
	heard   numbers // in the interval that begins with the round there was a verdict of any kind

	merged []merged
	silent int // how many rounds in a row, up to closed, were lost without a word
}

// judgedBy is the rounds that a satellite judged.
type judgedBy struct {
	satellite string
	numbers
}

// merged is a record that stands for more rounds than its own: so many more, the highest of them at most number at.
type merged struct {
	satellite string
	at        int
	more      uint64
}

// number is the number of the round that is due then, or of the last before; exact says that one is due just then.
func (r *row) number(due time.Time, interval time.Duration) (n int, exact bool) {
	since := due.Sub(r.first)
	n = int(since / interval)
	if since < 0 && since%interval != 0 {
		n--
	}
	return n, since%interval == 0
}

func (r *row) judged(n int) bool {
	return slices.ContainsFunc(r.by, func(j judgedBy) bool { return j.has(n) })
}

// of is the rounds that a satellite judged.
func (r *row) of(satellite string) *numbers {
	for i := range r.by {
		if r.by[i].satellite == satellite {
			return &r.by[i].numbers
		}
	}
	base := r.skipped.base
	r.by = append(r.by, judgedBy{satellite, numbers{base: base}})
	return &r.by[len(r.by)-1].numbers
}

// seen says that a round has a verdict.
func (r *row) seen(n int) bool { return r.covered.has(n) || r.judged(n) }

// cover finds the rounds that a merged record stands for: those of its satellite's run before it that have no record of their
// own. The run began after the last record of the same satellite.
func (r *row) cover(m merged) (rounds []int) {
	own := r.of(m.satellite)
	for n := min(m.at, mostRounds); n >= own.base && n >= 0 && m.more > 0 && !own.has(n); n-- {
		if r.seen(n) || r.skipped.has(n) {
			continue
		}
		r.covered.set(n)
		rounds = append(rounds, n)
		m.more--
	}
	return rounds
}

func (r *row) forget(n int) {
	for _, b := range []*numbers{&r.skipped, &r.covered, &r.heard} {
		b.forget(n)
	}
	for i := range r.by {
		r.by[i].forget(n)
	}
}
