package icmp

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lamplighter/checks/netnstest"
)

// dropRaw takes CAP_NET_RAW from this thread, which ends with the test.
func dropRaw(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[0].Effective &^= 1 << unix.CAP_NET_RAW
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutCapabilityUnprivilegedICMPIsUsed(t *testing.T) {
	if !netnstest.Enter(t) {
		return
	}
	netnstest.Sysctl(t, "net.ipv4.ping_group_range", "0 2147483647")
	dropRaw(t)
	s := running(t, Listen())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, addr := range []string{"127.0.0.1", "127.9.9.9", "::1"} {
		if addr == "::1" && !hasIPv6() {
			t.Log("NOT TESTED: unprivileged ICMPv6: this machine has no IPv6")
			continue
		}
		reply, err := s.Echo(ctx, netip.MustParseAddr(addr))
		if err != nil || reply.Mode != Unprivileged {
			t.Errorf("Echo(%s) = %+v, %v; want an unprivileged reply", addr, reply, err)
		}
	}
}

func TestWithoutAnyPermissionEchoSaysSo(t *testing.T) {
	if !netnstest.Enter(t) {
		return
	}
	netnstest.Sysctl(t, "net.ipv4.ping_group_range", "1 0")
	dropRaw(t)
	s := running(t, Listen())
	if _, err := s.Echo(t.Context(), netip.MustParseAddr("127.0.0.1")); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("Echo: %v, want %v", err, ErrNotPermitted)
	}
}

func TestDeadHosts(t *testing.T) {
	if !netnstest.Enter(t) {
		return
	}
	netnstest.Link(t)
	netnstest.Run(t, "ip route add unreachable 10.9.1.0/24")
	netnstest.Sysctl(t, "net.ipv4.icmp_echo_ignore_all", "1")
	s := running(t, Listen())
	for _, c := range []struct {
		name, addr string
		within     time.Duration
		want       error
	}{
		{"a host that ignores pings is silent", "127.0.0.1", 300 * time.Millisecond, context.DeadlineExceeded},
		{"a host whose frames vanish is silent", "10.9.0.2", 300 * time.Millisecond, context.DeadlineExceeded},
		{"a host without a route is unreachable at once", "10.77.0.1", 300 * time.Millisecond, ErrUnreachable},
		{"a host that the route table forbids is unreachable", "10.9.1.1", 300 * time.Millisecond, ErrUnreachable},
		{"a host that answers no ARP is unreachable", "10.9.0.3", 8 * time.Second, ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.within)
			defer cancel()
			if reply, err := s.Echo(ctx, netip.MustParseAddr(c.addr)); !errors.Is(err, c.want) {
				t.Errorf("Echo = %+v, %v; want %v", reply, err, c.want)
			}
		})
	}
}
