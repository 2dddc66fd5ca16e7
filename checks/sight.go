package checks

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lamplighter/inventory"
)

// Limits of proof of sight.
const (
	// patience is how long a window waits for answers that come anyway before it has somebody asked.
	patience = time.Second / 4
	// shortestWindow is how long a window is kept open to ask, when the probe itself ended sooner.
	shortestWindow = time.Second
	// askEvery spaces the questions of the whole satellite; askFor is how long one may take.
	askEvery = time.Second / 4
	askFor   = time.Second / 2
	// askAgain is how long a witness that did not answer is passed over when there are others.
	askAgain = 2 * time.Second
	// recently is how old the answer may be that proves sight when a probe gives up; renewal is when a window that is still
	// open has the next one asked for.
	recently = 2 * time.Second
	renewal  = time.Second
	// sightings is of how many places the latest answer is kept. One other place is enough to prove sight.
	sightings = 8
)

// Sight answers, for a probe that failed by the network, whether this satellite saw anybody else meanwhile (design
// section 6). Its methods are safe for concurrent use.
type Sight struct {
	ask     func(ctx context.Context, addr netip.Addr, bmc *inventory.BMC) error
	anchors []witness

	mu    sync.Mutex // guards all below
	fleet []inventory.BMC
	// recent is the latest answer of each of the last places.
	recent []sighting
	// windows are those that are open and had no answer yet.
	windows map[*window]struct{}
	// asked is when witnesses were last asked that have not answered since.
	asked map[netip.Addr]time.Time
	// next is when the next question may be asked.
	next time.Time
	// news is closed at the next answer; nil when nobody waits for one.
	news chan struct{}
}

// Proof is what a window found.
type Proof struct {
	// Seen: an anchor or a BMC of another rack answered during the window.
	Seen bool
	// None: there is no anchor and no BMC of another rack that could have answered.
	None bool
	// Text says who answered, or that nobody did.
	Text string
}

// place is what one outage takes away at once: a rack, an anchor, or a BMC that stands in no known rack.
type place struct {
	site, room, rack string
	alone            inventory.ID
	anchor           netip.Addr
}

// witness is somebody whose answer proves that we see: a BMC, or an anchor.
type witness struct {
	addr   netip.Addr
	bmc    inventory.BMC
	anchor bool
}

type sighting struct {
	witness
	at time.Time
}

func bmcWitness(bmc inventory.BMC) witness { return witness{addr: bmc.Address.Unmap(), bmc: bmc} }

func (w witness) place() place {
	switch {
	case w.anchor:
		return place{anchor: w.addr}
	case w.bmc.Rack == "":
		return place{alone: w.bmc.ID}
	}
	return place{site: w.bmc.Site, room: w.bmc.Room, rack: w.bmc.Rack}
}

// countsFor says whether w's answer proves anything about a failed probe of bmc.
func (w witness) countsFor(bmc inventory.BMC) bool {
	probed := bmcWitness(bmc)
	return w.addr != probed.addr && w.place() != probed.place() && (w.anchor || w.bmc.ID != bmc.ID)
}

func (w witness) String() string {
	switch {
	case w.anchor:
		return fmt.Sprintf("anchor %s", w.addr)
	case w.bmc.Rack == "":
		return fmt.Sprintf("BMC %s at %s", w.bmc.ID, w.addr)
	}
	return fmt.Sprintf("BMC %s at %s, rack %s", w.bmc.ID, w.addr, w.bmc.Rack)
}

// NewSight compares among fleet and anchors. ask asks one of them once, a BMC or (bmc is nil) an anchor; it is called
// concurrently, a few times a second at most, and returns nil when there was an answer.
func NewSight(fleet []inventory.BMC, anchors []netip.Addr, ask func(ctx context.Context, addr netip.Addr, bmc *inventory.BMC) error) *Sight {
	s := &Sight{ask: ask, windows: map[*window]struct{}{}, asked: map[netip.Addr]time.Time{}}
	for _, addr := range anchors {
		s.anchors = append(s.anchors, witness{addr: addr.Unmap(), anchor: true})
	}
	s.SetFleet(fleet)
	return s
}

// SetFleet replaces the fleet. Open windows go on with the new one. It keeps the slice, which nobody may change any more.
func (s *Sight) SetFleet(fleet []inventory.BMC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet = fleet
}

// Answered says that bmc answered. at is no later than the answer: the start of a check of which Answers is true is right,
// its end is not, because the answer may be older.
func (s *Sight) Answered(bmc inventory.BMC, at time.Time) { s.saw(bmcWitness(bmc), at) }

func (s *Sight) saw(who witness, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asked, who.addr)
	s.notice(who)
	i := s.entry(who.place())
	switch {
	case i == len(s.recent):
		s.recent = append(s.recent, sighting{who, at})
	case s.recent[i].at.Before(at):
		s.recent[i] = sighting{who, at}
	}
	if s.news != nil {
		close(s.news)
		s.news = nil
	}
}

// entry is the index in recent of an answer from here: its own, else a new one, else the oldest. The caller holds mu.
func (s *Sight) entry(here place) int {
	oldest := 0
	for i, one := range s.recent {
		if one.place() == here {
			return i
		}
		if one.at.Before(s.recent[oldest].at) {
			oldest = i
		}
	}
	if len(s.recent) < sightings {
		return len(s.recent)
	}
	return oldest
}

// seen is the latest answer since then that counts for bmc. The caller holds mu.
func (s *Sight) seen(bmc inventory.BMC, since time.Time) (sighting, bool) {
	var last sighting
	now := time.Now()
	for _, one := range s.recent {
		if !one.at.Before(since) && !one.at.After(now) && one.at.After(last.at) && one.countsFor(bmc) {
			last = one
		}
	}
	return last, !last.at.IsZero()
}

// choose finds whom to ask for bmc: anchors first, then who answered most recently, then anybody of another place; those
// who lately did not answer only when there is nobody else. The caller holds mu.
func (s *Sight) choose(bmc inventory.BMC, now time.Time) (witness, bool) {
	var stale witness
	var staleAt time.Time
	for who := range s.candidates {
		if !who.countsFor(bmc) {
			continue
		}
		at, asked := s.asked[who.addr]
		if !asked || now.Sub(at) >= askAgain {
			return who, true
		}
		if staleAt.IsZero() || at.Before(staleAt) {
			stale, staleAt = who, at
		}
	}
	return stale, !staleAt.IsZero()
}

// candidates yields all witnesses in the order of choose. The caller holds mu.
func (s *Sight) candidates(yield func(witness) bool) {
	for _, who := range s.anchors {
		if !yield(who) {
			return
		}
	}
	byAge := slices.SortedFunc(slices.Values(s.recent), func(a, b sighting) int { return b.at.Compare(a.at) })
	for _, one := range byAge {
		if !yield(one.witness) {
			return
		}
	}
	if len(s.fleet) == 0 {
		return
	}
	first := rand.IntN(len(s.fleet))
	for i := range s.fleet {
		if !yield(bmcWitness(s.fleet[(first+i)%len(s.fleet)])) {
			return
		}
	}
}

// forget drops questions so old that they no longer matter. The caller holds mu.
func (s *Sight) forget(now time.Time) {
	maps.DeleteFunc(s.asked, func(_ netip.Addr, at time.Time) bool { return now.Sub(at) >= askAgain })
}
