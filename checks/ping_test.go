package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"lamplighter/inventory"
)

// runningWires reads from its sockets until the test ends.
func runningWires(t *testing.T) *Wires {
	t.Helper()
	w, err := OpenWires(DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return w
}

// tcpPort is a port of addr that accepts connections and says nothing.
func tcpPort(t *testing.T, addr string) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

// closedPort is a port of addr on which nobody listened a moment ago.
func closedPort(t *testing.T, addr string) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

func labelled(addr string, port uint16, ways string) inventory.BMC {
	return inventory.BMC{
		ID: "bmc-1", Address: netip.MustParseAddr(addr), Protocol: inventory.Redfish, Port: port,
		Labels: map[string]string{WaysLabel: ways},
	}
}

func TestWaysOf(t *testing.T) {
	all := []Way{WayICMP, WayTCP, WayRMCP}
	for _, c := range []struct {
		name, label string
		want        []Way
		wrong       bool
	}{
		{"no label means the settings", "", all, false},
		{"a label names one way", "rmcp", []Way{WayRMCP}, false},
		{"a label names several ways", "icmp+rmcp", []Way{WayICMP, WayRMCP}, false},
		{"spaces around a way do no harm", "tcp + rmcp", []Way{WayTCP, WayRMCP}, false},
		{"an unknown way is a mistake of the inventory", "icmp+arp", nil, true},
		{"a comma does not join", "icmp,tcp", nil, true},
		{"a trailing plus is a mistake", "icmp+", nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := waysOf(labelled("127.0.0.1", 0, c.label), all)
			if !slices.Equal(got, c.want) || (err != nil) != c.wrong {
				t.Errorf("waysOf(%q) = %v, %v", c.label, got, err)
			}
		})
	}
}

func TestPingOverRealSockets(t *testing.T) {
	w := runningWires(t)
	const addr = "127.31.0.1"
	for _, c := range []struct {
		name, ways, answered string
		port                 uint16
		icmp                 bool
	}{
		{"an open port answers", "tcp", "tcp", tcpPort(t, addr), false},
		{"a closed port resets, which is an answer", "tcp", "tcp-reset", closedPort(t, addr), false},
		{"a host that answers pings is not asked by TCP", "icmp+tcp", "icmp", closedPort(t, addr), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bmc := labelled(addr, c.port, c.ways)
			if c.icmp && w.icmpMode(bmc.Address) == icmpNotPermitted {
				t.Skip("NOT TESTED: ping by ICMP: not permitted (want: run as root)")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			f, err := runPing(ctx, w.Visit(bmc, Known{}))
			if err != nil || f.Facts[FactAnswered] != c.answered || f.Facts[FactRTT] == "" || f.Facts[FactProtocol] != "redfish" {
				t.Errorf("runPing = %v, %v; want answered by %s", f, err, c.answered)
			}
			if _, ok := f.Facts[FactICMP]; ok != c.icmp {
				t.Errorf("fact %s: %v", FactICMP, f.Facts)
			}
		})
	}
}

func TestPingOfABadLabelIsOurs(t *testing.T) {
	w := &Wires{Settings: DefaultSettings()}
	_, err := runPing(t.Context(), w.Visit(labelled("127.0.0.1", 0, "telepathy"), Known{}))
	if got := FaultOf(err).Reason; got != SelfInventory {
		t.Errorf("reason %s, want %s (%v)", got, SelfInventory, err)
	}
}

func TestPingThatIsCancelledSaysSo(t *testing.T) {
	w := runningWires(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runPing(ctx, w.Visit(labelled("127.0.0.1", 443, "tcp"), Known{})); err != context.Canceled {
		t.Errorf("runPing: %v, want %v as it is", err, context.Canceled)
	}
}

func TestARememberedProtocolIsAFact(t *testing.T) {
	w := runningWires(t)
	bmc := labelled("127.31.0.2", closedPort(t, "127.31.0.2"), "tcp")
	bmc.Protocol = inventory.Auto
	f, err := runPing(t.Context(), w.Visit(bmc, Known{Protocol: inventory.IPMI}))
	if err != nil || f.Facts[FactProtocol] != "ipmi" {
		t.Errorf("runPing = %v, %v; want protocol ipmi", f, err)
	}
}

func TestSilenceHasAReason(t *testing.T) {
	refused := errors.New("operation not permitted")
	for _, c := range []struct {
		name string
		s    silence
		want Reason // empty: ours
	}{
		{"nobody answered", silence{WayICMP: errSilent, WayTCP: errSilent, WayRMCP: errSilent}, NetTimeout},
		{"all say unreachable", silence{WayICMP: errUnreachable, WayTCP: errUnreachable, WayRMCP: errUnreachable}, NetUnreachable},
		{"UDP does not hear of an unreachable", silence{WayICMP: errUnreachable, WayTCP: errUnreachable, WayRMCP: errSilent}, NetUnreachable},
		{"ICMP was rejected, TCP was silent", silence{WayICMP: errUnreachable, WayTCP: errSilent}, NetTimeout},
		{"ICMP is not permitted, the others are silent", silence{WayICMP: errNotAsked, WayTCP: errSilent, WayRMCP: errSilent}, NetTimeout},
		{"ICMP is not permitted, TCP is unreachable", silence{WayICMP: errNotAsked, WayTCP: errUnreachable}, NetUnreachable},
		{"RMCP alone is silent", silence{WayRMCP: errSilent}, NetTimeout},
		{"nothing could be asked", silence{WayICMP: errNotAsked}, ""},
		{"this machine could not ask TCP", silence{WayICMP: errSilent, WayTCP: refused}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := c.s.reason()
			if ok != (c.want != "") || ok && got != c.want {
				t.Errorf("reason = %s, %v; want %q", got, ok, c.want)
			}
		})
	}
}

func TestSilentSortsWhatSocketsSay(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, errUnreachable},
		{fmt.Errorf("send: %w", syscall.ENETUNREACH), errUnreachable},
		{context.DeadlineExceeded, errSilent},
		{&net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}, errSilent},
		{syscall.EMFILE, syscall.EMFILE},
		{nil, nil},
	} {
		if got := silent(c.err); !errors.Is(got, c.want) {
			t.Errorf("silent(%v) = %v, want %v", c.err, got, c.want)
		}
	}
	if err := silent(syscall.EMFILE); errors.Is(err, errSilent) || errors.Is(err, errUnreachable) {
		t.Errorf("too many open files was taken for the BMC's silence: %v", err)
	}
}
