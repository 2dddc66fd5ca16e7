package icmp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// family is the socket of one address family and who waits for replies on it.
type family struct {
	v6   bool
	mode string
	// conn is nil where neither kind of socket is allowed; err says why.
	conn net.PacketConn
	err  error
	// id tells our requests from another process's. The kernel replaces that of an unprivileged socket.
	id uint16

	mu      sync.Mutex // guards waiting
	waiting map[key]*query
}

// key is what every answer names, even an unreachable that quotes only 8 bytes of the request.
type key struct {
	addr netip.Addr
	seq  uint16
}

// query is one Echo under way.
type query struct {
	key
	to     net.Addr
	nonce  uint64
	answer chan answer
}

type answer struct {
	at      time.Time
	request uint64
	err     error
}

// open opens a raw socket, else an unprivileged one.
func open(v6 bool) *family {
	f := &family{v6: v6, mode: Raw, id: uint16(random()), waiting: map[key]*query{}}
	conn, rawErr := listenRaw(v6)
	if rawErr != nil {
		var err error
		f.mode = Unprivileged
		if conn, err = listenUnprivileged(v6); err != nil {
			f.mode, f.err = "", fmt.Errorf("raw socket: %w; unprivileged socket: %w", rawErr, err)
			return f
		}
	}
	f.conn = conn
	return f
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// begin makes a query for addr that replies can find.
func (f *family) begin(addr netip.Addr) *query {
	q := &query{nonce: random(), answer: make(chan answer, 1), to: &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}}
	if f.mode == Unprivileged {
		q.to = net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for q.key = (key{addr.WithZone(""), uint16(random())}); f.waiting[q.key] != nil; q.seq++ {
	}
	f.waiting[q.key] = q
	return q
}

func (f *family) end(q *query) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting, q.key)
}

func (f *family) send(q *query, number uint64) error {
	_, err := f.conn.WriteTo(request(f.v6, f.id, q.seq, q.nonce, number), q.to)
	return sendError(err)
}

// read hands answers to their queries until ctx ends. Errors of a socket pass (an interface went down); only a socket that
// gives nothing else is given up.
func (f *family) read(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = f.conn.Close() })
	defer stop()
	defer f.conn.Close()
	b := make([]byte, 1500)
	for failed := 0; ; {
		n, from, err := f.conn.ReadFrom(b)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if failed++; failed > 100 {
				return fmt.Errorf("read from the %s icmp socket: %w", f.mode, err)
			}
		default:
			failed = 0
			f.deliver(b[:n], source(from), time.Now())
		}
	}
}

// source is the address of a packet without its zone: the nonce already tells interfaces apart.
func source(from net.Addr) netip.Addr {
	var addr netip.Addr
	switch from := from.(type) {
	case *net.IPAddr:
		addr, _ = netip.AddrFromSlice(from.IP)
	case *net.UDPAddr:
		addr, _ = netip.AddrFromSlice(from.IP)
	}
	return addr.Unmap()
}

// deliver answers the query that b belongs to. What belongs to none (another process's ping, a forged source) is ignored.
func (f *family) deliver(b []byte, from netip.Addr, at time.Time) {
	m, ok := parse(f.v6, b)
	if !ok || f.mode == Raw && m.id != f.id {
		return
	}
	a := answer{at: at, request: m.request}
	if m.kind == unreachable {
		a.err = fmt.Errorf("%w, says %s", ErrUnreachable, from)
		from = m.target
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	q := f.waiting[key{from, m.seq}]
	if q == nil || m.whole && m.nonce != q.nonce {
		return
	}
	select {
	case q.answer <- a:
	default: // a second answer
	}
}
