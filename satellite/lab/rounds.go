package lab

import (
	"slices"

	"lamplighter/checks"
)

// rounds is what became of the rounds.
type rounds struct {
	Due, Skipped int // by the schedule, and by what satellites said
	// Missed were due, and nobody started them or said why not.
	Missed     []checks.Round
	Started    int
	Verdicts   int // of different rounds
	Duplicates int
	// Lost were started and have no verdict.
	Lost []checks.Round
	// Withdrawn too, but the broker was broken when their first task was sent, so that it was not confirmed, and a satellite said
	// that it did not start them.
	Withdrawn int
	// Left were started while the satellites were ended, and wait in the broker.
	Left int
	// Unconfirmed have a verdict, but the broker, broken just then, never passed on their first task.
	Unconfirmed int
	// Strange have a verdict and were not started by anybody.
	Strange []checks.Round
	// Accused are the verdicts that call a BMC unavailable; none of them is.
	Accused []checks.Round
	// Coalesced verdicts stand for other rounds, too.
	Coalesced int
	// Unsure are verdicts that could not say how the BMC is.
	Unsure map[checks.Reason]int
}

func (h History) rounds() rounds {
	started, judged := h.started(), h.verdicts()
	r := rounds{Started: len(started), Verdicts: len(judged), Duplicates: len(h.Verdicts) - len(judged), Unsure: map[checks.Reason]int{}}
	for _, round := range h.dues() {
		_, tapped := started[round]
		_, known := judged[round]
		switch {
		case h.Skipped[round]:
			r.Skipped++
		case !tapped && !known:
			r.Missed = append(r.Missed, round)
		}
		r.Due++
	}
	for round, first := range started {
		_, ok := judged[round]
		switch {
		case ok:
		case first.At.After(h.Ended):
			r.Left++
		case h.Skipped[round] && h.disturbed(first.At, first.At, 2*quiet, hitsBroker):
			r.Withdrawn++
		default:
			r.Lost = append(r.Lost, round)
		}
	}
	for round, v := range judged {
		if _, ok := started[round]; !ok {
			if h.disturbed(round.Due, v.At, quiet, hitsBroker) {
				r.Unconfirmed++
			} else {
				r.Strange = append(r.Strange, round)
			}
		}
	}
	for _, v := range h.Verdicts {
		switch {
		case v.Health == checks.Unavailable:
			r.Accused = append(r.Accused, v.Round)
		case v.Health == checks.Unknown:
			r.Unsure[v.Reason]++
		}
		if v.Rounds != "1" {
			r.Coalesced++
		}
	}
	for _, list := range [][]checks.Round{r.Missed, r.Lost, r.Strange, r.Accused} {
		slices.SortFunc(list, func(a, b checks.Round) int { return a.Due.Compare(b.Due) })
	}
	return r
}
