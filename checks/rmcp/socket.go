package rmcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// maxDatagram is more than any message that we ask for; what a longer datagram holds beyond it is cut off and so refused.
const maxDatagram = 1024

// receiveBuffer holds the burst when thousands of BMCs answer at once; Linux' default of 208 KiB drops it.
const receiveBuffer = 4 << 20

// socket is one unconnected UDP socket for all BMCs of an address family.
type socket struct {
	conn *net.UDPConn
	once sync.Once
}

func listen(network string) (*socket, error) {
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(receiveBuffer) // best effort: the system's limit may be lower
	reportErrors(conn, network)
	return &socket{conn: conn}, nil
}

func (s *socket) close() { s.once.Do(func() { _ = s.conn.Close() }) }

// read hands each datagram to whoever waits for it, until the socket is closed.
func (s *socket) read(c *Client) error {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		var errno syscall.Errno
		switch {
		case err == nil:
			c.deliver(plainAddr(from), buf[:n])
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.As(err, &errno): // some BMC's ICMP error, not the end of the socket
			reportedErrors(s.conn, c.fail)
		default:
			return fmt.Errorf("read from the RMCP socket: %w", err)
		}
	}
}

// sendTries is how often a send is repeated whose error may be the ICMP error that another BMC's datagram met: the kernel
// hands each to the next call on the socket, whomever that is for.
const sendTries = 8

func (c *Client) send(addr netip.AddrPort, datagram []byte) error {
	if c.Allow != nil {
		if err := c.Allow(addr); err != nil {
			return fmt.Errorf("send to %w", err)
		}
	}
	s := c.v4
	if addr.Addr().Unmap().Is6() {
		s = c.v6
	}
	if s == nil {
		return fmt.Errorf("%w: no socket for the address family of %s", ErrUnreachable, addr)
	}
	var err error
	for range sendTries {
		if _, err = s.conn.WriteToUDPAddrPort(datagram, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())); err == nil {
			return nil
		}
	}
	if errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return fmt.Errorf("send to %s: %w", addr, err)
}

// plainAddr is the form of an address under which answers are matched: the kernel may name an IPv4 peer in IPv6 form and a
// zone by number or name.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
