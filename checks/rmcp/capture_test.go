package rmcp

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// A capture is a whole round with a real peer as a relay saw it, requests and answers in turn: capabilities, Open Session,
// RAKP 1 to 4, Get Device ID, Get Chassis Status, Close Session.
type capture [14][]byte

func readCapture(t testing.TB, file string) (c capture) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if c[n], err = hex.DecodeString(lines.Text()); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(c) {
		t.Fatalf("%s: %d datagrams, want %d", file, n, len(c))
	}
	return c
}

// captures are of ipmi_sim 2.0.33, pyghmi 1.5.34 and goipmi-server 0.9.1.
var captures = []struct {
	file, password string
	suite          uint8
	caps           Capabilities
	device         DeviceID
	on             bool
}{
	{"ipmi_sim-suite3.hex", "pw-0-7d16", 3, Capabilities{IPMI20: true}, DeviceID{Manufacturer: 0x1291, Product: 0xf02, Firmware: "9.08"}, true},
	{"pyghmi-suite3.hex", "s3cret-39050", 3, Capabilities{IPMI20: true}, DeviceID{Firmware: "1.00"}, true},
	{"goipmi-server-suite17.hex", "s3cret-38620", 17, Capabilities{IPMI20: true}, DeviceID{Manufacturer: 343, Product: 1, Firmware: "1.00"}, false},
}

func TestCapturesOfRealPeersAreRead(t *testing.T) {
	t.Parallel()
	for _, tt := range captures {
		t.Run(tt.file, func(t *testing.T) {
			c := readCapture(t, tt.file)
			s := replay(t, c, tt.suite, tt.password)
			caps, err := parsePacket(c[1])
			if err != nil {
				t.Fatal(err)
			}
			if m, err := parseResponse(caps.payload); err != nil || parseCapabilities(m) != tt.caps {
				t.Errorf("capabilities %+v, %v", parseCapabilities(m), err)
			}
			if device, err := parseDeviceID(unseal(t, s, c[9])); err != nil || device != tt.device {
				t.Errorf("device %+v, %v, want %+v", device, err, tt.device)
			}
			if status, err := parseChassisStatus(unseal(t, s, c[11])); err != nil || status.PowerOn != tt.on {
				t.Errorf("status %+v, %v, want on: %v", status, err, tt.on)
			}
			unseal(t, s, c[13])
		})
	}
}

// replay verifies what the peer sent at the handshake and returns the session.
func replay(t testing.TB, c capture, suiteID uint8, password string) *Session {
	t.Helper()
	suite, _ := suiteByID(suiteID)
	open, err := parseOpenSession(c[3][header20:])
	if err != nil {
		t.Fatal(err)
	}
	rakp1 := c[4][header20:]
	h := &handshake{
		waiter: &waiter{}, suite: suite, user: string(rakp1[28:]), key: []byte(password),
		console: binary.LittleEndian.Uint32(c[2][header20+4:]), managed: open.managed, rm: [16]byte(rakp1[8:24]),
	}
	rakp2, err := parseRAKP2(c[5][header20:], suite.hash().Size())
	if err != nil {
		t.Fatal(err)
	}
	h.rc, h.guid = rakp2.random, rakp2.guid
	if !hmac.Equal(rakp2.code, suite.hmac(h.key, id(h.console), id(h.managed), h.rm[:], h.rc[:], h.guid[:], h.name())) {
		t.Error("RAKP 2 does not verify")
	}
	s := h.session()
	rakp4, err := parseRAKP4(c[7][header20:], suite.code)
	if err != nil || !hmac.Equal(rakp4.code, suite.hmac(s.keys.sik, h.rm[:], id(h.managed), h.guid[:])[:suite.code]) {
		t.Errorf("RAKP 4 does not verify: %v", err)
	}
	return s
}

func unseal(t testing.TB, s *Session, datagram []byte) []byte {
	t.Helper()
	p, err := parsePacket(datagram)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.open(p)
	if err != nil || m.code != 0 {
		t.Fatalf("completion code %02x, %v", m.code, err)
	}
	return m.data
}
