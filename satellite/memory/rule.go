package memory

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// Rule is the setting of the login rule (design section 7).
type Rule struct {
	// MinPause and MaxPause bound how long a refusal stops logins; which pause it is depends on the BMC and the time.
	MinPause, MaxPause time.Duration
	// Confirm grants one confirming login after the pause. Not where an account locks at its second refusal.
	Confirm bool
	// A credential's logins stop when, within Window, GroupRefusals BMCs or more refused it, and GroupShare or more of
	// those that it was tried on.
	Window        time.Duration
	GroupRefusals int
	GroupShare    float64
}

// DefaultRule pauses 30 to 60 min, confirms once, and stops a credential at 5 refusals and 20 % within 10 min.
func DefaultRule() Rule {
	return Rule{
		MinPause: 30 * time.Minute, MaxPause: 60 * time.Minute, Confirm: true,
		Window: 10 * time.Minute, GroupRefusals: 5, GroupShare: 0.2,
	}
}

// Fence is what is remembered of the logins with one version of a credential at one BMC. The zero Fence stops nothing.
type Fence struct {
	Credential string `json:"credential"`
	Version    string `json:"version"`
	// Tries are the logins used up: refused, or begun and never heard of again.
	Tries int `json:"tries,omitempty"`
	// Round and At are of the last refusal; At is zero while there was none.
	Round checks.Round `json:"round,omitzero"`
	At    time.Time    `json:"at,omitzero"`
	// Until is when the next login may begin, unless Final.
	Until time.Time `json:"until,omitzero"`
	Final bool      `json:"final,omitempty"`
	// Intent is set while a login runs whose outcome is not known, or never will be.
	Intent string `json:"intent,omitempty"`
	// Login is when the last login that the BMC decided ended.
	Login time.Time `json:"login,omitzero"`
}

// Outcome is how a login ended.
type Outcome uint8

// The outcomes of a login. None means that the BMC decided nothing: silence, or no free slot.
const (
	None Outcome = iota
	Accepted
	Refused
)

// Decision is what the rule says to a login.
type Decision uint8

// The decisions.
const (
	Fenced       Decision = iota // refused before; Permit.Fence says when
	Allowed                      // log in, once
	Unsure                       // a login was begun whose outcome nobody knows
	GroupStopped                 // too many BMCs refused this credential
	Stopped                      // somebody stopped all probes
)

// Permit is the rule's answer, and the fence that it rests on.
type Permit struct {
	Decision Decision
	Fence    Fence
	// Until is when a stopped group goes on.
	Until time.Time
}

// stands says whether the fence f is about this version of the credential and has stopped a login.
func (f Fence) stands(credential, version string) bool {
	return f.Tries > 0 && f.Credential == credential && f.Version == version
}

// decide is the login rule. A person may always log in: there is a pair of eyes on each refusal.
func decide(f Fence, h hold, credential, version string, why checks.Why, now time.Time) Permit {
	switch {
	case why == checks.Person:
		return Permit{Decision: Allowed, Fence: f}
	case f.stands(credential, version) && (f.Final || now.Before(f.Until)):
		if f.At.IsZero() {
			return Permit{Decision: Unsure, Fence: f}
		}
		return Permit{Decision: Fenced, Fence: f}
	case h.Version == version && now.Before(h.Until):
		return Permit{Decision: GroupStopped, Fence: f, Until: h.Until}
	}
	return Permit{Decision: Allowed, Fence: f}
}

// intend is the fence while a login runs: already as if it had been refused, so that a crash before the outcome is written
// uses up the try.
func (r Rule) intend(f Fence, bmc inventory.ID, credential, version, intent string, now time.Time) Fence {
	if !f.stands(credential, version) {
		f = Fence{Credential: credential, Version: version}
	}
	f.Tries++
	f.Final = f.Tries >= r.tries()
	f.Until = now.Add(r.pause(bmc, now))
	f.Intent = intent
	return f
}

// settle is the fence after a login. before is the fence from before its intent, now the one that stands: in between a person
// may have cleared it.
func (r Rule) settle(before, stands Fence, bmc inventory.ID, round checks.Round, intended Fence, o Outcome, at time.Time) Fence {
	ours := stands.Intent == intended.Intent
	switch {
	case o == Accepted:
		return Fence{Credential: intended.Credential, Version: intended.Version, Login: at}
	case o == Refused:
		f := stands
		if !ours {
			f = r.intend(stands, bmc, intended.Credential, intended.Version, "", at)
		}
		f.Round, f.At, f.Login, f.Intent = round, at, at, ""
		f.Until = at.Add(r.pause(bmc, at))
		return f
	case ours:
		return before
	}
	return stands
}

func (r Rule) tries() int {
	if r.Confirm {
		return 2
	}
	return 1
}

// pause is the same for the same BMC and time, so that a test can name it, and differs between BMCs.
func (r Rule) pause(bmc inventory.ID, at time.Time) time.Duration {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(bmc))
	_, _ = hash.Write(binary.BigEndian.AppendUint64(nil, uint64(at.UnixNano())))
	spread := max(0, r.MaxPause-r.MinPause)
	return r.MinPause + time.Duration(hash.Sum64()%uint64(spread+1))
}
