//go:build !linux

package rmcp

import (
	"net"
	"net/netip"
)

// reportErrors does nothing here: a closed port looks like a silent one.
func reportErrors(*net.UDPConn, string) {}

func reportedErrors(*net.UDPConn, func(netip.AddrPort, error)) {}
