package spool

import (
	"time"

	"lamplighter/inventory"
)

// fold decides what coalescing leaves of a sequence of records. Of a run of records that say the same of a BMC the first is
// kept, which is the transition, and the last, which counts for all between.
type fold struct {
	// rounds is what each record stands for afterwards; 0: it is dropped.
	rounds []uint64
	runs   map[runOf]run
	gap    gap // the verdicts that are dropped
	skips  int // and how many skips are
}

// runOf says whose run it is: verdicts and skips have runs of their own.
type runOf struct {
	kind Kind
	bmc  inventory.ID
}

// run is the run of equal records of a BMC that the sequence has come to.
type run struct {
	state string
	last  int // the newest repeat; -1 while there is only the transition
	at    time.Time
}

// gap counts the records that were dropped, and when the first and the last of them were made.
type gap struct {
	records  uint64
	from, to time.Time
}

func newFold() *fold { return &fold{runs: map[runOf]run{}} }

// add takes the next record.
func (f *fold) add(r Record) {
	i := len(f.rounds)
	if r.Kind == Gap {
		f.rounds = append(f.rounds, 0) // a new gap stands for it, too
		return
	}
	f.rounds = append(f.rounds, r.Rounds)
	if r.Kind != Verdict && r.Kind != Skip {
		return
	}
	of := runOf{r.Kind, r.BMC}
	before, seen := f.runs[of]
	next := run{state: r.State, last: -1}
	if seen && before.state == r.State {
		if before.last >= 0 {
			f.rounds[i] += f.rounds[before.last]
			f.rounds[before.last] = 0
			f.drop(r.Kind, before.at)
		}
		next.last, next.at = i, r.At
	}
	f.runs[of] = next
}

func (f *fold) drop(kind Kind, at time.Time) {
	if kind == Skip {
		f.skips++
		return
	}
	f.gap = f.gap.with(gap{1, at, at})
}

// with is the gap that covers both.
func (g gap) with(other gap) gap {
	if g.records == 0 {
		return other
	}
	if other.records == 0 {
		return g
	}
	if other.from.Before(g.from) {
		g.from = other.from
	}
	if other.to.After(g.to) {
		g.to = other.to
	}
	g.records += other.records
	return g
}

// Limits bound the spool.
type Limits struct {
	// Bytes is how large the spool may become. Beyond it nothing is taken in any more.
	Bytes int64
	// Age is how old a record may become until repeats are coalesced, however small the spool is.
	Age time.Duration
}

// fill is how full a spool is, and what it was when it was coalesced last.
type fill struct {
	bytes, bytesThen   int64
	oldest, sinceFolds time.Duration
}

// pressed says whether it is time to coalesce: half full, or older than the limit. Not again before that can have brought
// something: an eighth of the limit has come in since.
func (l Limits) pressed(f fill) bool {
	if f.bytes >= l.Bytes/2 && f.bytes >= f.bytesThen+l.Bytes/8 {
		return true
	}
	return l.Age > 0 && f.oldest >= l.Age && f.sinceFolds >= l.Age/8
}
