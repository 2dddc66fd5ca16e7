package memory

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
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
	// Seq counts the records of a BMC: in a log, one that was decided on what no longer stands has no higher one, and counts for
	// nothing. Older files have none.
	Seq uint64 `json:"seq,omitempty"`
	// Tries are the logins used up: refused, or begun and never heard of again.
	Tries int `json:"tries,omitempty"`
	// Round and At are of the last refusal; At is zero while there was none.
	Round checks.Round `json:"round,omitzero"`
	At    time.Time    `json:"at,omitzero"`
	// Until is when the next login may begin, unless Final.
	Until time.Time `json:"until,omitzero"`
	Final bool      `json:"final,omitempty"`
	// Intents are the logins among Tries whose outcome is not known, or never will be; the last began at Begun.
	Intents intents   `json:"intent,omitempty"`
	Begun   time.Time `json:"begun,omitzero"`
	// Login is when the last login that the BMC decided ended.
	Login time.Time `json:"login,omitzero"`
	// Others are the fences of other versions, newest first: satellites need not learn of a new one at the same moment.
	Others []Fence `json:"others,omitempty"`
}

// mostOthers is how many other versions are remembered.
const mostOthers = 8

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

// about is the fence of one version, which then comes first.
func (f Fence) about(credential, version string) Fence {
	if f.Credential == credential && f.Version == version {
		return f
	}
	found := Fence{Credential: credential, Version: version}
	var others []Fence
	if f.Tries > 0 {
		first := f
		first.Seq, first.Others = 0, nil
		others = append(others, first)
	}
	for _, o := range f.Others {
		if o.Credential == credential && o.Version == version {
			found = o
		} else {
			others = append(others, o)
		}
	}
	found.Seq, found.Others = f.Seq, others[:min(len(others), mostOthers)]
	return found
}

// decide is the login rule. A person may always log in: there is a pair of eyes on each refusal.
func decide(f Fence, h hold, credential, version string, why checks.Why, now time.Time) Permit {
	f = f.about(credential, version)
	switch {
	case why == checks.Person:
		return Permit{Decision: Allowed, Fence: f}
	case f.Tries > 0 && (f.Final || now.Before(f.Until)):
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
	f = f.about(credential, version)
	f.Tries++
	f.Final = f.Tries >= r.tries()
	f.Until, f.Begun = now.Add(r.pause(bmc, now)), now
	f.Intents = append(slices.Clone(f.Intents), intent)
	return f
}

// settle is the fence after a login, given the one that stands: since the intent a person may have cleared it, or another
// login may have begun.
func (r Rule) settle(stands Fence, o outcome) Fence {
	f := stands.about(o.Intended.Credential, o.Intended.Version)
	open := len(f.Intents)
	f.Intents = slices.DeleteFunc(slices.Clone(f.Intents), func(i string) bool { return i == o.Intent })
	counted := len(f.Intents) < open
	switch {
	case o.Outcome == Refused:
		return r.refused(f, counted, o)
	case !counted && o.Outcome == None:
		return stands
	case counted && o.Outcome == None && stands.Seq == o.Intended.Seq:
		return o.Before
	case counted && (o.Outcome == None || f.At.After(o.At)):
		f.Tries--
	case counted: // accepted: of the tries only those count that still run
		f.Tries, f.Round, f.At = len(f.Intents), checks.Round{}, time.Time{}
	}
	f.Final = f.Tries >= r.tries()
	if f.Tries == 0 {
		f = Fence{Credential: f.Credential, Version: f.Version, Login: f.Login, Others: f.Others}
	}
	if o.Outcome == Accepted && f.Login.Before(o.At) {
		f.Login = o.At
	}
	return f
}

func (r Rule) refused(f Fence, counted bool, o outcome) Fence {
	if !counted {
		f.Tries++
		f.Final = f.Tries >= r.tries()
	}
	if o.At.After(f.At) {
		f.Round, f.At, f.Login = o.Round, o.At, o.At
		f.Until = o.At.Add(r.pause(o.BMC, o.At))
	}
	return f
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
