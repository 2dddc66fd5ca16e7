package bmcsim

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	ipmiSlots       = 4
	ipmiSessionLife = 60 * time.Second // section 6.12.15, with the default of most BMCs
)

// ipmiSession is a session, or one that is being made.
type ipmiSession struct {
	exchange
	keys
	used   time.Time
	proved bool // RAKP 3 was right
	asked  bool // RAKP 1 came
	seq    uint32
	level  byte
	peer   netip.AddrPort
}

// name is what the event log calls the session.
func (s *ipmiSession) name() string { return fmt.Sprintf("%08x", s.managed) }

// serveRMCP answers datagrams, one after the other: an answer costs some 20 microseconds.
func (f *Fleet) serveRMCP(ctx context.Context) error {
	conn := ipv4.NewPacketConn(f.udp)
	if err := conn.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return fmt.Errorf("serve IPMI: ask for destination addresses: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = f.udp.Close() })()
	datagram := make([]byte, 2048)
	for {
		n, control, from, err := conn.ReadFrom(datagram)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("serve IPMI: %w", err)
			}
			continue // somebody's answer could not be delivered
		}
		if control == nil {
			continue
		}
		b := f.byAddr[addrOf(control.Dst)]
		if b == nil {
			f.strays.Add(1)
			continue
		}
		b.count.datagrams.Add(1)
		if answer := b.answerDatagram(datagram[:n], peerOf(from.String()), time.Now()); answer != nil {
			// The answer must come from the address that was asked. A lost one is what UDP is like.
			_, _ = conn.WriteTo(answer, &ipv4.ControlMessage{Src: control.Dst}, from)
		}
	}
}

// answerDatagram is what b says to a datagram; nil: nothing.
func (b *bmc) answerDatagram(raw []byte, from netip.AddrPort, now time.Time) []byte {
	faults := b.faults()
	if faults.has(Dead) || faults.has(Silent) {
		return nil
	}
	p, err := parsePacket(raw)
	switch {
	case err != nil:
		return nil
	case p.asf:
		return pong(p.asfTag)
	case !p.plus:
		return b.answerOld(p)
	case b.speaks != ipmi || faults.has(RAKPSilent):
		return nil
	case faults.has(Garbage):
		return noise(b.seed, p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asker = from
	return b.answerPlus(p, faults, now)
}

// noise bears the tag and session ID by which a client knows its answer, and nothing sensible behind them: noise that does not
// is any stranger's, and a careful client waits on.
func noise(seed [32]byte, p packet) []byte {
	if len(p.payload) < 8 {
		return nil
	}
	junk := derive(seed, string(p.payload))
	out := []byte{p.payload[0], statusOK, junk[0], junk[1]}
	out = append(out, p.payload[4:8]...)
	return plus(p.kind|1, 0, 0, append(out, junk[:1+junk[2]%31]...))
}

// answerOld serves the requests that need no session.
func (b *bmc) answerOld(p packet) []byte {
	m, err := parseMessage(p.payload)
	if err != nil || p.session != 0 || m.netFn != netFnApp {
		return nil
	}
	switch {
	case m.cmd == cmdAuthCapabilities:
		return old(b.capabilities(m))
	case m.cmd == cmdCipherSuites && b.speaks == ipmi:
		return old(b.cipherSuites(m))
	}
	return old(m.reply(0xd4)) // insufficient privilege: that needs a session
}

// answerPlus serves RMCP+; b.mu is held.
func (b *bmc) answerPlus(p packet, faults faultSet, now time.Time) []byte {
	switch p.kind {
	case payloadOpenRequest:
		return b.openSession(p.payload, faults, now)
	case payloadRAKP1:
		return b.answerRAKP1(p.payload, faults, now)
	case payloadRAKP3:
		return b.answerRAKP3(p.payload, faults, now)
	case payloadIPMI:
		if p.session == 0 { // sessionless requests may come in the new header too (section 13.28)
			if reply := b.answerOld(packet{payload: p.payload}); reply != nil {
				return plus(payloadIPMI, 0, 0, reply[14:])
			}
			return nil
		}
		return b.answerInSession(p, faults, now)
	}
	return nil
}

// accepts finds the proposed suite among those that b has.
func accepts(auth, integrity, conf byte, faults faultSet) (suite, byte) {
	for _, s := range suites {
		if faults.has(NoSuite) || faults.has(Suite3Only) && s.id != 3 || faults.has(Suite17Only) && s.id != 17 {
			continue
		}
		if s.auth == auth && s.integrity == integrity && s.conf == conf {
			return s, statusOK
		}
	}
	return suite{}, statusNoSuite
}

// RMCP+ status codes (table 13-15).
const (
	statusOK          = 0x00
	statusNoResources = 0x01
	statusNoSession   = 0x02
	statusBadRole     = 0x09
	statusBadName     = 0x0d
	statusBadCheck    = 0x0f
	statusNoSuite     = 0x11
)

// openSession answers an Open Session Request (section 13.17, 13.18).
func (b *bmc) openSession(in []byte, faults faultSet, now time.Time) []byte {
	if len(in) < 32 {
		return nil
	}
	refusal := func(status byte) []byte {
		return plus(payloadOpenResponse, 0, 0, append([]byte{in[0], status, 0, 0}, in[4:8]...))
	}
	s, status := accepts(in[12]&0x3f, in[20]&0x3f, in[28]&0x3f, faults)
	if status != statusOK {
		return refusal(status)
	}
	id, ok := b.newSession(s, in[4:8], now)
	if !ok || faults.has(NoSlots) {
		delete(b.ipmi, id)
		return refusal(statusNoResources)
	}
	out := append([]byte{in[0], statusOK, 4, 0}, in[4:8]...)
	out = append(out, le(id)...)
	out = append(out, 0, 0, 0, 8, s.auth, 0, 0, 0)
	out = append(out, 1, 0, 0, 8, s.integrity, 0, 0, 0)
	out = append(out, 2, 0, 0, 8, s.conf, 0, 0, 0)
	return plus(payloadOpenResponse, 0, 0, out)
}

// newSession takes a slot. Proved sessions are limited; of those that never got so far the oldest gives way.
func (b *bmc) newSession(s suite, console []byte, now time.Time) (uint32, bool) {
	proved, oldest := 0, uint32(0)
	for id, session := range b.ipmi {
		switch {
		case b.outlive(id, session, now):
		case session.proved:
			proved++
		case oldest == 0 || session.used.Before(b.ipmi[oldest].used):
			oldest = id
		}
	}
	if proved >= ipmiSlots {
		return 0, false
	}
	if len(b.ipmi) >= 2*ipmiSlots {
		delete(b.ipmi, oldest)
	}
	if b.ipmi == nil {
		b.ipmi = map[uint32]*ipmiSession{}
	}
	session := &ipmiSession{exchange: exchange{suite: s, console: toUint32(console), guid: b.guid()}, used: now, peer: b.asker}
	var random [4]byte
	for session.managed == 0 || b.ipmi[session.managed] != nil {
		_, _ = rand.Read(random[:]) // never fails, since Go 1.24
		session.managed = toUint32(random[:])
	}
	b.ipmi[session.managed] = session
	return session.managed, true
}

// outlive drops a session that nobody used for too long; b.mu is held.
func (b *bmc) outlive(id uint32, s *ipmiSession, now time.Time) bool {
	life := cmp.Or(b.life, ipmiSessionLife)
	if now.Sub(s.used) <= life {
		return false
	}
	if s.proved {
		b.write(Expired, s.used.Add(life), s.peer, s.name())
	}
	b.drop(id)
	return true
}

// drop forgets a session; b.mu is held.
func (b *bmc) drop(id uint32) {
	if s := b.ipmi[id]; s != nil && s.proved {
		b.count.sessions.add(-1)
	}
	delete(b.ipmi, id)
}

// guid is the system GUID, which is the UUID as the record has it.
func (b *bmc) guid() (guid [16]byte) {
	_, _ = hex.Decode(guid[:], []byte(strings.ReplaceAll(b.record.UUID, "-", ""))) // made by formatUUID
	return guid
}
