package icmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// running is a Socket that reads until the test ends.
func running(t testing.TB, s *Socket) *Socket {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// allowed is addr, unless this machine cannot ping it.
func allowed(t testing.TB, s *Socket, addr string) netip.Addr {
	t.Helper()
	a := netip.MustParseAddr(addr)
	if s.Mode(a) == "" {
		t.Skipf("NOT TESTED: ICMP to %s: neither raw nor unprivileged is allowed (want: run as root)", addr)
	}
	if a.Is6() && !a.Is4In6() && !hasIPv6() {
		t.Skipf("NOT TESTED: ICMP to %s: this machine has no IPv6", addr)
	}
	return a
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func TestEcho(t *testing.T) {
	s := running(t, Listen())
	for _, addr := range []string{"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"} {
		t.Run(addr, func(t *testing.T) {
			a := allowed(t, s, addr)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			reply, err := s.Echo(ctx, a)
			if err != nil || reply.Mode != s.Mode(a) || reply.RTT <= 0 || reply.RTT > 5*time.Second {
				t.Errorf("Echo = %+v, %v", reply, err)
			}
		})
	}
}

func TestEchoThatIsNotPermittedSaysSo(t *testing.T) {
	s := &Socket{v4: &family{err: errors.New("operation not permitted")}, v6: &family{}}
	if err := s.Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := s.Echo(t.Context(), netip.MustParseAddr("127.0.0.1")); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("Echo: %v, want %v", err, ErrNotPermitted)
	}
}

func TestEchoEndsWithItsContext(t *testing.T) {
	s := Listen() // nobody reads, so nobody answers
	a := allowed(t, s, "127.0.0.1")
	closed, end := context.WithCancel(t.Context())
	end()
	defer func() { _ = s.Run(closed) }() // closes the sockets
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	if _, err := s.Echo(ctx, a); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Echo: %v, want the deadline", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := s.Echo(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("Echo: %v, want canceled", err)
	}
	if n := len(s.v4.waiting); n != 0 {
		t.Errorf("%d queries were left waiting", n)
	}
}

func TestDeliverIgnoresWhatIsNotOurs(t *testing.T) {
	target, other := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("10.0.0.8")
	for _, c := range []struct {
		name   string
		mode   string
		packet []byte
		from   netip.Addr
		want   bool
		err    error
	}{
		{"our reply is taken", Raw, reply4(nil), target, true, nil},
		{"another process's ping with our ID has another nonce", Raw, reply4(func(b []byte) { b[9]++ }), target, false, nil},
		{"a forged source does not answer for the target", Raw, reply4(nil), other, false, nil},
		{"a reply to another ID is another process's", Raw, reply4(func(b []byte) { b[4]++ }), target, false, nil},
		{"the kernel replaces an unprivileged socket's ID", Unprivileged, reply4(func(b []byte) { b[4]++ }), target, true, nil},
		{"a reply to another sequence number is ignored", Raw, reply4(func(b []byte) { b[7]++ }), target, false, nil},
		{"a truncated reply is ignored", Raw, sum4(reply4(nil)[:16]), target, false, nil},
		{"a router's unreachable is taken", Raw, quote4(1, 20, 64, nil), other, true, ErrUnreachable},
		{"a router's unreachable with 8 bytes is taken", Raw, quote4(1, 20, 8, nil), other, true, ErrUnreachable},
		{"an unreachable that quotes another nonce is ignored", Raw, quote4(1, 20, 64, func(b []byte) { b[8+20+9]++ }), other, false, nil},
		{"an unreachable for another target is ignored", Raw, quote4(1, 20, 64, func(b []byte) { b[8+19]++ }), other, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &query{key: key{target, testSeq}, nonce: testNonce, answer: make(chan answer, 1)}
			f := &family{mode: c.mode, id: testID, waiting: map[key]*query{q.key: q}}
			f.deliver(c.packet, c.from, time.Now())
			f.deliver(c.packet, c.from, time.Now()) // a duplicate never blocks
			select {
			case a := <-q.answer:
				if !c.want || !errors.Is(a.err, c.err) {
					t.Errorf("got %+v, want %v", a, c.err)
				}
			default:
				if c.want {
					t.Error("ignored")
				}
			}
		})
	}
}

func TestBeginKeepsQueriesToOneAddressApart(t *testing.T) {
	f := &family{mode: Raw, waiting: map[key]*query{}}
	for range 2000 {
		f.begin(netip.MustParseAddr("10.0.0.7"))
	}
	if len(f.waiting) != 2000 {
		t.Errorf("%d of 2000 queries are waiting", len(f.waiting))
	}
}

// loopback is the n-th address of 127.20.0.0/14.
func loopback(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(20 + n>>16&3), byte(n >> 8), byte(n)})
}

// echoAll pings n loopback addresses, 500 at once.
func echoAll(ctx context.Context, s *Socket, n int) error {
	var wait sync.WaitGroup
	errs := make(chan error, n)
	slots := make(chan struct{}, 500)
	for i := range n {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			if _, err := s.Echo(ctx, loopback(i)); err != nil {
				errs <- err
			}
		})
	}
	wait.Wait()
	if len(errs) > 0 {
		return fmt.Errorf("%d of %d failed, first: %w", len(errs), n, <-errs)
	}
	return nil
}

func TestEchoToManyAtOnce(t *testing.T) {
	s := running(t, Listen())
	allowed(t, s, "127.0.0.1")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := echoAll(ctx, s, 2000); err != nil {
		t.Error(err)
	}
}
