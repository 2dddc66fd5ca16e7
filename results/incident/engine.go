// Package incident finds what changes look like together: one likely cause is one incident, with the BMCs that fail by it.
//
// An Engine is pure: it knows no clock and no store. Package follow tells it what is believed, and keeps and sends what it decides.
// docs/incidents.md tells people the rule, in the order of the files here: trouble.go says what fails, group.go what BMCs have in
// common, count.go and choose.go when a group fails as a whole and which is the cause, settle.go how long that is waited for,
// affair.go who is in an incident and when it ends, write.go what it says.
package incident

import (
	"slices"
	"strings"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

// BMC is a BMC as it is believed to be. What State points at never changes.
type BMC struct {
	State *results.State
	Facts []results.Fact
	// Login is the name of its credential, "" where the inventory is not known; Labels are the inventory's.
	Login  string
	Labels map[string]string
	// Said is what the check that failed in its newest round said; "" where none did, or that is not known any more. Second is the
	// satellite that gave a second opinion.
	Said, Second string
}

// Outcome is what is new: the newest documents of incidents and silences, and who came, changed or left.
type Outcome struct {
	Incidents []results.Incident
	Members   []results.Member
	Silences  []results.Silence
}

// Engine decides. One goroutine at a time may use it.
type Engine struct {
	settings   Settings
	bmcs       map[inventory.ID]*bmc
	fleet      *group // all of them
	groups     map[place]*group
	open       map[string]*affair
	byCause    map[place][]*affair // those that are not closed, by what they look like
	closed     map[cause]*affair   // the newest that may be opened again
	silences   map[string]*silence
	satellites map[string]time.Time // when a satellite was last heard of, by SITE/NAME
	wrong      map[place]time.Time  // when it was taken back that a group fails as a whole
	listening  time.Time
	begun      bool // something was decided
	released   bool // somebody was let go of since place

	buffer  []time.Time
	seen    map[*bmc]bool // since the last decision
	waiting map[*bmc]bool // for an incident
	dim     map[*bmc]bool // nothing is known of them, and that is in no incident
	touched map[*affair]bool
	moved   []results.Member
	quiet   []results.Silence
}

// bmc is what the engine knows of one.
type bmc struct {
	BMC
	id     inventory.ID
	seats  []seat
	speaks string // redfish, ipmi, or "" where that is not known
	// in is what it fails in, dark what nothing is known of it by.
	in, dark *affair
	// waits is since when it waits for an incident, from the incident that it was left of.
	waits   time.Time
	from    string
	silence *silence
	ill     bool // it is among the ill of its groups
}

// New makes an engine that knows of nothing.
func New(s Settings) *Engine {
	return &Engine{
		settings: s, bmcs: map[inventory.ID]*bmc{}, fleet: &group{}, groups: map[place]*group{}, open: map[string]*affair{},
		byCause: map[place][]*affair{}, closed: map[cause]*affair{}, silences: map[string]*silence{}, satellites: map[string]time.Time{}, wrong: map[place]time.Time{},
		seen: map[*bmc]bool{}, waiting: map[*bmc]bool{}, dim: map[*bmc]bool{}, touched: map[*affair]bool{},
	}
}

// Load takes in what was decided before: incidents, and who is in those that are not closed, or was. See has to follow for each
// BMC; those that are not seen then are in the inventory no more.
func (e *Engine) Load(incidents []results.Incident, members []results.Member) {
	all := map[string]*affair{}
	for _, one := range incidents {
		a := newAffair(one)
		all[one.ID] = a
		if one.Status != results.Resolved {
			e.begin(a)
		} else if other := e.closed[causeOf(one)]; other == nil || other.ClosedAt.Before(one.ClosedAt) {
			e.closed[causeOf(one)] = a
		}
	}
	for _, m := range members {
		switch a := all[m.Incident]; {
		case a == nil:
		case !m.Left.IsZero():
			a.past[m.BMC] = m.Left
		default:
			a.seat(e.bmc(m.BMC), m.Child)
		}
	}
	clear(e.touched)
}

func (e *Engine) bmc(id inventory.ID) *bmc {
	b := e.bmcs[id]
	if b == nil {
		b = &bmc{id: id}
		e.bmcs[id] = b
	}
	return b
}

// See takes in what is believed of a BMC now.
func (e *Engine) See(now BMC) {
	b := e.bmc(now.State.BMC)
	if now.Said == "" && now.State.Found != nil && b.State != nil && b.State.Found != nil && now.State.Found.Round == b.State.Found.Round {
		now.Said, now.Second = b.Said, b.Second
	}
	if b.State == nil || !sameGroups(b.BMC, now) {
		e.sit(b, now)
	}
	b.BMC = now
	e.mark(b)
	if s := now.State; s.Satellite != "" && s.LastAt.After(e.satellites[s.Site+"/"+s.Satellite]) {
		e.satellites[s.Site+"/"+s.Satellite] = s.LastAt
	}
	e.hush(b)
	e.seen[b] = true
}

// Gone takes in that a BMC is in the inventory no more.
func (e *Engine) Gone(id inventory.ID, now time.Time) {
	b := e.bmcs[id]
	if b == nil {
		return
	}
	for _, a := range []*affair{b.in, b.dark} {
		if a != nil {
			e.leave(a, b, now)
			e.end(a, results.Left, now)
		}
	}
	e.stand(b)
	delete(e.bmcs, id)
	delete(e.seen, b)
	delete(e.waiting, b)
	delete(e.dim, b)
}

// Listen says since when what is seen is seen as it happens; zero: not now. Silence of a satellite is none before.
func (e *Engine) Listen(since time.Time) { e.listening = since }

// Decide says what follows at now from what was seen until then.
func (e *Engine) Decide(now time.Time) Outcome {
	if !e.begun {
		e.forgetUnseen(now)
	}
	e.turnSilences(now)
	for _, b := range e.ordered(e.seen) {
		e.look(b, now)
	}
	clear(e.seen)
	e.begun = true
	e.place(now)
	e.placeUs(now)
	for _, a := range e.inOrder() {
		e.review(a, now)
	}
	if e.released {
		e.place(now) // those that were let go of find another incident at once
	}
	e.missSatellites(now)
	return e.outcome(now)
}

// forgetUnseen takes out who was in an incident and is in the inventory no more.
func (e *Engine) forgetUnseen(now time.Time) {
	for id, b := range e.bmcs {
		if b.State == nil {
			e.Gone(id, now)
		}
	}
}

// look takes a BMC out of what is over for it, and has it wait where it fails and is in no incident for that.
func (e *Engine) look(b *bmc, now time.Time) {
	e.lookUs(b, now)
	class := hardClass(b.State)
	if b.in != nil && recovered(b, b.in) {
		e.leave(b.in, b, now)
	}
	settled := b.in != nil && b.in.Class == class && b.in.NeverSeen == b.State.NeverSeen && !e.waiting[b]
	if b.in != nil {
		e.update(b)
	}
	if class == "" || b.in == nil && (b.silence != nil || mending(b.State)) || settled {
		b.waits, b.from = time.Time{}, ""
		delete(e.waiting, b)
		return
	}
	if b.waits.IsZero() {
		b.waits = now
		if at := b.State.UpdatedAt; at.Before(now) && !e.begun {
			b.waits = at // it waited before we began
		}
	}
	e.waiting[b] = true
}

// mending says that the newest round found nothing of a trouble that is believed still: nobody is to be called for it now.
func mending(s *results.State) bool { return s.Soft != nil && classOf(s.Soft.Belief) == "" }

// ordered gives BMCs in one order, so that the same input gives the same incidents.
func (e *Engine) ordered(set map[*bmc]bool) []*bmc {
	all := make([]*bmc, 0, len(set))
	for b := range set {
		all = append(all, b)
	}
	slices.SortFunc(all, byID)
	return all
}

func byID(a, b *bmc) int { return strings.Compare(string(a.id), string(b.id)) }

// inOrder gives the incidents that are not closed in one order.
func (e *Engine) inOrder() []*affair {
	all := make([]*affair, 0, len(e.open))
	for _, a := range e.open {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *affair) int { return strings.Compare(a.ID, b.ID) })
	return all
}
