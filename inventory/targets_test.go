package inventory

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// forbiddenTexts are ways to write addresses that no inventory may steer us to. %d is a port that somebody listens on.
var forbiddenTexts = []string{
	"127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:7f00:0001", "0:0:0:0:0:ffff:7f00:1",
	"::127.0.0.1", "::7f00:1", "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:7f00:1::1", "2001:0:7f00:1::",
	"::1%lo", "::1%1", "fe80::1", "fe80::1%lo", "febf::1%eth0", "fec0::1",
	"2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.01", "127.0.0.1.", "1270.0.0.1", "127.0.0.1:%d", "[::1]", "[::1]:%d",
	"http://127.0.0.1:%d/", "//127.0.0.1", "user@127.0.0.1", "127.0.0.1/8", "127.0.0.1%00", "127.0.0.1\x00.example", "１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1",
	"localhost", "LOCALHOST", "localhost.", "localhost6", "ip6-localhost", "localtest.me", "127.0.0.1.nip.io", "7f000001.nip.io", "rebind.example", "bmc.127.0.0.1.sslip.io",
	"0.0.0.0", "0", "0.0.0.1", "::", "::ffff:0.0.0.0", "169.254.169.254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2852039166", "169.254.0.1",
	"fd00:ec2::254", "fd00:0ec2:0:0:0:0:0:0254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "metadata.google.internal",
	"224.0.0.1", "239.255.255.250", "ff02::1", "ff02::1%lo", "255.255.255.255", "8.8.8.8", "2001:4860:4860::8888", "100.64.0.1", "10.0.0.1%lo", "10.0.0.1 127.0.0.1", "10.0.0.1,127.0.0.1", "",
}

// counting listens on every loopback address and counts who comes.
func counting(t *testing.T) (port int, count *atomic.Int64) {
	t.Helper()
	count = new(atomic.Int64)
	v4, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	port = v4.Addr().(*net.TCPAddr).Port
	listeners := []net.Listener{v4}
	if v6, err := net.Listen("tcp6", fmt.Sprintf("[::]:%d", port)); err == nil {
		listeners = append(listeners, v6)
	} else {
		t.Logf("NOT TESTED: IPv6: %v", err)
	}
	for _, l := range listeners {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				count.Add(1)
				_ = conn.Close()
			}
		}()
		t.Cleanup(func() { _ = l.Close(); <-ended })
	}
	return port, count
}

// knocks dials what a fleet has as a client of HTTP would, and whoever listens counts.
func knocks(t *testing.T, targets *Targets, fleet []BMC) {
	t.Helper()
	for _, b := range fleet {
		dialer := net.Dialer{ControlContext: targets.Control, Timeout: 200 * time.Millisecond}
		conn, err := dialer.DialContext(t.Context(), "tcp", netip.AddrPortFrom(b.Address, b.RedfishPort()).String())
		if err == nil {
			_ = conn.Close()
		}
	}
}

func TestNoInventorySteersUsToAForbiddenAddress(t *testing.T) {
	if len(forbiddenTexts) < 60 {
		t.Fatalf("%d texts", len(forbiddenTexts))
	}
	port, count := counting(t)
	targets := DefaultTargets()
	targets.Ports = append(targets.Ports, uint16(port)) // so that only the address is in the way
	var records []map[string]any
	for i, text := range forbiddenTexts {
		if strings.Contains(text, "%d") {
			text = fmt.Sprintf(text, port)
		}
		records = append(records, map[string]any{"id": fmt.Sprintf("b%03d", i), "address": text, "port": port, "protocol": "redfish"})
	}
	document, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	source := JSON{Endpoint: Endpoint{Name: "hostile", URL: serve(t, map[string]string{"/": string(document)}) + "/", Login: "own", Keyring: oneLogin("", "json-secret")},
		Fields: Fields{"id": "id", "address": "address", "port": "port", "protocol": "protocol"}}
	answer, err := source.BMCs(t.Context(), Known{})
	if err != nil {
		t.Fatal(err)
	}

	// The rule leaves all of them out, and lists each.
	rule := DefaultRule()
	rule.Targets = &targets
	bounded, diff := rule.Sync(Register{}, answer, noon)
	if len(bounded.BMCs) != 0 || len(hindering(diff.Conflicts)) != len(forbiddenTexts) {
		t.Errorf("%d of %d are in the fleet: %s; %d are listed", len(bounded.BMCs), len(forbiddenTexts), names(bounded.BMCs), len(hindering(diff.Conflicts)))
	}
	knocks(t, &targets, bounded.BMCs)

	// A fleet that was made without a rule meets the dialer.
	knocks(t, &targets, answer.List())
	for _, text := range forbiddenTexts {
		if _, err := netip.ParseAddr(text); err != nil {
			dialNamed(t, &targets, text, port)
		}
	}
	if n := count.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}

	// That this test could fail.
	knocks(t, nil, answer.List())
	dialNamed(t, nil, "rebind.example", port)
	if n := count.Load(); n < 5 {
		t.Errorf("only %d connections without bounds: this test tests nothing", n)
	}
}

// dialNamed dials a text as it is, with a name server that says of every name first that it is at an allowed address, and then that it
// is at 127.0.0.1, so that who looks first and dials later is had.
func dialNamed(t *testing.T, targets *Targets, text string, port int) {
	t.Helper()
	dialer := net.Dialer{ControlContext: targets.Control, Timeout: 100 * time.Millisecond, Resolver: rebinding(t)}
	for range 2 {
		host, _, _ := strings.Cut(strings.NewReplacer("http://", "", "/", "", "\x00", "").Replace(text), ":%d")
		conn, err := dialer.DialContext(t.Context(), "tcp", net.JoinHostPort(strings.Trim(host, "[]"), fmt.Sprint(port)))
		if err == nil {
			_ = conn.Close()
		}
	}
}

// rebinding is a resolver of which every answer but the first is 127.0.0.1.
func rebinding(t *testing.T) *net.Resolver {
	t.Helper()
	var asked atomic.Int64
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			answerName(theirs, asked.Add(1) > 2)
		}()
		return ours, nil
	}}
}

// answerName answers one question over a stream (RFC 1035, section 4.2.2).
func answerName(conn net.Conn, loopback bool) {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, query); err != nil || len(query) < 17 {
		return
	}
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	if end += 5; end > len(query) {
		return
	}
	address := []byte{10, 255, 255, 1}
	if loopback {
		address = []byte{127, 0, 0, 1}
	}
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}, query[12:end]...)
	if binary.BigEndian.Uint16(query[end-4:]) == 1 { // an A record
		answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), address...)
	} else {
		answer[7] = 0
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
}

func TestTargetsAreBounded(t *testing.T) {
	targets := DefaultTargets()
	targets.Own = func(to netip.AddrPort) bool { return to.Addr() == netip.MustParseAddr("10.0.0.5") }
	simulated := targets
	simulated.Loopback = true
	for _, test := range []struct {
		targets *Targets
		to      string
		want    string // empty: allowed
	}{
		{nil, "127.0.0.1:22", ""}, {&targets, "10.0.0.1:443", ""}, {&targets, "172.31.0.1:623", ""}, {&targets, "192.168.7.1:0", ""}, {&targets, "[fd12::1]:443", ""},
		{&targets, "[::ffff:10.0.0.1]:443", ""}, {&simulated, "127.0.0.1:40000", ""}, {&simulated, "[::1]:40000", ""},
		{&targets, "172.32.0.1:443", "outside of targets.networks"}, {&targets, "10.0.0.1:22", "the port is not in targets.ports [443 623]"},
		{&targets, "10.0.0.5:443", "one of our own brokers"}, {&targets, "[::ffff:10.0.0.5]:443", "one of our own brokers"},
		{&targets, "127.0.0.1:443", "targets.loopback"}, {&simulated, "169.254.169.254:443", "link-local"}, {&targets, "[fd00:ec2::254]:443", "a metadata service"},
	} {
		err := test.targets.Dial(netip.MustParseAddrPort(test.to))
		if test.want == "" && err != nil || test.want != "" && (!errors.Is(err, ErrForbidden) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.to, err, test.want)
		}
	}
	anywhere := Targets{Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}, Ports: []uint16{443}}
	for _, text := range []string{"127.0.0.1", "::1", "169.254.169.254", "fe80::1%lo", "224.0.0.1", "0.0.0.0", "64:ff9b::7f00:1", "fd00:ec2::254"} {
		if anywhere.Dial(netip.AddrPortFrom(netip.MustParseAddr(text), 443)) == nil {
			t.Errorf("%s is allowed where all networks are", text)
		}
	}
	if (&targets).Control(t.Context(), "tcp", "somewhere", nil) == nil || (*Targets)(nil).Control(t.Context(), "tcp", "somewhere", nil) != nil {
		t.Error("what is no address is allowed, or nobody who typed where is")
	}
	// A client of HTTP over such a dialer follows no name to where it may not go.
	port, count := counting(t)
	client := http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{ControlContext: targets.Control}).DialContext, DisableKeepAlives: true}}
	if _, err := client.Get(fmt.Sprintf("http://localhost:%d/", port)); !errors.Is(err, ErrForbidden) || count.Load() != 0 {
		t.Errorf("%v, %d connections", err, count.Load())
	}
}
