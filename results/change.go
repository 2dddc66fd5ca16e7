package results

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// ChangeSchema names the version of the change's document.
const ChangeSchema = "lamplighter.change.v1"

// Kind says what a change is about.
type Kind string

// The kinds.
const (
	// HealthChanged: another health is believed, or another reason or failed check for the same one.
	HealthChanged Kind = "health"
	// StartedFlapping and StoppedFlapping leave the health as it is.
	StartedFlapping Kind = "flapping"
	StoppedFlapping Kind = "stopped_flapping"
	// WentUnknown: for two intervals all rounds were Unknown. WentSilent: for two intervals no round was heard of.
	WentUnknown Kind = "unknown"
	WentSilent  Kind = "silent"
)

// Change is a hard transition of state: news.
type Change struct {
	Schema string `json:"schema"`
	// ID is BMC@due#kind, of the round that decided: whoever sees it twice saw the same change.
	ID      string       `json:"id"`
	BMC     inventory.ID `json:"bmc"`
	Site    string       `json:"site"`
	Room    string       `json:"room"`
	Row     string       `json:"row"`
	Rack    string       `json:"rack"`
	Unit    float64      `json:"unit"`
	Vendor  string       `json:"vendor"`
	Model   string       `json:"model"`
	Address string       `json:"address"`
	Kind    Kind         `json:"kind"`
	From    Belief       `json:"from"`
	To      Belief       `json:"to"`
	// Since is when To began, At when it was believed.
	Since    time.Time    `json:"since"`
	At       time.Time    `json:"at"`
	Round    checks.Round `json:"round"`
	Owner    checks.Owner `json:"owner"`
	NextStep string       `json:"next_step"`
	// NeverSeen and Flapping are the state's: neither is a reason to wake somebody.
	NeverSeen bool `json:"never_seen"`
	Flapping  bool `json:"flapping"`
	// Late: the net difference after late rounds that were no news one by one.
	Late bool `json:"late"`
	// Trail is the deciding round's; empty where none was heard of.
	Trail []checks.Result `json:"trail"`
}

// told is what the changes so far add up to.
func (s *State) told() Told {
	if s.Untold != nil {
		return *s.Untold
	}
	return Told{s.Believed(), s.Flapping != nil}
}

// tell makes the difference to what was told news, unless v is late. Only a round that found what is believed tells of it.
func (s *State) tell(told Told, caughtUp bool, v Verdict, late bool) (changes []Change) {
	now := Told{s.Believed(), s.Flapping != nil}
	if !late && s.shows(v) {
		if news(told.Belief, now.Belief) {
			changes = append(changes, s.change(kindOf(now.Belief), told.Belief, v.Round, v.At))
		}
		told.Belief = now.Belief
	}
	if !late && found(v) && told.Flapping != now.Flapping {
		kind := StoppedFlapping
		if now.Flapping {
			kind = StartedFlapping
		}
		change := s.change(kind, now.Belief, v.Round, v.At)
		change.Since = v.At
		changes = append(changes, change)
		told.Flapping = now.Flapping
	}
	s.Untold = nil
	if told != now {
		s.Untold = &told
	}
	for i := range changes {
		changes[i].Late, changes[i].Trail = caughtUp, append(changes[i].Trail, v.Trail...)
	}
	return changes
}

// shows says that v, which the state has taken in, found what is believed.
func (s *State) shows(v Verdict) bool {
	if found(v) {
		return s.Health != checks.Unknown && s.Soft == nil
	}
	return s.Health == checks.Unknown
}

// news says whether it is worth telling that b is believed after a. Why we do not know is no news, but for silence: then not
// even Unknown is heard.
func news(a, b Belief) bool {
	if a.Health == checks.Unknown && b.Health == checks.Unknown {
		return a.Reason == "" && b.Reason != "" || kindOf(a) != kindOf(b)
	}
	return a != b
}

func kindOf(b Belief) Kind {
	switch {
	case b.Health != checks.Unknown:
		return HealthChanged
	case b.Reason == checks.SelfSilent:
		return WentSilent
	}
	return WentUnknown
}

// change is a change to what is believed now.
func (s *State) change(kind Kind, from Belief, round checks.Round, at time.Time) Change {
	id := checks.Round{BMC: s.BMC, Due: round.Due, Why: checks.Why(kind)}
	return Change{
		Schema: ChangeSchema, ID: id.String(), BMC: s.BMC,
		Site: s.Site, Room: s.Room, Row: s.Row, Rack: s.Rack, Unit: s.Unit, Vendor: s.Vendor, Model: s.Model, Address: s.Address,
		Kind: kind, From: from, To: s.Believed(), Since: s.Since, At: at, Round: round,
		Owner: s.Owner, NextStep: s.NextStep, NeverSeen: s.NeverSeen, Flapping: s.Flapping != nil, Trail: []checks.Result{},
	}
}
