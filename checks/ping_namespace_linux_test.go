package checks

import (
	"context"
	"testing"
	"time"

	"lamplighter/checks/netnstest"
	"lamplighter/inventory"
)

// deadNetwork is a link on which 10.9.0.2 swallows everything, and a loopback that ignores pings.
func deadNetwork(t *testing.T) {
	t.Helper()
	netnstest.Link(t)
	netnstest.Sysctl(t, "net.ipv4.icmp_echo_ignore_all", "1")
}

func TestPingOfDeadBMCs(t *testing.T) {
	if !netnstest.Enter(t) {
		return
	}
	deadNetwork(t)
	w := runningWires(t)
	for _, c := range []struct {
		name, addr string
		want       Reason // empty: answers by tcp-reset
	}{
		{"a BMC that ignores pings answers by TCP", "127.0.0.1", ""},
		{"a BMC that swallows everything is a timeout", "10.9.0.2", NetTimeout},
		{"a BMC without a route is unreachable", "10.77.0.1", NetUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			f, err := runPing(ctx, w.Visit(labelled(c.addr, 0, "icmp+tcp+rmcp"), Known{}))
			if c.want == "" {
				if err != nil || f.Facts[FactAnswered] != "tcp-reset" {
					t.Errorf("runPing = %v, %v", f, err)
				}
				return
			}
			fault := FaultOf(err)
			if fault.Reason != c.want || fault.Facts[FactICMP] != "raw" {
				t.Errorf("runPing: %s %v (%v), want %s", fault.Reason, fault.Facts, err, c.want)
			}
		})
	}
}

// TestPulledLinkIsBlindness: with the satellite's own link down nobody answers, so no BMC can be blamed.
func TestPulledLinkIsBlindness(t *testing.T) {
	if !netnstest.Enter(t) {
		return
	}
	deadNetwork(t)
	netnstest.Sysctl(t, "net.ipv4.icmp_echo_ignore_all", "0")
	netnstest.Run(t, "ip addr add 10.9.0.3/24 dev near") // the only BMC of the other rack, alive
	w := runningWires(t)
	dead, alive := labelled("10.9.0.2", 0, "icmp"), labelled("10.9.0.3", 0, "icmp")
	dead.Rack, alive.Rack, alive.ID = "A1", "A2", "bmc-2"
	s := NewSight([]inventory.BMC{dead, alive}, nil, w.Ask)

	probe := func() Proof {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		proof := s.Watch(ctx, dead)
		if _, err := runPing(ctx, w.Visit(dead, Known{})); !NetworkReason(FaultOf(err).Reason) {
			t.Errorf("runPing: %v, want a network reason", err)
		}
		return proof()
	}
	if p := probe(); !p.Seen {
		t.Errorf("with the link up: %+v, want an answer of %s", p, alive.ID)
	}
	netnstest.Run(t, "ip link del near")
	if p := probe(); p.Seen || p.None {
		t.Errorf("with the link pulled: %+v, want blind", p)
	}
}
