package results

import (
	"encoding/json"
	"fmt"
	"time"

	"lamplighter/checks"
)

// Fault names why a verdict is not taken in; each is counted by its name.
type Fault string

// The faults. UnknownBMC is for whoever has the inventory.
const (
	Broken     Fault = "broken"      // it is no verdict's JSON, or says what no verdict can
	OtherForm  Fault = "schema"      // it is a document of a version that we do not know
	Nameless   Fault = "round"       // it does not say which round of which BMC it is about
	FromFuture Fault = "future"      // somebody's clock is wrong: taken in, it would hide what comes until then
	Unproven   Fault = "unproven"    // its health does not follow from its trail
	UnknownBMC Fault = "unknown_bmc" // the inventory does not have its BMC
)

// Refused is the error of a verdict that is not taken in.
type Refused struct {
	Fault Fault
	Why   string
}

func (r *Refused) Error() string { return fmt.Sprintf("verdict refused (%s): %s", r.Fault, r.Why) }

func refuse(fault Fault, format string, args ...any) error {
	return &Refused{fault, fmt.Sprintf(format, args...)}
}

// skew is how far the clocks of two machines may be apart.
const skew = time.Minute

// ReadVerdict reads a verdict's document. The error is a Refused; what Admit refuses it does not look for.
func ReadVerdict(doc []byte) (Verdict, error) {
	var form struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(doc, &form); err != nil {
		return Verdict{}, refuse(Broken, "read its schema: %v", err)
	}
	if form.Schema != Schema {
		return Verdict{}, refuse(OtherForm, "schema %.64q: want %s", form.Schema, Schema)
	}
	var v Verdict
	if err := json.Unmarshal(doc, &v); err != nil {
		return Verdict{}, refuse(Broken, "read it: %v", err)
	}
	return v, nil
}

// Admit says whether v may be taken in at now. The error is a Refused.
func Admit(v Verdict, now time.Time) error {
	switch {
	case v.Schema != Schema:
		return refuse(OtherForm, "schema %.64q: want %s", v.Schema, Schema)
	case v.BMC == "" || v.Round.BMC != v.BMC || v.Round.Due.IsZero() || v.At.IsZero():
		return refuse(Nameless, "of BMC %.64q, round %.128s, at %v", v.BMC, v.Round, v.At)
	case v.Round.Due.Sub(now) > skew, v.At.Sub(now) > skew:
		return refuse(FromFuture, "round %s, judged at %s; it is %s", v.Round, v.At.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case !proven(v):
		return refuse(Unproven, "%s with failed check %q and reason %q, and the trail does not say so", v.Health, v.Failed, v.Reason)
	}
	return nil
}

// proven says that v's health follows from its trail: a failure ends it that is named, or nothing in it failed. An Unknown one
// needs no proof.
func proven(v Verdict) bool {
	if v.Health == checks.Unknown {
		return true
	}
	if len(v.Trail) == 0 {
		return false
	}
	for _, r := range v.Trail[:len(v.Trail)-1] {
		if r.Outcome != checks.OK {
			return false
		}
	}
	last := v.Trail[len(v.Trail)-1]
	if v.Failed == "" {
		return v.Health != checks.Unavailable && last.Outcome == checks.OK && (v.Health == checks.Available) == (v.Reason == "")
	}
	return v.Health != checks.Available && last.Outcome == checks.Failed && last.Check == v.Failed && last.Reason == v.Reason &&
		(v.Reason != checks.AuthFenced || last.Facts["fence_round"] != "")
}
