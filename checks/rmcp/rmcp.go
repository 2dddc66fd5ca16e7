// Package rmcp is our IPMI 2.0 client (RMCP+): one UDP socket per address family for all BMCs.
package rmcp

import (
	"context"
	"net/netip"
)

// Client shares its sockets among all BMCs. Its methods are safe for concurrent use.
type Client struct{}

// Listen opens one UDP socket per address family. Nothing is read before Run.
func Listen() (*Client, error) { return &Client{}, nil }

// Run reads answers until ctx ends, then closes the sockets.
func (c *Client) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Capabilities are what Get Channel Authentication Capabilities tells without a session (IPMI 2.0 section 22.13).
type Capabilities struct {
	// IPMI20 says that the BMC speaks RMCP+.
	IPMI20 bool
}

// Capabilities asks a BMC what it can do: one datagram each way, no session, no user name. It serves ping as the RMCP question.
func (c *Client) Capabilities(ctx context.Context, addr netip.AddrPort) (Capabilities, error) {
	panic("not yet")
}
