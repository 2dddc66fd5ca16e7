package follow

import (
	"slices"
	"strings"
	"sync"

	"lamplighter/inventory"
	"lamplighter/results"
)

const (
	// remembered is how many deltas a subscriber can have missed and still catch up with.
	remembered = 512
	// ahead is how many deltas a subscriber may be behind.
	ahead = 64
)

// BMC is one BMC as it is believed to be. Nothing of it ever changes: what is new comes as another one.
type BMC struct {
	State results.State
	Facts []results.Fact // by name
	// Version is that of the delta that it came with.
	Version uint64
}

// Delta is what one batch changed. Nothing of it may be changed.
type Delta struct {
	// Version grows from delta to delta, over restarts too, as long as Epoch stays the same.
	Version uint64
	BMCs    []*BMC
	Gone    []inventory.ID
	Changes []results.Change
	// Incidents, Silences and Tickets are the newest documents of those that changed; Members came, changed or left.
	Incidents []results.Incident
	Members   []results.Member
	Silences  []results.Silence
	Tickets   []results.Ticket
}

// Live is the newest state of every BMC, in memory. All methods may be called at the same time.
type Live struct {
	mu      sync.RWMutex
	epoch   string
	version uint64
	bmcs    map[inventory.ID]*BMC
	order   []*BMC // by ID; never changed in place, so that readers need no lock
	stale   bool   // order is older than bmcs
	past    []Delta
	heard   map[*subscriber]struct{}
}

type subscriber struct{ deltas chan Delta }

func newLive() *Live {
	return &Live{bmcs: map[inventory.ID]*BMC{}, heard: map[*subscriber]struct{}{}}
}

// Version says which delta is the newest. Versions of another epoch, which begins with an empty store, cannot be compared.
func (l *Live) Version() (epoch string, version uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epoch, l.version
}

// Get is one BMC; nil: nothing was ever heard of it.
func (l *Live) Get(id inventory.ID) *BMC {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.bmcs[id]
}

// All are all BMCs by ID, as they are at version. The slice may not be changed.
func (l *Live) All() (all []*BMC, version uint64) {
	l.mu.RLock()
	if !l.stale {
		defer l.mu.RUnlock()
		return l.order, l.version
	}
	l.mu.RUnlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sort()
	return l.order, l.version
}

// sort makes order anew; the old one may still be read.
func (l *Live) sort() {
	if !l.stale {
		return
	}
	if len(l.order) == len(l.bmcs) && !slices.ContainsFunc(l.order, func(b *BMC) bool { return l.bmcs[b.State.BMC] == nil }) {
		order := make([]*BMC, len(l.order))
		for i, b := range l.order {
			order[i] = l.bmcs[b.State.BMC]
		}
		l.order, l.stale = order, false
		return
	}
	order := make([]*BMC, 0, len(l.bmcs))
	for _, b := range l.bmcs {
		order = append(order, b)
	}
	slices.SortFunc(order, func(a, b *BMC) int { return strings.Compare(string(a.State.BMC), string(b.State.BMC)) })
	l.order, l.stale = order, false
}

// Subscribe gives every delta after version, which is that of All and Get just now, or a later one. A subscriber that is too far
// behind finds deltas closed, and begins anew, with Since or All. stop has to be called, and may be more than once.
func (l *Live) Subscribe() (version uint64, deltas <-chan Delta, stop func()) {
	s := &subscriber{make(chan Delta, ahead)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[s] = struct{}{}
	return l.version, s.deltas, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leave(s)
	}
}

func (l *Live) leave(s *subscriber) {
	if _, ok := l.heard[s]; ok {
		delete(l.heard, s)
		close(s.deltas)
	}
}

// Since are the deltas after a version, if all of them are still remembered.
func (l *Live) Since(version uint64) (deltas []Delta, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if version >= l.version {
		return nil, version == l.version
	}
	i := slices.IndexFunc(l.past, func(d Delta) bool { return d.Version > version })
	if i < 0 || l.past[i].Version != version+1 {
		return nil, false
	}
	return slices.Clone(l.past[i:]), true
}

// publish takes in a delta, and tells all who subscribed.
func (l *Live) publish(d Delta) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range d.BMCs {
		l.bmcs[b.State.BMC] = b
	}
	for _, id := range d.Gone {
		delete(l.bmcs, id)
	}
	l.version, l.stale = d.Version, true
	if l.past = append(l.past, d); len(l.past) > remembered {
		l.past = slices.Clone(l.past[len(l.past)-remembered/2:])
	}
	for s := range l.heard {
		select {
		case s.deltas <- d:
		default:
			l.leave(s)
		}
	}
}

// begin is what the store has at the start.
func (l *Live) begin(epoch string, version uint64, all []*BMC) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.version, l.stale = epoch, version, true
	for _, b := range all {
		l.bmcs[b.State.BMC] = b
	}
}
