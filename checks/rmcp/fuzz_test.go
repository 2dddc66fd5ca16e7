package rmcp

import (
	"bytes"
	"testing"
)

// seedCaptures gives a target each answer of the real peers, from its payload on or whole, and each cut short.
func seedCaptures(f *testing.F, from int, numbers ...int) {
	for _, tt := range captures {
		c := readCapture(f, tt.file)
		for _, n := range numbers {
			f.Add(c[n][from:])
			f.Add(c[n][from : len(c[n])-1])
		}
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 80))
}

func FuzzPacket(f *testing.F) {
	seedCaptures(f, 0, 1, 3, 5, 7, 9)
	f.Add([]byte{6, 0, 0xff, 7, 6, 0xc0, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, d []byte) {
		p, err := parsePacket(d)
		if err == nil && len(p.payload)+len(p.trailer) > len(d) {
			t.Errorf("%d bytes made %d", len(d), len(p.payload)+len(p.trailer))
		}
	})
}

// FuzzSession is about packets that nobody with the key made: none may be believed.
func FuzzSession(f *testing.F) {
	seedCaptures(f, 0, 9, 11)
	suite, _ := suiteByID(3)
	s := &Session{suite: suite, keys: suite.keys([]byte("a key that the peers did not have"))}
	f.Fuzz(func(t *testing.T, d []byte) {
		if p, err := parsePacket(d); err == nil && p.kind == fromSession {
			if m, err := s.open(p); err == nil {
				t.Errorf("believed: %+v", m)
			}
		}
	})
}

// FuzzSealed is about packets of a BMC that has the key and seals nonsense.
func FuzzSealed(f *testing.F) {
	seedCaptures(f, header20, 9, 11)
	suite, _ := suiteByID(17)
	bmc := &Session{suite: suite, keys: suite.keys([]byte("a key"))}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > maxDatagram {
			return
		}
		console := &Session{suite: suite, keys: bmc.keys}
		p, err := parsePacket(signed(bmc, flagEncrypted|flagAuthenticated, payload))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = console.open(p)
		if p, err = parsePacket(bmc.seal(payload)); err != nil {
			t.Fatal(err)
		}
		if err := console.verify(p); err != nil {
			t.Fatal(err)
		}
		if plain, err := console.decrypt(p.payload); err != nil || !bytes.Equal(plain, payload) {
			t.Errorf("sealed %x, opened %x, %v", payload, plain, err)
		}
	})
}

func FuzzOpenSession(f *testing.F) {
	seedCaptures(f, header20, 3)
	f.Add([]byte{1, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := parseOpenSession(b); err == nil && a.status == 0 && (len(b) < 36 || a.managed == 0) {
			t.Errorf("%x taken for an accepted session", b)
		}
	})
}

func FuzzRAKP2(f *testing.F) {
	seedCaptures(f, header20, 5)
	f.Add([]byte{1, 0x0d, 0, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, n := range []int{20, 32} {
			if a, err := parseRAKP2(b, n); err == nil && a.status == 0 && len(a.code) != n {
				t.Errorf("authentication code of %d bytes", len(a.code))
			}
		}
	})
}

func FuzzRAKP4(f *testing.F) {
	seedCaptures(f, header20, 7)
	f.Add([]byte{1, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, n := range []int{12, 16} {
			if a, err := parseRAKP4(b, n); err == nil && a.status == 0 && len(a.code) != n {
				t.Errorf("check value of %d bytes", len(a.code))
			}
		}
	})
}

// FuzzResponse is about the messages and what is read from them: capabilities, chassis status, device ID.
func FuzzResponse(f *testing.F) {
	seedCaptures(f, header15, 1)
	f.Add(response(7, 1, cmdDeviceID, 0, 0x20, 1, 9, 8, 2, 0x9f, 0x91, 0x12, 0, 2, 0x0f))
	f.Add(response(1, 1, cmdChassisStatus, 0, 1, 0, 0))
	f.Add(response(7, 1, cmdCapabilities, 0xff))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseResponse(b)
		if err != nil {
			return
		}
		if got := response(m.netFn|1, m.seq, m.command, m.code, m.data...); len(got) != len(b) {
			t.Errorf("%x is a response of %d bytes", b, len(got))
		}
		_ = parseCapabilities(m)
	})
}

func FuzzChassisStatus(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0})
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseChassisStatus(b); (err == nil) != (len(b) >= 3) || s.PowerOn && b[0]&1 == 0 {
			t.Errorf("%x: %+v, %v", b, s, err)
		}
	})
}

func FuzzDeviceID(f *testing.F) {
	f.Add([]byte{0x20, 1, 9, 0x21, 2, 0x9f, 0xa2, 0x02, 0, 2, 0x0f})
	f.Add([]byte{0x20, 1, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := parseDeviceID(b); (err == nil) != (len(b) >= 11) || d.Manufacturer >= 1<<20 {
			t.Errorf("%x: %+v, %v", b, d, err)
		}
	})
}
