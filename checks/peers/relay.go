package peers

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// Kind is what a datagram is, as far as one sees from outside.
type Kind string

// The kinds. Session: a command within a session, or the answer to one.
const (
	Capabilities Kind = "capabilities"
	OpenSession  Kind = "open session"
	OpenAnswer   Kind = "open session response"
	RAKP1        Kind = "RAKP 1"
	RAKP2        Kind = "RAKP 2"
	RAKP3        Kind = "RAKP 3"
	RAKP4        Kind = "RAKP 4"
	Session      Kind = "session"
	Garbage      Kind = "garbage"
)

// KindOf looks at the headers (IPMI 2.0 section 13.6).
func KindOf(d []byte) Kind {
	if len(d) < 6 || d[0] != 6 || d[3] != 7 {
		return Garbage
	}
	if d[4] != 6 {
		return Capabilities
	}
	kinds := map[byte]Kind{
		0: Session, 0x10: OpenSession, 0x11: OpenAnswer, 0x12: RAKP1, 0x13: RAKP2, 0x14: RAKP3, 0x15: RAKP4,
	}
	if k, ok := kinds[d[5]&0x3f]; ok {
		return k
	}
	return Garbage
}

// Disturb says what becomes of a datagram, the nth of its kind: what it returns is passed on instead, in order. nil drops it.
type Disturb func(kind Kind, nth int, datagram []byte) [][]byte

// Relay stands between us and one BMC, counts what passes by kind, and disturbs it.
type Relay struct {
	Address netip.AddrPort

	delay   time.Duration // of each answer
	front   *net.UDPConn
	bmc     netip.AddrPort
	disturb Disturb
	readers sync.WaitGroup

	mu       sync.Mutex
	counts   map[Kind]int
	requests int
	backs    map[netip.AddrPort]*net.UDPConn
	closed   bool
}

// StartRelay starts a relay in front of a BMC until the test ends; disturb may be nil.
func StartRelay(t testing.TB, bmc netip.AddrPort, disturb Disturb) *Relay {
	t.Helper()
	front, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("start a relay: %v", err)
	}
	if disturb == nil {
		disturb = func(_ Kind, _ int, d []byte) [][]byte { return [][]byte{d} }
	}
	r := &Relay{
		Address: front.LocalAddr().(*net.UDPAddr).AddrPort(), front: front, bmc: bmc, disturb: disturb,
		counts: map[Kind]int{}, backs: map[netip.AddrPort]*net.UDPConn{},
	}
	r.readers.Go(r.forward)
	t.Cleanup(r.close)
	return r
}

// StartSlowRelay is StartRelay with a BMC that takes so much longer for each answer.
func StartSlowRelay(t testing.TB, bmc netip.AddrPort, delay time.Duration, disturb Disturb) *Relay {
	t.Helper()
	r := StartRelay(t, bmc, disturb)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = delay
	return r
}

// Counts are the datagrams that came to the relay so far, by kind, both ways; requests and answers have different kinds
// except Capabilities and Session.
func (r *Relay) Counts() map[Kind]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// Requests are the datagrams that came from our side.
func (r *Relay) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

func (r *Relay) close() {
	r.mu.Lock()
	r.closed = true
	_ = r.front.Close()
	for _, back := range r.backs {
		_ = back.Close()
	}
	r.mu.Unlock()
	r.readers.Wait()
}

func (r *Relay) forward() {
	for buf := make([]byte, 2048); ; {
		n, client, err := r.front.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		back := r.back(client)
		if err != nil || back == nil {
			continue
		}
		for _, d := range r.pass(buf[:n], true) {
			_, _ = back.Write(d) // a BMC that is gone is what a test may want
		}
	}
}

// back is the socket that stands for a client towards the BMC.
func (r *Relay) back(client netip.AddrPort) *net.UDPConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if back := r.backs[client]; back != nil || r.closed {
		return back
	}
	back, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.bmc))
	if err != nil {
		return nil
	}
	r.backs[client] = back
	delay := r.delay
	r.readers.Go(func() {
		for buf := make([]byte, 2048); ; {
			n, err := back.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			for _, d := range r.pass(buf[:n], false) {
				time.AfterFunc(delay, func() { _, _ = r.front.WriteToUDPAddrPort(d, client) }) // nobody cares after close
			}
		}
	})
	return back
}

func (r *Relay) pass(d []byte, request bool) [][]byte {
	kind := KindOf(d)
	r.mu.Lock()
	r.counts[kind]++
	if request {
		r.requests++
	}
	nth := r.counts[kind]
	r.mu.Unlock()
	return r.disturb(kind, nth, append([]byte{}, d...))
}
