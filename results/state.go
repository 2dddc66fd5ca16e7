package results

import (
	"time"

	"lamplighter/checks"
)

// State is what is believed of a BMC over time. The zero State is a BMC of which nothing is known.
type State struct {
	// Last is the round that the state rests on; a verdict that is not newer changes nothing.
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

// Confirm says whether a round sooner than the next routine one is worth it, and when. prev is the state before v.
func Confirm(prev State, v Verdict) (after time.Duration, ok bool) {
	if !failed(v) || !newer(prev, v) {
		return 0, false
	}
	p := paceOf(v.Reason)
	if prev.Attempts+1 >= p.attempts {
		return 0, false
	}
	return p.after, true
}

// Apply is the state after v. A verdict that is not newer than the state, and an Unknown one, leave it as it is.
func Apply(s State, v Verdict) State {
	if v.Health == checks.Unknown || !newer(s, v) {
		return s
	}
	attempts := 0
	if failed(v) {
		attempts = s.Attempts + 1
	}
	return State{Last: v.Round, Health: v.Health, Reason: v.Reason, Attempts: attempts}
}

// failed says that the BMC broke the chain; a note does not.
func failed(v Verdict) bool { return v.Health != checks.Unknown && v.Failed != "" }

func newer(s State, v Verdict) bool { return v.Round.Due.After(s.Last.Due) }
