package actor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/memory"
)

// Logins obeys the login rule around each check that logs in.
type Logins struct {
	Keyring inventory.Keyring
	// Typed says that a person typed the user name: such a login neither sets nor obeys a fence, but says that there is one.
	Typed bool
}

// Facts about a fence.
const (
	FactFenceRound        = "fence_round"   // the round of the refusal
	FactFenceAt           = "fence_at"      // when it was
	FactFenceUntil        = "fence_until"   // when the next login may be tried; "final": not before somebody acts
	FactFenceIgnored      = "fence_ignored" // the fence that a typed user name passed by
	FactCredentialVersion = "credential_version"
)

// pass is the permission to log in once.
type pass struct {
	begun   bool // settle must tell the outcome
	next    bool // there is another version to try, should this one be refused
	attempt memory.Attempt
	facts   checks.Facts
}

// admit puts the credential into the visit when the login may be tried; an error says whose fault it is if not.
func (l Logins) admit(ctx context.Context, m *memory.Memory, visit *checks.Visit, round checks.Round) (pass, error) {
	name := visit.BMC.Login
	if name == "" {
		name = inventory.DefaultLogin
	}
	login, err := l.Keyring.Credentials(ctx, name)
	switch {
	case errors.Is(err, inventory.ErrNoCredential):
		return pass{}, checks.Ours(checks.SelfNoCredential, fmt.Errorf("credential %q: %w", name, err))
	case err != nil:
		return pass{}, checks.Ours(checks.SelfKeyring, fmt.Errorf("credential %q: %w", name, err))
	}
	if l.Typed {
		visit.Login = login
		return pass{facts: ignored(m, visit.BMC.ID)}, nil
	}
	if login.Next != nil && m.Refused(visit.BMC.ID, name, login.Version) {
		login = *login.Next // the rotation has been here; whatever it refuses, the one before is not tried again
	}
	attempt, permit, err := m.Begin(ctx, time.Now(), visit.BMC.ID, name, login.Version, round)
	if err != nil {
		return pass{}, checks.Ours(checks.SelfError, fmt.Errorf("write down the login to %s before it is tried: %w", visit.BMC.ID, err))
	}
	if permit.Decision != memory.Allowed {
		return pass{}, denied(permit, name, login.Version)
	}
	if login.Next != nil {
		attempt = attempt.Expected()
	}
	visit.Login = login
	return pass{begun: true, next: login.Next != nil, attempt: attempt, facts: checks.Facts{FactCredentialVersion: login.Version}}, nil
}

// denied is the error of a login that was not tried.
func denied(p memory.Permit, name, version string) error {
	facts := fenceFacts(p.Fence)
	facts[FactCredentialVersion] = version
	switch p.Decision {
	case memory.Fenced:
		return checks.BlameWith(checks.AuthFenced, facts, fmt.Errorf(
			"credential %q was refused in %s; no login was tried, the next %s", name, p.Fence.Round, nextLogin(p.Fence)))
	case memory.Unsure:
		return ours(checks.SelfLoginUnsure, facts, fmt.Errorf(
			"a login with credential %q was begun whose outcome is not known; the next %s", name, nextLogin(p.Fence)))
	case memory.GroupStopped:
		return checks.Ours(checks.SelfGroupStopped, fmt.Errorf(
			"too many BMCs refused credential %q; its logins are stopped until %s", name, stamp(p.Until)))
	}
	return checks.Ours(checks.SelfStopped, errors.New("all probes are stopped"))
}

func nextLogin(f memory.Fence) string {
	if f.Final {
		return "when the credential changes or a person checks again"
	}
	return "not before " + stamp(f.Until)
}

func ours(r checks.Reason, facts checks.Facts, err error) error {
	return &checks.Fault{Reason: r, Facts: facts, Err: err}
}

// settle tells site memory how the login ended, and adds what it says to the facts.
func (p pass) settle(ctx context.Context, r checks.Result, at time.Time) (checks.Result, error) {
	facts := maps.Clone(r.Facts)
	if facts == nil {
		facts = checks.Facts{}
	}
	maps.Copy(facts, p.facts)
	r.Facts = facts
	if !p.begun {
		return r, nil
	}
	o := outcome(r)
	fence, err := p.attempt.End(ctx, at, o)
	if err != nil {
		return r, fmt.Errorf("write down the outcome of the login: %w", err)
	}
	if o == memory.Refused {
		maps.Copy(facts, fenceFacts(fence))
	}
	return r, nil
}

// outcome is what the BMC decided about the login. A BMC that demands a new password, or grants too little, accepted it.
func outcome(r checks.Result) memory.Outcome {
	switch {
	case r.Outcome == checks.OK:
		return memory.Accepted
	case r.Outcome != checks.Failed:
		return memory.None
	}
	switch r.Reason {
	case checks.AuthRejected, checks.AuthLocked:
		return memory.Refused
	case checks.AuthPasswordChange, checks.AuthPrivilege:
		return memory.Accepted
	}
	return memory.None
}

func fenceFacts(f memory.Fence) checks.Facts {
	facts := checks.Facts{FactFenceUntil: stamp(f.Until)}
	if f.Final {
		facts[FactFenceUntil] = "final"
	}
	if !f.At.IsZero() {
		facts[FactFenceRound], facts[FactFenceAt] = f.Round.String(), stamp(f.At)
	}
	return facts
}

func ignored(m *memory.Memory, bmc inventory.ID) checks.Facts {
	f, fenced := m.Fence(bmc)
	if !fenced {
		return nil
	}
	facts := fenceFacts(f)
	return checks.Facts{FactFenceIgnored: fmt.Sprintf("credential %q, refused at %s, until %s", f.Credential, facts[FactFenceAt], facts[FactFenceUntil])}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
