package bmcsim

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// console is the client's side of a login, as far as ipmitool cannot show it: repeats, forgeries, truncation.
type console struct {
	t *testing.T
	b *bmc
	e exchange
	k keys
}

func (c *console) send(kind byte, payload []byte) []byte {
	c.t.Helper()
	answer := c.b.answerDatagram(plus(kind, 0, 0, payload), netip.AddrPort{}, time.Now())
	if len(answer) < 16+8 {
		c.t.Fatalf("payload type %#x: answer %x", kind, answer)
	}
	return answer[16:]
}

func (c *console) open() {
	out := c.send(payloadOpenRequest, append([]byte{0, 0, 0, 0, 9, 8, 7, 6}, unhex(c.t, "000000080300000001000008040000000200000801000000")...))
	c.e = exchange{suite: suites[0], console: toUint32(out[4:]), managed: toUint32(out[8:]), role: 0x12, user: []byte(username)}
}

func (c *console) rakp1() []byte {
	request := append([]byte{1, 0, 0, 0}, le(c.e.managed)...)
	request = append(append(request, c.e.clientRandom[:]...), c.e.role, 0, 0, byte(len(c.e.user)))
	out := c.send(payloadRAKP1, append(request, c.e.user...))
	copy(c.e.bmcRandom[:], out[8:])
	copy(c.e.guid[:], out[24:])
	return out
}

func (c *console) rakp3() []byte {
	request := append([]byte{2, 0, 0, 0}, le(c.e.managed)...)
	return c.send(payloadRAKP3, append(request, c.e.rakp3([]byte(c.b.password))...))
}

// login goes all the way, each step twice.
func (c *console) login() {
	c.t.Helper()
	c.open()
	if one, two := c.rakp1(), c.rakp1(); !bytes.Equal(one, two) || !hmac.Equal(one[40:], c.e.rakp2([]byte(c.b.password))) {
		c.t.Fatalf("RAKP 2 is %x, and when asked again %x", one, two)
	}
	sik := c.e.sik([]byte(c.b.password))
	if one, two := c.rakp3(), c.rakp3(); !bytes.Equal(one, two) || !hmac.Equal(one[8:], c.e.rakp4(sik)) {
		c.t.Fatalf("RAKP 4 is %x, and when asked again %x", one, two)
	}
	var err error
	if c.k, err = newKeys(c.e.suite, sik); err != nil {
		c.t.Fatal(err)
	}
}

// chassisStatus asks in the session and returns the answer as a packet.
func (c *console) chassisStatus() packet {
	c.t.Helper()
	request := append([]byte{0x20, 0x00, 0xe0}, 0x81, 0x04, 0x01, checksum([]byte{0x81, 0x04, 0x01}))
	raw := c.k.sign(plus(flagEncrypted|flagAuthenticated, c.e.managed, 1, c.k.encrypt(request)))
	p, err := parsePacket(c.b.answerDatagram(raw, netip.AddrPort{}, time.Now()))
	if err != nil {
		c.t.Fatalf("no answer to Get Chassis Status: %v", err)
	}
	return p
}

func TestRepeatedMessagesCountOnce(t *testing.T) {
	c := &console{t: t, b: lone(t, ipmi)}
	c.login()
	want := Count{Attempts: 1, Logins: 1, Open: 1, MaxOpen: 1}
	if got := c.b.count.snapshot(); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func TestALoginThatIsNotProvedCountsAsRefused(t *testing.T) {
	c := &console{t: t, b: lone(t, ipmi)}
	c.open()
	c.rakp1()
	if got := c.b.count.snapshot(); got != (Count{Attempts: 1, Refused: 1}) {
		t.Errorf("after RAKP 1: %+v", got)
	}
	c.e.user = []byte("another")
	if out := c.rakp3(); out[1] != statusBadCheck {
		t.Errorf("a wrong proof is answered with status %#x, want %#x", out[1], statusBadCheck)
	}
	if got := c.b.count.snapshot(); got != (Count{Attempts: 1, Refused: 1}) {
		t.Errorf("after a wrong RAKP 3: %+v", got)
	}
}

func TestAnswersInASession(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults faultSet
		power  Power
		signed bool
		want   string // completion code and power, in hex; empty: cannot be decrypted
	}{
		{"the power is on", 0, On, true, "0061"},
		{"the power is off", 0, Off, true, "0060"},
		{"a server that powers on is not on yet", 0, PoweringOn, true, "0060"},
		{"a chassis that fails", setOf(ChassisFail), On, true, "ff"},
		{"a forged answer is not signed rightly", setOf(ForgedAuthCode), On, false, "0061"},
		{"a truncated answer is signed rightly and cannot be decrypted", setOf(Truncated), On, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			con := &console{t: t, b: lone(t, ipmi)}
			con.b.power.Store(uint32(c.power))
			con.login()
			con.b.set.Store(uint64(c.faults))
			p := con.chassisStatus()
			if con.k.verify(p) != c.signed || p.session != con.e.console {
				t.Errorf("signed %v, want %v; session %#x", con.k.verify(p), c.signed, p.session)
			}
			text, err := con.k.decrypt(p.payload)
			if (err != nil) != (c.want == "") {
				t.Fatalf("decrypt: %v", err)
			}
			if c.want != "" && !bytes.HasPrefix(text[6:], unhex(t, c.want)) {
				t.Errorf("answer %x, want %s", text[6:], c.want)
			}
		})
	}
}

func TestPacketsThatAreNotOfTheSessionGetNothing(t *testing.T) {
	c := &console{t: t, b: lone(t, ipmi)}
	c.login()
	good := c.k.sign(plus(flagEncrypted|flagAuthenticated, c.e.managed, 1, c.k.encrypt([]byte{0x20, 0, 0xe0, 0x81, 4, 1, 0x7a})))
	for name, spoil := range map[string]func([]byte){
		"a changed AuthCode":       func(b []byte) { b[len(b)-1] ^= 1 },
		"a changed payload":        func(b []byte) { b[20] ^= 1 },
		"another session":          func(b []byte) { binary.LittleEndian.PutUint32(b[6:], c.e.managed+1) },
		"without the signed flag":  func(b []byte) { b[5] &^= flagAuthenticated },
		"without the crypted flag": func(b []byte) { b[5] &^= flagEncrypted },
	} {
		bad := bytes.Clone(good)
		spoil(bad)
		if answer := c.b.answerDatagram(bad, netip.AddrPort{}, time.Now()); answer != nil {
			t.Errorf("%s is answered: %x", name, answer)
		}
	}
	if c.b.answerDatagram(good, netip.AddrPort{}, time.Now()) == nil {
		t.Error("the good packet is not answered")
	}
}
