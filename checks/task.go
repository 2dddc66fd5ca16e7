package checks

import (
	"fmt"
	"strings"
	"time"

	"lamplighter/inventory"
)

// Outcome is how a check ended.
type Outcome uint8

// The outcomes. The zero outcome is unknown.
const (
	OutcomeUnknown Outcome = iota
	OK
	Failed
)

var outcomeNames = [...]string{"unknown", "ok", "failed"}

func (o Outcome) String() string { return outcomeNames[o] }

// MarshalText makes an Outcome its name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if name == string(text) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("outcome %q: want one of %v", text, outcomeNames)
}

// Result is what one check found; it travels in the task and ends in the verdict's trail.
type Result struct {
	Check   Name    `json:"check"`
	Outcome Outcome `json:"outcome"`
	Reason  Reason  `json:"reason"`
	// Notes is never null in JSON: NewResult sees to it, and so does Facts.
	Notes []Reason `json:"notes"`
	// Error is for people: what was attempted on what. It holds no secret.
	Error  string `json:"error"`
	TookMS int64  `json:"took_ms"`
	// AgeS is set on a result that was carried over from an earlier round: its age in seconds when the verdict was made.
	AgeS  int64 `json:"age_s"`
	Facts Facts `json:"facts"`
	// At is when the check ended, UTC.
	At        time.Time `json:"at"`
	Satellite string    `json:"satellite,omitempty"`
}

// NewResult is the result of a check that returned f and err after running from start to end.
func NewResult(name Name, f Finding, err error, start, end time.Time) Result {
	r := Result{Check: name, Outcome: OK, Notes: f.Notes, Facts: f.Facts, TookMS: end.Sub(start).Milliseconds(), At: end.UTC()}
	if err != nil {
		fault := FaultOf(err)
		r.Outcome, r.Reason, r.Error = Failed, fault.Reason, err.Error()
		if fault.Reason.Info().Owner == OwnerUs {
			r.Outcome = OutcomeUnknown
		}
		r.Facts = merge(f.Facts, fault.Facts)
	}
	if r.Notes == nil {
		r.Notes = []Reason{}
	}
	if r.Facts == nil {
		r.Facts = Facts{}
	}
	return r
}

func merge(a, b Facts) Facts {
	all := Facts{}
	for _, facts := range []Facts{a, b} {
		for k, v := range facts {
			all[k] = v
		}
	}
	return all
}

// Why says who asked for a round.
type Why string

// The whys.
const (
	Routine Why = "routine"
	Confirm Why = "confirm"
	Person  Why = "person"
	// Look is for a BMC that a look round found silent: others of its rack or subnet had failed.
	Look Why = "look"
)

// Lane is the urgency of a task: a person waits before a confirmation, a confirmation before routine.
type Lane uint8

// The lanes, most urgent first.
const (
	LanePerson Lane = iota
	LaneConfirm
	LaneRoutine
)

// Lane is the lane that a round of this why travels in.
func (w Why) Lane() Lane {
	switch w {
	case Person:
		return LanePerson
	case Confirm, Look:
		return LaneConfirm
	}
	return LaneRoutine
}

// Round is one pass of the chain over one BMC. Rounds of a BMC are ordered by Due alone.
type Round struct {
	BMC inventory.ID
	Due time.Time // planned start, UTC, milliseconds
	Why Why
}

const roundTime = "2006-01-02T15:04:05.000Z"

// String is the round's ID, BMC@due#why.
func (r Round) String() string {
	return fmt.Sprintf("%s@%s#%s", r.BMC, r.Due.UTC().Format(roundTime), r.Why)
}

// ParseRound reads a round's ID. The BMC's ID may hold any character.
func ParseRound(s string) (Round, error) {
	hash := strings.LastIndexByte(s, '#')
	at := strings.LastIndexByte(s[:max(hash, 0)], '@')
	if hash < 0 || at < 1 {
		return Round{}, fmt.Errorf("round %q: want BMC@time#why", s)
	}
	due, err := time.Parse(roundTime, s[at+1:hash])
	if err != nil {
		return Round{}, fmt.Errorf("round %q: due: %w", s, err)
	}
	switch why := Why(s[hash+1:]); why {
	case Routine, Confirm, Person, Look:
		return Round{inventory.ID(s[:at]), due, why}, nil
	}
	return Round{}, fmt.Errorf("round %q: why: want routine, confirm, person or look", s)
}

// MarshalText makes a Round its ID.
func (r Round) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a round's ID.
func (r *Round) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRound(string(text))
	return err
}

// Task is the message that travels from actor to actor. It names the BMC by asset ID, so that no message can steer a login
// to another host, and it carries the round's history, so that nothing is looked up or sent back.
type Task struct {
	Round Round `json:"round"`
	// Rev is the hash of the BMC's record that the task was made from.
	Rev   string `json:"rev"`
	Check Name   `json:"check"`
	// Done are this round's results so far, in order.
	Done []Result `json:"done"`
	// Carried are good results of earlier rounds that stand in for checks that are not due.
	Carried []Result  `json:"carried,omitempty"`
	Expires time.Time `json:"expires"`
	// Failures are how often messages of this round were handed back before its chain was begun again.
	Failures int `json:"failures,omitempty"`
}
