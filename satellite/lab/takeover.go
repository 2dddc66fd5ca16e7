package lab

import (
	"fmt"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// takeover is what another satellite made of what one left behind.
type takeover struct {
	Fault Injected
	// First is how long it took until another satellite started a round of its BMCs; Rounds is the longest that one of their
	// rounds waited to be started, of those due before the limit.
	First, Rounds time.Duration
	// Tasks is how long it took until the last of the rounds that were under way went on, or a newer one of its BMC, which it then
	// waits for; Verdicts until the last of them had its verdict.
	Tasks, Verdicts time.Duration
	UnderWay        int
	Wrong           []string
}

func (h History) takeovers() (all []takeover) {
	tasks, judged := h.tasksOf(), map[checks.Round][]Judged{}
	for _, v := range h.Verdicts {
		judged[v.Round] = append(judged[v.Round], v)
	}
	for _, f := range h.Faults {
		if f.Satellite != "" {
			all = append(all, h.takeover(f, tasks, judged))
		}
	}
	return all
}

func (h History) takeover(f Injected, tasks map[inventory.ID][]Task, judged map[checks.Round][]Judged) takeover {
	t := takeover{Fault: f, First: -1}
	for _, bmc := range h.Fleet {
		owner, open := before(tasks[bmc.ID], f.From)
		if owner != f.Satellite {
			continue
		}
		for _, round := range open {
			if !settled(judged[round], f.From) {
				t.UnderWay++
				t.Tasks = max(t.Tasks, t.wait(fmt.Sprintf("%s did not go on", round), f.From, goesOn(tasks[bmc.ID], judged[round], round, f)))
				if len(judged[round]) > 0 {
					t.Verdicts = max(t.Verdicts, judged[round][0].At.Sub(f.From))
				}
			}
		}
		due := h.nextDue(bmc.ID, f.From)
		if due.After(f.To.Add(-TakeoverLimit)) {
			continue // it was about to come back
		}
		start := startedBy(tasks[bmc.ID], f)
		if !start.IsZero() && (t.First < 0 || start.Sub(f.From) < t.First) {
			t.First = start.Sub(f.From)
		}
		t.Rounds = max(t.Rounds, t.wait(fmt.Sprintf("%s, due at %s, was not started", bmc.ID, clock(due)), later(due, f.From), start))
	}
	return t
}

// wait is how long something took since then; what took too long or did not happen (the zero time) is wrong.
func (t *takeover) wait(what string, since, until time.Time) time.Duration {
	took := max(0, until.Sub(since))
	switch {
	case until.IsZero():
		t.Wrong = append(t.Wrong, fmt.Sprintf("after %s was gone at %s: %s", t.Fault.Satellite, clock(t.Fault.From), what))
	case took > TakeoverLimit:
		t.Wrong = append(t.Wrong, fmt.Sprintf("after %s was gone at %s: %s for %s", t.Fault.Satellite, clock(t.Fault.From), what, took.Round(time.Millisecond)))
	}
	return took
}

// before says who owned a BMC at a moment, and which rounds had been started in the minute before.
func before(tasks []Task, at time.Time) (owner string, rounds []checks.Round) {
	for _, t := range tasks {
		if !t.At.Before(at) {
			break
		}
		owner = t.Satellite
		if t.First && at.Sub(t.At) < time.Minute && !slices.Contains(rounds, t.Round) {
			rounds = append(rounds, t.Round)
		}
	}
	return owner, rounds
}

// settled says whether a round had its verdict when the satellite was hit, or had it on its way: Kafka shows it a little later.
func settled(judged []Judged, at time.Time) bool {
	return slices.ContainsFunc(judged, func(v Judged) bool { return v.At.Before(at.Add(time.Second)) })
}

// goesOn is when a round, or a newer one of its BMC, was first seen at another satellite.
func goesOn(tasks []Task, judged []Judged, round checks.Round, f Injected) (at time.Time) {
	sooner := func(t time.Time, satellite string) {
		if satellite != f.Satellite && t.After(f.From) && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, t := range tasks {
		if !t.Round.Due.Before(round.Due) {
			sooner(t.At, t.Satellite)
		}
	}
	for _, v := range judged {
		sooner(v.At, v.Satellite)
	}
	return at
}

// startedBy is when another satellite first started a round of a BMC after one was hit.
func startedBy(tasks []Task, f Injected) time.Time {
	for _, t := range tasks {
		if t.First && t.Satellite != f.Satellite && t.At.After(f.From) {
			return t.At
		}
	}
	return time.Time{}
}
