package results

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// StateSchema names the version of the state's document.
const StateSchema = "lamplighter.state.v1"

// State is what is believed of a BMC over time; Apply and Age are the only writers. The zero State is a BMC of which nothing
// was ever heard. States are values: what a pointer in one points at never changes.
type State struct {
	Schema  string       `json:"schema"`
	BMC     inventory.ID `json:"bmc"`
	Site    string       `json:"site"`
	Room    string       `json:"room"`
	Row     string       `json:"row"`
	Rack    string       `json:"rack"`
	Unit    float64      `json:"unit"`
	Vendor  string       `json:"vendor"`
	Model   string       `json:"model"`
	Address string       `json:"address"`

	// Health, Failed and Reason are what is believed: the hard state.
	Health   checks.Health `json:"health"`
	Failed   checks.Name   `json:"failed"`
	Reason   checks.Reason `json:"reason"`
	Owner    checks.Owner  `json:"owner"`
	NextStep string        `json:"next_step"`
	// Since is when the first of the rounds that led to it was judged: when it broke, not when it was believed.
	Since time.Time `json:"since,omitzero"`

	// Soft is what the newest rounds say and is not believed yet; nil: they say what is believed.
	Soft *Soft `json:"soft"`
	// LastRound is the newest round that was heard of, and LastAt when it was judged; Unknown ones, too.
	LastRound checks.Round `json:"last_round,omitzero"`
	LastAt    time.Time    `json:"last_at,omitzero"`
	// Found is the newest round that found something out; nil: none did.
	Found *Found `json:"found"`
	// Missed are the newest rounds where they all were Unknown; nil: the newest found something out.
	Missed *Missed `json:"unknown"`
	// LastKnown is what was believed before Health became Unknown; nil beside any other health, and where nothing was.
	LastKnown *LastKnown `json:"last_known"`
	// LastGoodAt is when a round last went through the whole chain; NeverSeen: none ever did.
	LastGoodAt time.Time `json:"last_good_at,omitzero"`
	NeverSeen  bool      `json:"never_seen"`
	// Flapping is set while the health of its rounds changes too often.
	Flapping *Flapping `json:"flapping"`
	// Window has a bit per round, the newest lowest: 1, its health was another than that of the round before it.
	Window uint32 `json:"window"`
	// Rounds is how many rounds found something out, those that merged records stand for included.
	Rounds uint64 `json:"rounds"`
	// Untold is what was told last, while late rounds have changed it since and nobody was told; nil: all is told.
	Untold *Told `json:"untold"`
	// Seq grows by 1 with each change of the document.
	Seq       uint64    `json:"seq"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`

	// Satellite judged the newest round.
	Satellite string `json:"satellite,omitempty"`
	// LoginAt and PowerAt are when a login and the power state were last tried: most rounds carry over what earlier ones found.
	LoginAt time.Time `json:"login_at,omitzero"`
	PowerAt time.Time `json:"power_at,omitzero"`
	// FailedAt is when a round last ended in a failure, believed or not.
	FailedAt time.Time `json:"failed_at,omitzero"`
}

// Belief is what can be believed of a BMC.
type Belief struct {
	Health checks.Health `json:"health"`
	Failed checks.Name   `json:"failed"`
	Reason checks.Reason `json:"reason"`
}

// Soft is a belief on trial: Attempts rounds in a row said so, Of are needed.
type Soft struct {
	Belief
	Attempts int       `json:"attempts"`
	Of       int       `json:"of"`
	Since    time.Time `json:"since"`
}

// Found is what one round found.
type Found struct {
	Round checks.Round `json:"round"`
	At    time.Time    `json:"at"`
	Belief
}

// Missed are Unknown rounds in a row. Round and Since are of the first, Reason of the newest.
type Missed struct {
	Round  checks.Round  `json:"round"`
	Since  time.Time     `json:"since"`
	Reason checks.Reason `json:"reason"`
	Rounds uint64        `json:"rounds"`
}

// LastKnown is what was believed, since when, and when a round last found anything out.
type LastKnown struct {
	Belief
	Since time.Time `json:"since"`
	At    time.Time `json:"at"`
}

// Flapping says since when, and the weighted share of changes among the last rounds in percent.
type Flapping struct {
	Since time.Time `json:"since"`
	Share int       `json:"share"`
}

// Told is what the changes so far add up to.
type Told struct {
	Belief
	Flapping bool `json:"flapping"`
}

// Believed is the hard state's belief.
func (s State) Believed() Belief { return Belief{s.Health, s.Failed, s.Reason} }
