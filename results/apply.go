package results

import (
	"time"

	"lamplighter/checks"
)

// recovery is how many good rounds in a row end a failure or a warning.
const recovery = 2

// Late says that v is too old to be news by itself: it was replayed, or waited while Kafka was away.
func Late(v Verdict, now time.Time, interval time.Duration) bool { return now.Sub(v.At) > 2*interval }

// Apply is the state after v, which stands for so many rounds that found the same, and what is news about it. A verdict that
// is not newer than what the state rests on changes nothing. A late one is no news: the next that is not tells the net
// difference.
func Apply(s State, v Verdict, rounds int, late bool) (State, []Change) {
	if rounds < 1 {
		rounds = 1
	}
	next, heard := s, false
	if found(v) {
		heard = next.find(v, rounds)
	} else {
		heard = next.miss(v, rounds)
	}
	if !heard {
		return s, nil
	}
	if v.Round.Due.After(s.LastRound.Due) {
		next.place(v)
		next.LastRound, next.LastAt = v.Round, v.At
	}
	next.try(v)
	next.Schema, next.BMC = StateSchema, v.BMC
	next.NeverSeen = next.LastGoodAt.IsZero()
	next.Seq, next.UpdatedAt = s.Seq+1, v.At
	changes := next.tell(s.told(), s.Untold != nil, v, late)
	return next, changes
}

// try takes in when what is not part of every round was last tried.
func (s *State) try(v Verdict) {
	for _, r := range v.Trail {
		if r.AgeS > 0 || r.Outcome == checks.OutcomeUnknown {
			continue
		}
		switch r.Check {
		case checks.RedfishLogin, checks.IPMILogin:
			s.LoginAt = latest(s.LoginAt, r.At)
		case checks.Power:
			s.PowerAt = latest(s.PowerAt, r.At)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b.UTC()
}

// found says that a round found something out. Nobody is called Unavailable without the name of the check that failed.
func found(v Verdict) bool {
	return v.Health != checks.Unknown && (v.Health != checks.Unavailable || v.Failed != "")
}

// find takes in a round that found something out, and says whether it is new. It may be older than an Unknown one.
func (s *State) find(v Verdict, rounds int) bool {
	if s.Found != nil && !v.Round.Due.After(s.Found.Round.Due) {
		return false
	}
	b := Belief{v.Health, v.Failed, v.Reason}
	if v.Round.Due.After(s.LastRound.Due) {
		s.Missed = nil
	}
	if v.Failed == "" {
		s.LastGoodAt = v.At
	} else {
		s.FailedAt = v.At
	}
	s.NeverSeen = s.LastGoodAt.IsZero()
	s.weigh(b, v.At, rounds)
	s.shake(v.Health, v.At, rounds)
	if s.LastKnown != nil {
		s.LastKnown = &LastKnown{s.LastKnown.Belief, s.LastKnown.Since, v.At}
	}
	s.Found = &Found{Belief: b, Round: v.Round, At: v.At}
	s.Rounds += uint64(rounds)
	return true
}

// miss takes in an Unknown round, and says whether it is new. It proves only that we tried: no count moves.
func (s *State) miss(v Verdict, rounds int) bool {
	if !v.Round.Due.After(s.LastRound.Due) {
		return false
	}
	missed := Missed{Round: v.Round, Since: v.At}
	if s.Missed != nil {
		missed = *s.Missed
	}
	if missed.Reason = v.Reason; v.Reason.Info().Owner != checks.OwnerUs {
		missed.Reason = checks.SelfError // it blames the BMC without a proof
	}
	missed.Rounds += uint64(rounds)
	s.Missed = &missed
	if s.Health == checks.Unknown && s.Reason != "" {
		s.believe(Belief{Reason: missed.Reason}, s.Since)
	}
	return true
}

// weigh decides whether what a round found is believed.
func (s *State) weigh(b Belief, at time.Time, rounds int) {
	known, since := s.known()
	if b == known {
		s.believe(b, since)
		return
	}
	trial := Soft{Belief: b, Attempts: rounds, Of: needed(known, b), Since: at}
	if s.Soft != nil && sort(known, s.Soft.Belief) == sort(known, b) {
		trial.Attempts, trial.Since = trial.Attempts+s.Soft.Attempts, s.Soft.Since
	}
	if trial.Attempts >= trial.Of {
		s.believe(b, trial.Since)
		return
	}
	s.Soft = &trial
}

// known is what is believed, or was before the health became Unknown.
func (s *State) known() (Belief, time.Time) {
	if s.LastKnown != nil {
		return s.LastKnown.Belief, s.LastKnown.Since
	}
	return s.Believed(), s.Since
}

// needed is how many rounds it takes until b is believed instead of known: a failure or a warning has its reason's pace, what
// is better than a known one has to be seen twice, and the first good round of all is believed.
func needed(known, b Belief) int {
	switch {
	case known.Failed != "" && b.Failed == "", known.Health == checks.Degraded && b.Health == checks.Available:
		return recovery
	}
	return paceOf(b.Reason).attempts
}

// The sorts of rounds that are counted together.
const (
	failing = iota
	warned
	good
)

// sort is what b counts as: after a failure every round that went through the chain is a step to recovery.
func sort(known, b Belief) int {
	switch {
	case b.Failed != "":
		return failing
	case b.Health == checks.Degraded && known.Failed == "":
		return warned
	}
	return good
}

// believe makes b the hard state. A BMC that never answered is a provisioning matter, whatever it fails at.
func (s *State) believe(b Belief, since time.Time) {
	s.Health, s.Failed, s.Reason, s.Since = b.Health, b.Failed, b.Reason, since
	info := b.Reason.Info()
	s.Owner, s.NextStep = info.Owner, info.NextStep
	if s.NeverSeen && b.Failed != "" {
		s.Owner, s.NextStep = checks.OwnerInventory, Provision
	}
	if b.Health != checks.Unknown {
		s.Soft, s.LastKnown = nil, nil
	}
}

// Provision is the next step of whoever has a BMC that was never seen to work.
const Provision = "it was never seen to work: finish its provisioning, or correct its record (address, login, rack)"

// place copies where the BMC is. Who judged a task that nobody could handle did not know.
func (s *State) place(v Verdict) {
	if v.Address == "" && s.Address != "" {
		return
	}
	s.Site, s.Room, s.Row, s.Rack, s.Unit = v.Site, v.Room, v.Row, v.Rack, v.Unit
	s.Vendor, s.Model, s.Address, s.Satellite = v.Vendor, v.Model, v.Address, v.Satellite
}
