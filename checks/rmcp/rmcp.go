// Package rmcp is our IPMI 2.0 client (RMCP+): one UDP socket per address family for all BMCs.
//
// The ping check asks Capabilities; the ipmi-login check opens a Session and the power check asks it. Cipher suites 17 and 3
// only, and nothing that a BMC says is believed or decrypted before its HMAC was verified. Sections in comments are those of
// the IPMI specification, second generation, version 2.0, revision 1.1.
package rmcp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
)

// Client shares its sockets among all BMCs. Its methods are safe for concurrent use.
type Client struct {
	v4, v6 *socket

	// Allow, if set, says why nothing may be sent to an address. It is set before anything is.
	Allow func(netip.AddrPort) error

	mu      sync.Mutex
	waiting map[netip.AddrPort][]*waiter
}

// Listen opens one UDP socket per address family; a machine that has only one of them is fine. Nothing is read before Run.
func Listen() (*Client, error) {
	v4, err4 := listen("udp4")
	v6, err6 := listen("udp6")
	if v4 == nil && v6 == nil {
		return nil, fmt.Errorf("open a UDP socket: %w, %w", err4, err6)
	}
	return &Client{v4: v4, v6: v6, waiting: map[netip.AddrPort][]*waiter{}}, nil
}

// Run reads answers until ctx ends, then closes the sockets. Without it nothing is ever answered.
func (c *Client) Run(ctx context.Context) error {
	sockets := c.sockets()
	stop := context.AfterFunc(ctx, func() {
		for _, s := range sockets {
			s.close()
		}
	})
	defer stop()
	errs := make(chan error, len(sockets))
	for _, s := range sockets {
		go func() { errs <- s.read(c) }()
	}
	var first error
	for range sockets {
		if err := <-errs; err != nil && first == nil {
			first = err
			for _, s := range sockets {
				s.close()
			}
		}
	}
	return first
}

func (c *Client) sockets() (open []*socket) {
	for _, s := range []*socket{c.v4, c.v6} {
		if s != nil {
			open = append(open, s)
		}
	}
	return open
}

// Capabilities are what Get Channel Authentication Capabilities tells without a session (section 22.13).
type Capabilities struct {
	// IPMI20 says that the BMC speaks RMCP+.
	IPMI20 bool
}

// Capabilities asks a BMC what it can do: one datagram each way, no session, no user name. It serves ping as the RMCP
// question: any well-formed answer to it is a success. It asks again while ctx lasts.
func (c *Client) Capabilities(ctx context.Context, addr netip.AddrPort) (caps Capabilities, err error) {
	w := c.expect(addr, fromCapabilities, 64)
	defer c.forget(w)
	request := capabilitiesRequest(byte(w.id))
	datagram := plain15(request.request())
	err = c.ask(ctx, w, func() []byte { return datagram }, func(p packet) error {
		answer, err := parseResponse(p.payload)
		if err != nil {
			return err
		}
		if !answer.answers(request) {
			return errNotOurs
		}
		caps = parseCapabilities(answer)
		return nil
	})
	if err != nil {
		return Capabilities{}, fmt.Errorf("ask %s for its IPMI capabilities: %w", addr, err)
	}
	return caps, nil
}

// capabilitiesRequest asks for IPMI 2.0 data (bit 7) of the channel that it comes by (0x0e).
func capabilitiesRequest(seq byte) message {
	return message{netFn: netFnApp, command: cmdCapabilities, seq: seq, data: []byte{0x8e, privilegeUser}}
}

// parseCapabilities reads the response of Get Channel Authentication Capabilities (section 22.13). A BMC that answers with
// an error or too little has answered all the same.
func parseCapabilities(m message) Capabilities {
	if m.code != 0 || len(m.data) < 4 {
		return Capabilities{}
	}
	return Capabilities{IPMI20: m.data[1]&0x80 != 0 && m.data[3]&0x02 != 0}
}

// random is fresh for each session and tag, so that a late answer to an earlier question is never taken for one to this.
func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return binary.LittleEndian.Uint32(b[:])
}
