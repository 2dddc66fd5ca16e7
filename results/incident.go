package results

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// IncidentSchema names the version of the incident's document.
const IncidentSchema = "lamplighter.incident.v1"

// Incident is changes that look like one cause: what one ticket is about. incident.Engine alone writes it.
type Incident struct {
	Schema string `json:"schema"`
	// ID is the incident's for ever, also when it is opened again: the key by which a ticket desk knows it.
	ID string `json:"id"`
	// Seq grows by 1 with each change of the document.
	Seq    uint64 `json:"seq"`
	Status Status `json:"status"`
	Cause  Cause  `json:"cause"`
	// Title is one line for people that asserts nothing: "looks like rack C01: 40 BMCs net.timeout at ping".
	Title string `json:"title"`
	// Counted is what was counted: "40 of 40 in rack C01 at ping within 12 s; 0 of 760 elsewhere in row C".
	Counted string `json:"counted"`

	// Class is what sort of trouble all of its BMCs have; NeverSeen: none of them was ever seen to work.
	Class     Class `json:"class"`
	NeverSeen bool  `json:"never_seen"`
	// What the most of its BMCs have in common: why they fail, whose job it is, and what to do next.
	Health   checks.Health `json:"health"`
	Failed   checks.Name   `json:"failed"`
	Reason   checks.Reason `json:"reason"`
	Owner    checks.Owner  `json:"owner"`
	NextStep string        `json:"next_step"`
	// Evidence is what checks said of some of its BMCs: "ping 10.1.2.3: no answer within 3s (icmp, tcp, rmcp)".
	Evidence []string `json:"evidence"`
	// Where all of its BMCs are; empty, or 0, where they are in different ones.
	Site string  `json:"site"`
	Room string  `json:"room"`
	Row  string  `json:"row"`
	Rack string  `json:"rack"`
	Unit float64 `json:"unit"`

	// Since is when the first of its BMCs broke, OpenedAt when that became an incident.
	Since     time.Time `json:"since"`
	OpenedAt  time.Time `json:"opened_at"`
	UpdatedAt time.Time `json:"updated_at"`
	ClosedAt  time.Time `json:"closed_at,omitzero"`
	// Closed says why it is closed; empty while it is not.
	Closed Closed `json:"closed,omitempty"`
	// Into is the incident that this one was found to be a part of, where it was closed for that. From is the one that this
	// one's BMCs were left of.
	Into string `json:"into,omitempty"`
	From string `json:"from,omitempty"`
	// Reopened is how often it was opened again.
	Reopened int `json:"reopened"`

	// Total is how many BMCs were ever in it, Failing how many of them still fail. Children are those that fail, by ID, at most MostChildren.
	Total    int     `json:"total"`
	Failing  int     `json:"failing"`
	Children []Child `json:"children"`

	// Ack: somebody is on it. Silenced: nobody is to be woken, and no ticket opened, until that ends. Page: it is worth
	// waking somebody; a BMC that was never seen to work is not, nor is a warning.
	Ack      *IncidentAck `json:"ack"`
	Silenced *Silenced    `json:"silenced"`
	Page     bool         `json:"page"`
}

// MostChildren is how many BMCs an incident names.
const MostChildren = 200

// Class is a sort of trouble. BMCs whose trouble is of different sorts have no common cause.
type Class string

// The classes. ClassUs is all that is our own: of the BMCs of such an incident we only know that we know nothing.
const (
	ClassNet      Class = "net"      // nothing answers
	ClassTLS      Class = "tls"      // no TLS
	ClassCert     Class = "cert"     // its certificate expired, changed, or is not trusted
	ClassWeak     Class = "weak"     // weak or old TLS
	ClassPolicy   Class = "policy"   // a setting that somebody chose
	ClassAuth     Class = "auth"     // the login is refused
	ClassAPI      Class = "api"      // Redfish does not answer as it should
	ClassIPMI     Class = "ipmi"     // IPMI does not
	ClassPower    Class = "power"    // the power state cannot be read
	ClassIdentity Class = "identity" // it is another one
	ClassUs       Class = "us"
)

// Status says how far an incident is.
type Status string

// The statuses.
const (
	Open         Status = "open"
	Acknowledged Status = "acknowledged"
	Resolved     Status = "closed"
)

// Closed says why an incident was closed.
type Closed string

// The reasons.
const (
	Recovered Closed = "recovered" // its BMCs work again
	Merged    Closed = "merged"    // it was found to be a part of another
	Left      Closed = "left"      // its BMCs are in the inventory no more
)

// Cause is what an incident looks like.
type Cause struct {
	Kind CauseKind `json:"kind"`
	// Key tells causes of a kind apart: "ams1/r1/C/C01" of a rack, "10.1.2.0/24" of a subnet, an asset ID of a BMC.
	Key string `json:"key"`
	// Name is the key for people: "rack C01 (ams1, room r1, row C)".
	Name string `json:"name"`
}

// CauseKind is what kind of thing is the cause.
type CauseKind string

// The kinds. CauseBMC is a BMC that fails alone.
const (
	CauseBMC        CauseKind = "bmc"
	CauseRack       CauseKind = "rack"
	CauseRow        CauseKind = "row"
	CauseRoom       CauseKind = "room"
	CauseSite       CauseKind = "site"
	CauseSubnet     CauseKind = "subnet"
	CauseSatellite  CauseKind = "satellite"
	CausePath       CauseKind = "path" // between a satellite and a subnet
	CauseCredential CauseKind = "credential"
	CauseFirmware   CauseKind = "firmware" // vendor and firmware
	CauseIssuer     CauseKind = "issuer"   // of certificates
	CauseKeyring    CauseKind = "keyring"  // a site's, or its vault
)

// CauseKinds are all kinds.
var CauseKinds = []CauseKind{CauseBMC, CauseRack, CauseRow, CauseRoom, CauseSite, CauseSubnet, CauseSatellite, CausePath, CauseCredential, CauseFirmware, CauseIssuer, CauseKeyring}

// Child is a BMC of an incident.
type Child struct {
	BMC    inventory.ID  `json:"bmc"`
	Rack   string        `json:"rack"`
	Unit   float64       `json:"unit"`
	Failed checks.Name   `json:"failed"`
	Reason checks.Reason `json:"reason"`
	Since  time.Time     `json:"since"`
}

// Member is a BMC that is in an incident, or was.
type Member struct {
	Incident string
	Child
	// Left is since when it does not fail in it any more; zero: it does.
	Left time.Time
}

// IncidentAck says that somebody is on it.
type IncidentAck struct {
	Who  string    `json:"who"`
	Note string    `json:"note"`
	At   time.Time `json:"at"`
	// Until is when it ends by itself; zero: with the incident.
	Until time.Time `json:"until,omitzero"`
}

// Silenced says which silence keeps an incident quiet.
type Silenced struct {
	Silence string      `json:"silence"` // its ID
	Kind    SilenceKind `json:"kind"`
	Until   time.Time   `json:"until"`
}

// SilenceSchema names the version of the silence's document.
const SilenceSchema = "lamplighter.silence.v1"

// SilenceKind tells a silence from a maintenance: both keep quiet, and the one says that it is noise, the other that somebody works there.
type SilenceKind string

// The kinds.
const (
	Silencing   SilenceKind = "silence"
	Maintenance SilenceKind = "maintenance"
)

// Silence keeps incidents quiet for a while; checks go on, and what ends is closed all the same.
type Silence struct {
	Schema string `json:"schema"`
	// ID is the silence's for ever; Seq grows by 1 with each change of the document.
	ID   string      `json:"id"`
	Seq  uint64      `json:"seq"`
	Kind SilenceKind `json:"kind"`
	// Where says which BMCs, as a filter: site=ams1 and rack=C01.
	Where string `json:"where"`
	Who   string `json:"who"`
	// Reason says why; Ticket may name the work order.
	Reason string    `json:"reason"`
	Ticket string    `json:"ticket,omitempty"`
	MadeAt time.Time `json:"made_at"`
	// From and Until are when it holds; both are always set.
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	// EndedAt is when somebody ended it before its time.
	EndedAt time.Time `json:"ended_at,omitzero"`
	EndedBy string    `json:"ended_by,omitempty"`
	// MatchedAt is when a BMC last matched; one that matched nothing for a day is reported.
	MatchedAt time.Time `json:"matched_at,omitzero"`
}

// Holds says whether the silence holds at a time.
func (s Silence) Holds(at time.Time) bool {
	return !at.Before(s.From) && at.Before(s.Until) && s.EndedAt.IsZero()
}

// Over is when the silence is over.
func (s Silence) Over() time.Time {
	if !s.EndedAt.IsZero() {
		return s.EndedAt
	}
	return s.Until
}

// Idle says that a silence holds and has matched no BMC for a day: a rack that is written wrong, or is gone.
func (s Silence) Idle(at time.Time) bool {
	matched := s.From
	if s.MatchedAt.After(matched) {
		matched = s.MatchedAt
	}
	return s.Holds(at) && at.Sub(matched) > 24*time.Hour
}

// TicketSchema names the version of the ticket's document.
const TicketSchema = "lamplighter.ticket.v1"

// Ticket is what a desk has of an incident.
type Ticket struct {
	Schema string `json:"schema"`
	// Incident is the incident's ID, Desk the name of the desk in the configuration.
	Incident string `json:"incident"`
	Desk     string `json:"desk"`
	// Ref is the ticket as the desk's people call it, OPS-812; URL opens it. Both are empty where a desk has no such thing.
	Ref string `json:"ref"`
	URL string `json:"url"`
	// Open says that the desk has it open.
	Open bool `json:"open"`
	// Seq is the incident's that the desk was told last.
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	// Error says why the desk could not be told; empty when it was.
	Error string `json:"error,omitempty"`
	// OpenedAt is when it was opened there.
	OpenedAt time.Time `json:"opened_at,omitzero"`
	// ByHand: somebody closed or deleted it there while the incident was open.
	ByHand bool `json:"by_hand,omitempty"`
	// In is the storm whose ticket lists the incident instead of one of its own.
	In string `json:"in,omitempty"`
	// Said is what the desk was told last.
	Said Said `json:"said"`
}
