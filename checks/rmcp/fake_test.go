package rmcp

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lamplighter/inventory"
)

// running is a client that ends with the test.
func running(t testing.TB) *Client {
	t.Helper()
	c, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return c
}

const fakePassword = "right"

// impostor is a BMC that lies: it answers as a good one would, and bend changes what it says. That the good answers are
// right is what the real peers prove.
type impostor struct {
	addr netip.AddrPort
	conn *net.UDPConn
	// bend gets the payload of an answer and returns what is sent, in order; nil: as it is. It may return raw datagrams.
	bend func(payloadType byte, nth int, payload []byte) []byte
	// raw replaces the answer to the nth datagram of a payload type, whole.
	raw func(b *impostor, payloadType byte, nth int, answer []byte) [][]byte

	mu       sync.Mutex
	requests map[byte][][]byte // payloads by payload type

	suite    suite
	console  uint32
	rm, rc   [16]byte
	session  *Session
	accepted uint8 // only this suite, 0: any
}

const impostorID = 0x01020304

func startImpostor(t testing.TB, b *impostor) *impostor {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	b.conn, b.addr, b.requests = conn, conn.LocalAddr().(*net.UDPAddr).AddrPort(), map[byte][][]byte{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for buf := make([]byte, 2048); ; {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				b.serve(append([]byte{}, buf[:n]...), from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return b
}

// got are the payloads of a type that came so far.
func (b *impostor) got(payloadType byte) [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests[payloadType]
}

func (b *impostor) serve(d []byte, from netip.AddrPort) {
	if len(d) < header20 || d[4] != authRMCP {
		return
	}
	payloadType, payload := d[5]&payloadTypeMask, d[header20:]
	b.mu.Lock()
	b.requests[payloadType] = append(b.requests[payloadType], payload)
	nth := len(b.requests[payloadType])
	b.mu.Unlock()
	answerType, answer := b.answer(payloadType, payload, d)
	if answer == nil {
		return
	}
	if b.bend != nil {
		answer = b.bend(payloadType, nth, answer)
	}
	datagram := plain20(answerType, 0, 0, answer)
	if payloadType == payloadIPMI {
		datagram = b.session.seal(answer)
	}
	datagrams := [][]byte{datagram}
	if b.raw != nil {
		datagrams = b.raw(b, payloadType, nth, datagram)
	}
	for _, d := range datagrams {
		_, _ = b.conn.WriteToUDPAddrPort(d, from)
	}
}

func (b *impostor) answer(payloadType byte, payload, datagram []byte) (byte, []byte) {
	switch payloadType {
	case payloadOpenRequest:
		return payloadOpenAnswer, b.openAnswer(payload)
	case payloadRAKP1:
		return payloadRAKP2, b.rakp2(payload)
	case payloadRAKP3:
		if payload[1] != 0 || b.session == nil {
			return 0, nil
		}
		icv := b.suite.hmac(b.session.keys.sik, b.rm[:], id(impostorID), make([]byte, 16))[:b.suite.code]
		return payloadRAKP4, append(append([]byte{payload[0], 0, 0, 0}, id(b.console)...), icv...)
	case payloadIPMI:
		return payloadIPMI, b.command(datagram)
	}
	return 0, nil
}

func (b *impostor) openAnswer(request []byte) []byte {
	b.console = binary.LittleEndian.Uint32(request[4:])
	for _, s := range suites {
		if s.authentication == request[12] {
			b.suite = s
		}
	}
	if b.accepted != 0 && b.suite.id != b.accepted {
		return []byte{request[0], 0x04}
	}
	return append(append([]byte{request[0], 0, 4, 0}, append(id(b.console), id(impostorID)...)...), request[8:]...)
}

func (b *impostor) rakp2(request []byte) []byte {
	copy(b.rm[:], request[8:])
	name := append([]byte{request[24], request[27]}, request[28:]...)
	key, guid := []byte(fakePassword), make([]byte, 16)
	sik := b.suite.hmac(key, b.rm[:], b.rc[:], name)
	b.session = &Session{suite: b.suite, keys: b.suite.keys(sik), managed: b.console}
	answer := append([]byte{request[0], 0, 0, 0}, id(b.console)...)
	answer = append(append(answer, b.rc[:]...), guid...)
	return append(answer, b.suite.hmac(key, id(b.console), id(impostorID), b.rm[:], b.rc[:], guid, name)...)
}

// command answers each command as a chassis that is on.
func (b *impostor) command(datagram []byte) []byte {
	if b.session == nil || datagram[5]&flagEncrypted == 0 {
		return nil
	}
	p, err := parsePacket(datagram)
	if err != nil {
		return nil
	}
	if err := b.session.verify(p); err != nil {
		return nil
	}
	plain, err := b.session.decrypt(p.payload)
	if err != nil {
		return nil
	}
	return response(plain[1]>>2|1, plain[4]>>2, plain[5], 0, 0x01, 0, 0, 0)
}

// response builds an IPMI response message.
func response(netFn, seq, command, code byte, data ...byte) []byte {
	m := []byte{addressConsole, netFn << 2}
	m = append(m, checksum(m), addressBMC, seq<<2, command, code)
	m = append(m, data...)
	return append(m, checksum(m[3:]))
}

func fakeLogin(suites ...uint8) Login {
	return Login{Username: "admin", Password: inventory.NewSecret(fakePassword), Suites: suites}
}

// soon is long enough for an answer on loopback, and for two retransmissions.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	t.Cleanup(cancel)
	return ctx
}
