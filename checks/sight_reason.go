package checks

import (
	"fmt"
	"slices"
)

// NetworkReason says whether r may be the network's doing, so that it needs proof of sight before the BMC is blamed.
func NetworkReason(r Reason) bool {
	switch r {
	case NetTimeout, NetUnreachable, NetRefused, TLSTimeout, APITimeout, IPMITimeout:
		return true
	}
	return false
}

// Proven makes a network failure ours when nobody else was seen during the probe either. proof is what Sight.Watch returned; nil:
// the failure is taken as the BMC's.
func Proven(r Result, proof func() Proof) Result {
	if proof == nil || !NetworkFailure(r) {
		return r
	}
	switch p := proof(); {
	case p.None:
		r.Error += " (no other rack or anchor to compare with)"
	case !p.Seen:
		r.Error = fmt.Sprintf("%s: %s, but the satellite saw nobody else either: %s", r.Reason, r.Error, p.Text)
		r.Outcome, r.Reason = OutcomeUnknown, SelfBlind
	}
	return r
}

// NetworkFailure says whether r is a failure that may be the network's doing.
func NetworkFailure(r Result) bool { return r.Outcome == Failed && NetworkReason(r.Reason) }

// Answers says whether r proves that the BMC answered between the check's start and its end. It leaves out what may be the
// end of a wait (a malformed or failed answer, a power state that could not be read), and a refused connection, which a
// firewall of our own may have refused.
func Answers(r Result) bool {
	switch r.Outcome {
	case OK:
		return !slices.Contains(r.Notes, PowerUnreadable)
	case Failed:
		return slices.Contains(answering, r.Reason)
	}
	return false
}

// answering are the reasons that only an answer of the BMC gives.
var answering = []Reason{
	TLSCertChanged, TLSUntrusted, TLSExpired,
	AuthRejected, AuthLocked, AuthPasswordChange, AuthPrivilege,
	SessionLimit, APIStarting, APISlow,
	IPMISuite, IdentityMismatch,
}
