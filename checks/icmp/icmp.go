// Package icmp is one shared ICMP echo socket per address family for all BMCs.
//
// The ping check asks through it. One socket matters because a raw socket sees every echo reply of its network namespace:
// a socket for each BMC would make each reply be read by all of them.
package icmp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// The modes of a socket.
const (
	Raw          = "raw"
	Unprivileged = "unprivileged"
)

// Why an echo got no reply, beside the context's end.
var (
	// ErrNotPermitted says that the process may open neither a raw nor an unprivileged ICMP socket of this family.
	ErrNotPermitted = errors.New("icmp is not permitted")
	// ErrUnreachable says that the kernel or a router on the way knows no way to the address.
	ErrUnreachable = errors.New("destination unreachable")
)

// spacing is the time between the requests of one Echo; shorter when ctx ends before three of them.
const spacing = time.Second

// Socket sends echo requests and matches replies on ID, a 64-bit nonce and the source. Its methods are safe for concurrent use.
type Socket struct {
	v4, v6 *family
	pace   pace
}

// Reply says how an echo request was answered.
type Reply struct {
	RTT time.Duration
	// Mode is the kind of socket that was used: raw or unprivileged.
	Mode string
}

// Listen opens raw sockets, else unprivileged ones. Where neither is allowed Echo returns ErrNotPermitted.
func Listen() *Socket { return &Socket{v4: open(false), v6: open(true)} }

// Run reads replies until ctx ends, then closes the sockets.
func (s *Socket) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range []*family{s.v4, s.v6} {
		if f.conn != nil {
			group.Go(func() error { return f.read(ctx) })
		}
	}
	return group.Wait()
}

// Mode is the kind of socket that Echo uses for addr; empty when ICMP is not permitted.
func (s *Socket) Mode(addr netip.Addr) string { return s.family(addr).mode }

// Echo sends echo requests to addr (more than one, spaced, while ctx lasts) and returns the first reply. Its errors wrap
// ErrNotPermitted, ErrUnreachable or what ended ctx; any other is a fault of this machine.
func (s *Socket) Echo(ctx context.Context, addr netip.Addr) (Reply, error) {
	addr = addr.Unmap()
	f := s.family(addr)
	if f.conn == nil {
		return Reply{}, fmt.Errorf("ping %s: %w: %w", addr, ErrNotPermitted, f.err)
	}
	q := f.begin(addr)
	defer f.end(q)
	rtt, err := s.repeat(ctx, f, q)
	if err != nil {
		return Reply{Mode: f.mode}, fmt.Errorf("ping %s (%s icmp): %w", addr, f.mode, err)
	}
	return Reply{RTT: rtt, Mode: f.mode}, nil
}

func (s *Socket) family(addr netip.Addr) *family {
	if addr.Unmap().Is4() {
		return s.v4
	}
	return s.v6
}

// repeat sends q again and again until an answer or ctx ends it.
func (s *Socket) repeat(ctx context.Context, f *family, q *query) (time.Duration, error) {
	ticker := time.NewTicker(interval(ctx))
	defer ticker.Stop()
	var sent []time.Time
	for {
		if err := s.pace.wait(ctx); err != nil {
			return 0, noReply(len(sent), err)
		}
		sent = append(sent, time.Now())
		if err := f.send(q, uint64(len(sent)-1)); err != nil {
			return 0, err
		}
		select {
		case a := <-q.answer:
			if a.err != nil {
				return 0, a.err
			}
			return a.at.Sub(sent[min(a.request, uint64(len(sent)-1))]), nil
		case <-ticker.C:
		case <-ctx.Done():
			return 0, noReply(len(sent), ctx.Err())
		}
	}
}

func noReply(sent int, err error) error { return fmt.Errorf("no reply to %d requests: %w", sent, err) }

// interval leaves time for three requests.
func interval(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return spacing
	}
	return min(spacing, max(time.Until(deadline)/3, 20*time.Millisecond))
}

// sendError sorts what the kernel said to a send: no error where a later request may fare better.
func sendError(err error) error {
	switch {
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN),
		errors.Is(err, syscall.EHOSTDOWN):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EAGAIN):
		return nil // the packet was lost before the wire
	}
	return err
}
