package bmcsim

import (
	"net/netip"
	"sync"
	"time"

	"lamplighter/inventory"
)

// EventKind is what a BMC wrote into its event log.
type EventKind string

// The kinds. A login of IPMI is refused when its password is not proved in the end; such a one is not in the log before that.
const (
	Handshake    EventKind = "handshake" // a TLS client hello
	Login        EventKind = "login"
	RefusedLogin EventKind = "refused login"
	Logout       EventKind = "logout"
	Expired      EventKind = "session expired"
)

// Event is an entry of the fleet's event log.
type Event struct {
	At   time.Time
	BMC  inventory.ID
	Kind EventKind
	// Peer is who did it; of a session that expired, who opened it.
	Peer netip.AddrPort
	// Session is the same for a login and the logout or expiry that ends it. It is no secret.
	Session string
}

// eventLog keeps the first events up to its room, and counts the rest. A nil one keeps nothing.
type eventLog struct {
	mu      sync.Mutex
	room    int
	events  []Event
	dropped int
}

func (l *eventLog) add(e Event) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == l.room {
		l.dropped++
		return
	}
	l.events = append(l.events, e)
}

// Events are what happened at the fleet so far, where Plan.Events switched the log on, and how many found no room. A session
// that ran out is noticed when its BMC is next asked for anything, at the latest here; At is when it ran out.
func (f *Fleet) Events() (events []Event, dropped int) {
	if f.events == nil {
		return nil, 0
	}
	for _, b := range f.bmcs {
		b.expire()
	}
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	return append(events, f.events.events...), f.events.dropped
}

// write adds to the event log.
func (b *bmc) write(kind EventKind, at time.Time, peer netip.AddrPort, session string) {
	b.events.add(Event{at, b.record.ID, kind, peer, session})
}

// peerOf reads the address that a connection or request came from; zero where there is none.
func peerOf(address string) netip.AddrPort {
	peer, _ := netip.ParseAddrPort(address)
	return peer
}
