package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Register is what is kept of a fleet from one sync to the next. Nobody writes to its lists and maps.
type Register struct {
	// Number grows by one whenever BMCs become others.
	Number uint64
	// Made is when BMCs became what they are.
	Made time.Time
	BMCs []BMC // by ID
	// Missing are the BMCs that are still here, and since when no answer has named them.
	Missing   map[ID]time.Time
	Conflicts []Conflict
	Withheld  *Withheld // nil: nothing is
}

// Withheld is an answer that is not believed yet.
type Withheld struct {
	// Digest is of the IDs that would go: who approves says which.
	Digest string
	Since  time.Time
	Gone   int // so many BMCs would go
	Of     int
	First  ID // the first of them
	Answer Answer
}

func (w *Withheld) String() string {
	return fmt.Sprintf("%d of %d BMCs are missing from the answer (the first is %s): withheld since %s, digest %s",
		w.Gone, w.Of, w.First, w.Since.UTC().Format(time.RFC3339), w.Digest)
}

// Rule says how far an answer is believed.
type Rule struct {
	// Percent and Least: an answer is withheld when more than Percent of the BMCs, and at least Least, would go; an empty one always.
	Percent, Least int
	// Settle is how long BMCs have to be missing until that many are believed to be gone without an approval.
	Settle time.Duration
	// Quarantine is how long a missing BMC stays all the same.
	Quarantine time.Duration
	// Targets are where BMCs may be; nil: anywhere.
	Targets *Targets
}

// DefaultRule is what holds where nobody says anything else.
func DefaultRule() Rule {
	return Rule{Percent: 10, Least: 5, Settle: 24 * time.Hour, Quarantine: time.Hour}
}

// Sync is what becomes of a fleet when the sources answer, and what that changed. It is pure.
//
// A record that hinders (see ConflictKind) is not taken: the BMC keeps the record that it had. A BMC that the answer does not name
// stays for the quarantine, unless its address is another's by now; and where far too many are missing all stays as it was.
func (r Rule) Sync(was Register, answer Answer, at time.Time) (Register, Diff) {
	next := was
	next.Missing = missing(was, answer, at)
	if gone := r.unbelievable(was, next.Missing, answer, at); len(gone) > 0 {
		next.Withheld = withhold(was, gone, answer, at)
		return next, Diff{Conflicts: was.Conflicts}
	}
	return r.follow(next, answer, at, r.Quarantine)
}

// Approve is Sync for the answer that is withheld, by a person who knows that so many BMCs are gone. They go at once.
func (r Rule) Approve(was Register, digest string, at time.Time) (Register, Diff, error) {
	switch {
	case was.Withheld == nil:
		return was, Diff{}, fmt.Errorf("approve %q: nothing is withheld", digest)
	case was.Withheld.Digest != digest:
		return was, Diff{}, fmt.Errorf("approve %q: what is withheld is %s by now; look at it first", digest, was.Withheld)
	}
	next, diff := r.follow(was, was.Withheld.Answer, at, 0)
	return next, diff, nil
}

// follow believes an answer, but for BMCs that are missing for less than quarantine.
func (r Rule) follow(next Register, answer Answer, at time.Time, quarantine time.Duration) (Register, Diff) {
	before := next.BMCs
	leaving := map[ID]bool{}
	for id, since := range next.Missing {
		leaving[id] = at.Sub(since) < quarantine
	}
	bmcs, conflicts := r.settle(before, answer, leaving)
	next.Withheld = nil
	next.Conflicts = slices.Concat(conflicts, Conflicts(bmcs), rackless(bmcs))
	diff := DiffOf(before, bmcs)
	if !diff.Empty() {
		next.Number, next.Made, next.BMCs = next.Number+1, at, bmcs
	}
	next.Missing = maps.Clone(next.Missing)
	for _, b := range diff.Removed {
		delete(next.Missing, b.ID)
	}
	diff.Conflicts = next.Conflicts
	return next, diff
}

// missing are the BMCs that the answer does not name, and since when none has.
func missing(was Register, answer Answer, at time.Time) map[ID]time.Time {
	named := map[ID]bool{} // by a record that is none
	for _, bad := range answer.Bad {
		for _, id := range bad.BMCs {
			named[id] = true
		}
	}
	records := recordsByID(answer.BMCs)
	gone := map[ID]time.Time{}
	for i := range was.BMCs {
		id := was.BMCs[i].ID
		for len(records) > 0 && records[0].ID < id {
			records = records[1:]
		}
		if named[id] || len(records) > 0 && records[0].ID == id {
			continue
		}
		gone[id] = at
		if since, known := was.Missing[id]; known && since.Before(at) {
			gone[id] = since
		}
	}
	return gone
}

// unbelievable are the missing BMCs when they are far too many to be believed. Those that have been missing for long enough do not
// count: a site that is emptied step by step, or at last, is followed.
func (r Rule) unbelievable(was Register, missing map[ID]time.Time, answer Answer, at time.Time) []ID {
	fresh := 0
	for _, since := range missing {
		if at.Sub(since) < r.Settle {
			fresh++
		}
	}
	emptied := fresh > 0 && len(answer.BMCs) == 0
	if !emptied && (fresh < r.Least || fresh*100 <= len(was.BMCs)*r.Percent) {
		return nil
	}
	return slices.Sorted(maps.Keys(missing))
}

func withhold(was Register, gone []ID, answer Answer, at time.Time) *Withheld {
	since := at
	if was.Withheld != nil {
		since = was.Withheld.Since
	}
	sum := sha256.New()
	for _, id := range gone {
		fmt.Fprintf(sum, "%s\n", id)
	}
	return &Withheld{Digest: hex.EncodeToString(sum.Sum(nil))[:12], Since: since, Gone: len(gone), Of: len(was.BMCs), First: gone[0], Answer: answer}
}
