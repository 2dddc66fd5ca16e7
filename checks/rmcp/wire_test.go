package rmcp

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

func TestPacketsThatAreNone(t *testing.T) {
	t.Parallel()
	for name, d := range map[string][]byte{
		"nothing":                     {},
		"an RMCP header alone":        {6, 0, 0xff, 7},
		"another RMCP version":        {5, 0, 0xff, 7, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"an ASF message":              {6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x40, 0, 0, 0x10, 0, 0, 0, 0, 0, 0},
		"IPMI 1.5 with MD5":           {6, 0, 0xff, 7, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"IPMI 1.5 without length":     {6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"IPMI 1.5 shorter than said":  {6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2},
		"IPMI 1.5 with an empty body": {6, 0, 0xff, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"RMCP+ without length":        {6, 0, 0xff, 7, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"RMCP+ shorter than said":     {6, 0, 0xff, 7, 6, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2},
		"a handshake of one byte":     {6, 0, 0xff, 7, 6, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1},
		"serial over LAN":             {6, 0, 0xff, 7, 6, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"an OEM payload":              {6, 0, 0xff, 7, 6, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"text":                        []byte("SSH-2.0-OpenSSH_9.2"),
	} {
		if p, err := parsePacket(d); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v, want %v", name, p, err, ErrMalformed)
		}
	}
}

func TestRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	want := readCapture(t, "ipmi_sim-suite3.hex")[0]
	if got := plain15(capabilitiesRequest(want[18] >> 2).request()); !bytes.Equal(got, want) {
		t.Errorf("capabilities request %x, want %x", got, want)
	}
	want = []byte{6, 0, 0xff, 7, 6, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xaa, 0xbb}
	if got := plain20(payloadRAKP1, 0, 0, []byte{0xaa, 0xbb}); !bytes.Equal(got, want) {
		t.Errorf("RMCP+ message %x, want %x", got, want)
	}
}

func TestSequenceNumbersWithinASession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		seqs []uint32
		last bool
	}{
		{"the first is accepted whatever it is", []uint32{4711}, true},
		{"0 is for packets outside of a session", []uint32{0}, false},
		{"the next is accepted", []uint32{1, 2}, true},
		{"one that is skipped is accepted later", []uint32{1, 3, 2}, true},
		{"a repeated one is refused", []uint32{1, 2, 1}, false},
		{"the newest repeated is refused", []uint32{1, 2, 2}, false},
		{"a late one repeated is refused", []uint32{1, 3, 2, 2}, false},
		{"16 behind is too old", []uint32{20, 4}, false},
		{"15 behind is not", []uint32{20, 5}, true},
		{"a jump is accepted", []uint32{1, 1000}, true},
		{"what was before a jump is too old", []uint32{1, 1000, 2}, false},
	} {
		var w window
		got := false
		for _, seq := range tt.seqs {
			got = w.accept(seq)
		}
		if got != tt.last {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestAnAnswerFromAnotherAddressIsNotHeard(t *testing.T) {
	t.Parallel()
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c := running(t)
	here := net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: c.v4.conn.LocalAddr().(*net.UDPAddr).Port}
	b := startImpostor(t, &impostor{raw: func(_ *impostor, _ byte, _ int, d []byte) [][]byte {
		_, _ = other.WriteToUDP(d, &here)
		return nil
	}})
	if _, err := c.Open(soon(t), b.addr, fakeLogin()); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want %v", err, ErrTimeout)
	}
	if len(b.got(payloadRAKP1)) > 0 {
		t.Error("the answer was believed")
	}
}

func TestASealedRAKP4IsVerified(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*impostor, []byte) []byte{
		"signed":     func(b *impostor, answer []byte) []byte { return sealRAKP4(b, answer, 0) },
		"not signed": func(b *impostor, answer []byte) []byte { return sealRAKP4(b, answer, 1) },
	} {
		b := startImpostor(t, &impostor{raw: func(b *impostor, pt byte, _ int, d []byte) [][]byte {
			if pt == payloadRAKP3 {
				d = bend(b, d[header20:])
			}
			return [][]byte{d}
		}})
		_, err := running(t).Open(soon(t), b.addr, fakeLogin(17))
		if (name == "signed") != (err == nil) || err != nil && !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sealRAKP4 answers as ipmi_sim does to a repeated RAKP 3; change spoils the signature.
func sealRAKP4(b *impostor, answer []byte, change byte) []byte {
	s := &Session{suite: b.suite, keys: b.session.keys, managed: b.console}
	d := plain20(payloadRAKP4|flagEncrypted|flagAuthenticated, b.console, 1, s.encrypt(answer))
	pad := -(len(d) - 4 + 2) & 3
	d = append(d, bytes.Repeat([]byte{0xff}, pad)...)
	d = append(d, byte(pad), nextHeader)
	d = append(d, s.suite.hmac(s.keys.k1, d[4:])[:s.suite.code]...)
	d[len(d)-1] ^= change
	return d
}
