package bmcsim

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/netip"
	"testing"
	"time"

	"lamplighter/inventory"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Requests as ipmitool 1.8.19 and rmcpping send them.
const (
	askCapabilities = "0600ff07000000000000000000092018c88100388e04b5"
	askPresence     = "0600ff06000011be80010000"
	askOpenSuite3   = "0600ff0706100000000000000000200000000000a4a3a2a0000000080100000001000008010000000200000801000000"
)

func lone(t testing.TB, speaks inventory.Protocol) *bmc {
	t.Helper()
	share := 0.0
	if speaks == ipmi {
		share = 1
	}
	f, err := NewFleet(plan(1, share))
	if err != nil {
		t.Fatal(err)
	}
	return f.bmcs[0]
}

func TestSessionlessAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		speaks inventory.Protocol
		faults faultSet
		ask    string
		want   string // prefix
	}{
		{"an IPMI BMC has IPMI 2.0", ipmi, 0, askCapabilities, "0600ff0700000000000000000010811c63200038000180040200000000"},
		{"a Redfish BMC is there, without IPMI 2.0", redfish, 0, askCapabilities, "0600ff0700000000000000000010811c63200038000100040000000000"},
		{"a presence ping gets a pong", redfish, 0, askPresence, "0600ff06000011be40010010000011be0000000081000000"},
		{"a session is opened with suite 3", ipmi, 0, askOpenSuite3, "0600ff07061100000000000000002400000004 00a4a3a2a0"},
		{"a Redfish BMC opens no session", redfish, 0, askOpenSuite3, ""},
		{"without a common suite it is refused", ipmi, setOf(NoSuite), askOpenSuite3, "0600ff070611000000000000000008000011"},
		{"a dead BMC is silent", ipmi, setOf(Dead), askCapabilities, ""},
		{"a silent BMC is silent", ipmi, setOf(Silent), askPresence, ""},
		{"a BMC that is silent after its capabilities tells those", ipmi, setOf(RAKPSilent), askCapabilities, "0600ff07"},
		{"and nothing more", ipmi, setOf(RAKPSilent), askOpenSuite3, ""},
		{"an empty datagram gets nothing", ipmi, 0, "", ""},
		{"a header alone gets nothing", ipmi, 0, "0600ff07", ""},
		{"a message longer than its datagram gets nothing", ipmi, 0, "0600ff0700000000000000000020", ""},
		{"a wrong checksum gets nothing", ipmi, 0, askCapabilities[:len(askCapabilities)-2] + "00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := lone(t, c.speaks)
			b.set.Store(uint64(c.faults))
			got := hex.EncodeToString(b.answerDatagram(unhex(t, c.ask), netip.AddrPort{}, time.Now()))
			if c.ask == askPresence && len(got) != 2*28 && c.want != "" {
				t.Errorf("a pong of %d bytes, want 28", len(got)/2)
			}
			if !sameStart(got, c.want) {
				t.Errorf("answer %s, want %s...", got, c.want)
			}
		})
	}
}

func sameStart(got, want string) bool {
	if want == "" {
		return got == ""
	}
	return bytes.HasPrefix([]byte(got), bytes.ReplaceAll([]byte(want), []byte(" "), nil))
}

func TestHalfOpenSessionsGiveWay(t *testing.T) {
	b, now := lone(t, ipmi), time.Now()
	for i := range 1000 {
		if got := b.answerDatagram(unhex(t, askOpenSuite3), netip.AddrPort{}, now.Add(time.Duration(i)*time.Millisecond)); len(got) != 52 {
			t.Fatalf("open session %d: %x", i, got)
		}
	}
	if len(b.ipmi) > 2*ipmiSlots {
		t.Errorf("%d half-open sessions are kept, want at most %d", len(b.ipmi), 2*ipmiSlots)
	}
}

func TestProvedSessionsFillTheSlotsUntilTheyExpire(t *testing.T) {
	b, now := lone(t, ipmi), time.Now()
	prove := func() bool {
		id, ok := b.newSession(suites[0], []byte{1, 2, 3, 4}, now)
		return ok && b.prove(b.ipmi[id], make([]byte, 32), now)
	}
	for i := range ipmiSlots {
		if !prove() {
			t.Fatalf("session %d is refused", i+1)
		}
	}
	if prove() {
		t.Errorf("session %d is let in", ipmiSlots+1)
	}
	now = now.Add(ipmiSessionLife + time.Second)
	if !prove() || b.count.sessions.now.Load() != 1 || b.count.sessions.most.Load() != ipmiSlots {
		t.Errorf("after %s: %+v", ipmiSessionLife, b.count.snapshot())
	}
}

func TestAnswersComeFromTheAddressThatWasAsked(t *testing.T) {
	f := start(t, plan(3, 1))
	b := f.BMCs()[2]
	// A connected socket hears its peer's address only.
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: b.Address.AsSlice(), Port: int(b.RMCPPort())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(unhex(t, askPresence)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if got := f.Counters(); got.Total.Datagrams != 1 || got.BMCs[b.ID].Datagrams != 1 {
		t.Errorf("counted %+v", got.Total)
	}
}

func FuzzAnswerDatagram(f *testing.F) {
	for _, seed := range []string{askCapabilities, askPresence, askOpenSuite3, "0600ff0706c00100000001000000ffff"} {
		f.Add(unhex(f, seed), uint64(0))
	}
	b := lone(f, ipmi)
	f.Fuzz(func(t *testing.T, datagram []byte, faults uint64) {
		b.set.Store(faults)
		b.answerDatagram(datagram, netip.AddrPort{}, time.Now())
	})
}

// FuzzDecrypt tries what only a client with the keys can send.
func FuzzDecrypt(f *testing.F) {
	k, err := newKeys(suites[0], make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, []byte{})
	f.Add(k.encrypt([]byte("a message of an open session")), []byte("a message of an open session"))
	f.Fuzz(func(t *testing.T, sealed, open []byte) {
		if text, err := k.decrypt(sealed); err == nil {
			_, _ = parseMessage(text)
		}
		if back, err := k.decrypt(k.encrypt(bytes.Clone(open))); len(open) > 0 && (err != nil || !bytes.Equal(back, open)) {
			t.Errorf("%x came back as %x, %v", open, back, err)
		}
	})
}
