//go:build !linux

package icmp

import (
	"errors"
	"net"
)

var errLinuxOnly = errors.New("icmp sockets are opened on Linux only")

func listenRaw(bool) (net.PacketConn, error)          { return nil, errLinuxOnly }
func listenUnprivileged(bool) (net.PacketConn, error) { return nil, errLinuxOnly }
