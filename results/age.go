package results

import (
	"time"

	"lamplighter/checks"
)

// Age is the state at now, by which all that was judged must have been heard: after two intervals in which no round found
// anything out the health is Unknown, and that is news once. Whoever has a backlog calls it with the time that the backlog has
// come to, or a lag of ours would make every BMC silent; what a round takes from its planned start to here is part of it.
func Age(s State, now time.Time, interval time.Duration) (State, []Change) {
	b, since, round, ok := s.lost(now, 2*interval)
	if !ok || s.Believed() == b {
		return s, nil
	}
	next, told := s, s.told()
	if s.Health != checks.Unknown {
		next.LastKnown = &LastKnown{Belief: s.Believed(), Since: s.Since, At: s.Found.At}
	}
	next.believe(b, since)
	next.Seq, next.UpdatedAt = s.Seq+1, now.UTC()
	next.Untold = nil
	if told.Flapping != (next.Flapping != nil) {
		next.Untold = &Told{b, told.Flapping}
	}
	if !news(told.Belief, b) {
		return next, nil
	}
	change := next.change(kindOf(b), told.Belief, round, now.UTC())
	change.Late = s.Untold != nil
	return next, []Change{change}
}

// lost says what there is to believe where no round found anything out for so long, since when, and the round to name it by:
// the last that did find something out; where that was said before, or there is none, the last that was heard of.
func (s *State) lost(now time.Time, long time.Duration) (b Belief, since time.Time, round checks.Round, ok bool) {
	known, round := s.LastAt, s.LastRound
	switch {
	case s.Found != nil:
		known = s.Found.At
	case s.Missed != nil:
		known = s.Missed.Since
	}
	switch {
	case s.Seq == 0 || now.Sub(known) <= long:
		return b, since, round, false
	case s.Missed == nil || now.Sub(s.LastAt) > long:
		return Belief{Reason: checks.SelfSilent}, s.LastAt, round, true
	case s.Found == nil && s.Reason == "":
		round = s.Missed.Round
	case s.Health != checks.Unknown || s.Reason == "":
		round = s.Found.Round
	}
	return Belief{Reason: s.Missed.Reason}, s.Missed.Since, round, true
}
