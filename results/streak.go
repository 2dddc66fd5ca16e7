package results

import (
	"time"

	"lamplighter/checks"
)

// Streak is what a scheduler remembers of a BMC between its rounds: State is too large to have one each on a satellite. The
// zero Streak is a BMC of which nothing is known.
type Streak struct {
	// Last is the round that the streak rests on; a verdict that is not newer changes nothing.
	Last   checks.Round
	Health checks.Health
	Reason checks.Reason
	// Attempts counts the failed rounds in a row; Unknown ones are no evidence and do not count.
	Attempts int
}

// pace is how often and how soon a failure is looked at again before it is believed.
type pace struct {
	attempts int
	after    time.Duration
}

// paceOf: a lost packet is worth two more looks, a stumbling web service one. A refused login never is, the login rule
// decides when to ask again; a changed certificate does not change back; what we could not find out is no failure.
func paceOf(r checks.Reason) pace {
	switch r {
	case checks.NetTimeout, checks.NetUnreachable, checks.NetRefused, checks.TLSTimeout, checks.IPMITimeout:
		return pace{3, 30 * time.Second}
	case checks.TLSHandshake, checks.SessionLimit, checks.APIStarting, checks.APISlow, checks.APITimeout, checks.APIError,
		checks.APIMalformed, checks.IPMIMalformed, checks.PowerUnreadable:
		return pace{2, 60 * time.Second}
	}
	return pace{attempts: 1}
}

// Confirm says whether a round sooner than the next routine one is worth it, and when. prev is the streak before v.
func Confirm(prev Streak, v Verdict) (after time.Duration, ok bool) {
	if !failed(v) || !newer(prev, v) {
		return 0, false
	}
	p := paceOf(v.Reason)
	if prev.Attempts+1 >= p.attempts {
		return 0, false
	}
	return p.after, true
}

// Breaks says that v is the first failed round after one that did not fail, by silence at the first question: what took this BMC
// may have taken its neighbours, too.
func Breaks(prev Streak, v Verdict) bool {
	return failed(v) && newer(prev, v) && prev.Attempts == 0 && v.Failed == checks.Ping && checks.NetworkReason(v.Reason)
}

// After is the streak after v. A verdict that is not newer than the streak, and an Unknown one, leave it as it is.
func (s Streak) After(v Verdict) Streak {
	if v.Health == checks.Unknown || !newer(s, v) {
		return s
	}
	attempts := 0
	if failed(v) {
		attempts = s.Attempts + 1
	}
	return Streak{Last: v.Round, Health: v.Health, Reason: v.Reason, Attempts: attempts}
}

// failed says that the BMC broke the chain; a note does not.
func failed(v Verdict) bool { return v.Health != checks.Unknown && v.Failed != "" }

func newer(s Streak, v Verdict) bool { return v.Round.Due.After(s.Last.Due) }
