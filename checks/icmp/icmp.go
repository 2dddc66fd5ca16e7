// Package icmp is one shared ICMP echo socket per address family for all BMCs. The ping check asks through it.
package icmp

import (
	"context"
	"net/netip"
	"time"
)

// Socket sends echo requests and matches replies on ID, a 64-bit nonce and the source. Its methods are safe for concurrent use.
type Socket struct{}

// Reply says how an echo request was answered.
type Reply struct {
	RTT time.Duration
	// Mode is the kind of socket that was used: raw or unprivileged.
	Mode string
}

// Listen opens raw sockets, else unprivileged ones. Where neither is allowed Echo returns ErrNotPermitted.
func Listen() *Socket { return &Socket{} }

// Run reads replies until ctx ends, then closes the sockets.
func (s *Socket) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Echo sends echo requests to addr (more than one, spaced, while ctx lasts) and returns the first reply.
func (s *Socket) Echo(ctx context.Context, addr netip.Addr) (Reply, error) { panic("not yet") }
