package checks

import (
	"fmt"
	"maps"
)

// FactSecondOpinion is what another satellite found when this one's check failed by the network: its name and ok, the reason of
// its own failure, or Silent.
const FactSecondOpinion = "second_opinion"

// Silent is the second opinion of a satellite that did not say any in time.
const Silent = "silent"

// Weigh is what becomes of a network failure r once the satellite second has asked the same: where it got an answer, the two
// disagree, and nobody knows. Where it got none either, or could not find out, r stands. other is nil where second was silent.
func Weigh(r Result, second string, other *Result) Result {
	found := Silent
	switch {
	case other == nil:
	case other.Outcome == OK:
		found = OK.String()
	default:
		found = string(other.Reason)
	}
	r.Facts = maps.Clone(r.Facts)
	if r.Facts == nil {
		r.Facts = Facts{}
	}
	r.Facts[FactSecondOpinion] = second + ": " + found
	if other != nil && gotFurther(*other) {
		r.Error = fmt.Sprintf("%s by %s: %s; but %s got an answer: %s %s after %d ms", r.Reason, r.Satellite, r.Error, second, other.Check, found, other.TookMS)
		r.Outcome, r.Reason = OutcomeUnknown, SelfPath
	}
	return r
}

// gotFurther says whether somebody answered, well or not.
func gotFurther(r Result) bool {
	return r.Outcome == OK || r.Outcome == Failed && !NetworkReason(r.Reason)
}
