package lab

import (
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

const (
	// window is how many seconds' rounds are looked at to say whether verdicts flow.
	window = 2 * time.Second
	// prompt is how soon after it was due a round has its verdict on Kafka when nothing is broken.
	prompt = 3 * time.Second
	// flows is the share of rounds that must be prompt.
	flows = 0.8
)

// nextDue is when the next routine round of a BMC is due.
func (h History) nextDue(bmc inventory.ID, from time.Time) time.Time {
	return checks.Due(bmc, h.Interval, from)
}

// dues are all rounds that were due in the run, by the schedule alone.
func (h History) dues() (all []checks.Round) {
	for _, bmc := range h.Fleet {
		for due := h.nextDue(bmc.ID, h.Began); due.Before(h.Ended); due = due.Add(h.Interval) {
			all = append(all, checks.Round{BMC: bmc.ID, Due: due, Why: checks.Routine})
		}
	}
	slices.SortFunc(all, func(a, b checks.Round) int { return a.Due.Compare(b.Due) })
	return all
}

// recoveries are how long after each fault was lifted the first verdict came of those that flow as if nothing had been: of rounds
// that fell due since; -1 where they did not flow before the next fault.
func (h History) recoveries() (took []time.Duration) {
	dues, judged := h.dues(), h.verdicts()
	for i, f := range h.Faults {
		end := h.Ended
		if i+1 < len(h.Faults) {
			end = h.Faults[i+1].From
		}
		took = append(took, recovery(dues, judged, f.To, end))
	}
	return took
}

func recovery(dues []checks.Round, judged map[checks.Round]Judged, from, end time.Time) time.Duration {
	const step = 100 * time.Millisecond
	for since := from; !since.Add(window).After(end); since = since.Add(step) {
		var due, good int
		var first time.Time
		for _, round := range during(dues, since, since.Add(window)) {
			due++
			if v, ok := judged[round]; ok && v.At.Sub(round.Due) < prompt {
				good++
				if first.IsZero() || v.At.Before(first) {
					first = v.At
				}
			}
		}
		if good > 0 && float64(good) >= flows*float64(due) {
			return first.Sub(from)
		}
	}
	return -1
}

// during are the rounds of a sorted list that are due from one time to another.
func during(dues []checks.Round, from, to time.Time) []checks.Round {
	at := func(t time.Time) int {
		i, _ := slices.BinarySearchFunc(dues, t, func(r checks.Round, t time.Time) int { return r.Due.Compare(t) })
		return i
	}
	return dues[at(from):at(to)]
}
