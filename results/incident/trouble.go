package incident

import (
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// classOf is the sort of trouble that a belief is; "" where it is none.
func classOf(b results.Belief) results.Class {
	switch {
	case b.Reason == "" || b.Health == checks.Available || b.Health == checks.Unknown:
		return ""
	case b.Failed == checks.Ping:
		return results.ClassNet
	}
	switch b.Reason {
	case checks.TLSExpired, checks.TLSExpiresSoon, checks.TLSUntrusted, checks.TLSCertChanged:
		return results.ClassCert
	case checks.TLSWeak, checks.TLSLegacyOnly:
		return results.ClassWeak
	case checks.TLSInsecure:
		return results.ClassPolicy
	case checks.IdentityMismatch:
		return results.ClassIdentity
	}
	switch {
	case b.Failed == checks.TLS:
		return results.ClassTLS
	case strings.HasPrefix(string(b.Reason), "auth."):
		return results.ClassAuth
	case strings.HasPrefix(string(b.Reason), "ipmi."):
		return results.ClassIPMI
	case b.Failed == checks.Power || b.Reason == checks.PowerUnreadable:
		return results.ClassPower
	}
	return results.ClassAPI
}

// hardClass is the trouble that is believed.
func hardClass(s *results.State) results.Class { return classOf(s.Believed()) }

// The steps of the chain, in the order in which it is gone through.
const (
	stepPing = iota
	stepTLS
	stepLogin
	stepPower
)

// stepOf is the step of the chain that shows a class of trouble.
func stepOf(class results.Class) int {
	switch class {
	case results.ClassNet:
		return stepPing
	case results.ClassTLS, results.ClassCert, results.ClassWeak, results.ClassPolicy:
		return stepTLS
	case results.ClassPower, results.ClassIdentity:
		return stepPower
	}
	return stepLogin
}

func stepAt(check checks.Name) int {
	switch check {
	case checks.Ping:
		return stepPing
	case checks.TLS:
		return stepTLS
	case checks.Power:
		return stepPower
	}
	return stepLogin
}

// asked says whether the questions that show a class are put to a BMC at all.
func asked(b *bmc, class results.Class) bool {
	switch class {
	case results.ClassTLS, results.ClassCert, results.ClassWeak, results.ClassPolicy, results.ClassAPI:
		return b.speaks != "ipmi"
	case results.ClassIPMI:
		return b.speaks != "redfish"
	}
	return true
}

// failsBy says since when a BMC has a class of trouble, believed or on trial.
func failsBy(b *bmc, class results.Class) (since time.Time, ok bool) {
	s := b.State
	if classOf(s.Believed()) == class {
		return s.Since, true
	}
	if s.Soft != nil && classOf(s.Soft.Belief) == class {
		return s.Soft.Since, true
	}
	return time.Time{}, false
}

// passed is when a BMC last showed that it does not have a class of trouble; zero: it never did, or its newest round does not
// show that.
func passed(b *bmc, class results.Class) time.Time {
	s := b.State
	if s.Found == nil || !asked(b, class) || classOf(s.Found.Belief) == class {
		return time.Time{}
	}
	step := stepOf(class)
	if s.Found.Failed != "" && stepAt(s.Found.Failed) <= step {
		return time.Time{}
	}
	switch step {
	case stepLogin:
		return earlier(s.LoginAt, s.Found.At)
	case stepPower:
		return earlier(s.PowerAt, s.Found.At)
	}
	return s.Found.At
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// recovered says that what an incident is about is over for a BMC. Unknown ends nothing, and flapping has to end first.
func recovered(b *bmc, a *affair) bool {
	s := b.State
	if s.Health == checks.Unknown || s.Flapping != nil || s.Missed != nil {
		return false
	}
	class := hardClass(s)
	if class == "" {
		return true
	}
	// It fails by something else now. The chain is gone through again, or what failed is passed; a BMC that fails alone is the same
	// one, still.
	return class != a.Class && (s.Failed == "" ||
		a.Cause.Kind != results.CauseBMC && stepOf(class) > stepOf(a.Class) && !passed(b, a.Class).IsZero())
}

// blindBy says why nothing was found out about a BMC in its newest rounds, and since when.
func blindBy(s *results.State) (reason checks.Reason, since time.Time) {
	switch {
	case s.Missed != nil && s.Reason != checks.SelfSilent:
		return s.Missed.Reason, s.Missed.Since
	case s.Health == checks.Unknown && s.Reason != "":
		return s.Reason, s.Since
	}
	return "", time.Time{}
}

// places stands for racks and all that is made of them.
var placeKinds = []results.CauseKind{results.CauseRack, results.CauseRow, results.CauseRoom, results.CauseSite}

// plausible says which kinds of causes a class of trouble may have, the likeliest first; rack stands for all places.
var plausible = map[results.Class][]results.CauseKind{
	results.ClassNet:      {results.CauseRack, results.CauseSubnet, results.CauseFirmware},
	results.ClassTLS:      {results.CauseFirmware, results.CauseRack, results.CauseSubnet},
	results.ClassCert:     {results.CauseIssuer, results.CauseFirmware, results.CauseRack},
	results.ClassWeak:     {results.CauseFirmware, results.CauseIssuer, results.CauseRack},
	results.ClassPolicy:   {results.CauseRack},
	results.ClassAuth:     {results.CauseCredential, results.CauseFirmware, results.CauseRack},
	results.ClassAPI:      {results.CauseFirmware, results.CauseRack, results.CauseSubnet},
	results.ClassIPMI:     {results.CauseFirmware, results.CauseCredential, results.CauseRack},
	results.ClassPower:    {results.CauseFirmware, results.CauseRack},
	results.ClassIdentity: {results.CauseRack},
}

// rank is how unlikely a kind of cause is for a class; -1: it is none.
func rank(class results.Class, kind results.CauseKind) int {
	if slices.Contains(placeKinds, kind) {
		kind = results.CauseRack
	}
	return slices.Index(plausible[class], kind)
}
