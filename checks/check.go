// Package checks asks one BMC one question at a time: ping, tls, redfish-login, ipmi-login, power.
//
// A check is a value with a function. It knows no bus, no retry and no log: what it returns says whether the chain goes on,
// and whose fault it is if not. inventory says whom to ask; the satellite's actors run the checks; results judges them.
package checks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lamplighter/inventory"
)

// Name names a check.
type Name string

// The checks.
const (
	Ping         Name = "ping"
	TLS          Name = "tls"
	RedfishLogin Name = "redfish-login"
	IPMILogin    Name = "ipmi-login"
	Power        Name = "power"
)

// Check is one question to one BMC.
type Check struct {
	Name    Name
	Timeout time.Duration
	// Every is how often the question is asked; in between its last good result is carried over. 0: each round.
	Every time.Duration
	// Logs says that the check logs in, so that the login rule (design section 7) decides whether it runs.
	Logs bool
	// Applies says whether a BMC with these facts is asked at all; nil: always.
	Applies func(inventory.BMC, Facts) bool
	// Run asks. It is called by one actor at a time per BMC, with a deadline, and does not retry a refusal. An error made by
	// Blame is the BMC's and ends the chain; any other error is ours and makes the round Unknown.
	Run func(ctx context.Context, v *Visit) (Finding, error)
}

// Facts are what a check learned, by name; docs/facts.md lists them.
type Facts map[string]string

// Finding is what a check that succeeded found.
type Finding struct {
	Facts Facts
	// Notes are reasons that do not end the chain; they make the round Degraded.
	Notes []Reason
}

// Fault is an error with a reason from the table.
type Fault struct {
	Reason Reason
	Err    error
	// Facts are what was learned before the fault.
	Facts Facts
}

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// Blame marks err as the BMC's fault. It ends the chain.
func Blame(r Reason, err error) error { return &Fault{Reason: r, Err: err} }

// BlameWith is Blame with the facts that were learned before the fault.
func BlameWith(r Reason, facts Facts, err error) error {
	return &Fault{Reason: r, Err: err, Facts: facts}
}

// Ours marks err as our own fault, with a self reason. The round becomes Unknown.
func Ours(r Reason, err error) error {
	if r.Info().Owner != OwnerUs {
		panic(fmt.Sprintf("checks: %s is not a reason of ours", r))
	}
	return &Fault{Reason: r, Err: err}
}

// FaultOf finds the Fault in err; an error without one is SelfError.
func FaultOf(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Reason: SelfError, Err: err}
}
