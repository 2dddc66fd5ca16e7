package rmcp

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// reportErrors has the kernel keep the ICMP errors that datagrams met (ip(7), IP_RECVERR). An unconnected socket hears of
// none otherwise, and a closed port would look like a silent one. Where it fails, timeouts do.
func reportErrors(conn *net.UDPConn, network string) {
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if network == "udp6" {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), level, option, 1) })
	}
}

// reportedErrors empties the socket's error queue and calls fail with the destination of each datagram that met one.
func reportedErrors(conn *net.UDPConn, fail func(netip.AddrPort, error)) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		data, control := make([]byte, maxDatagram), make([]byte, 512)
		for {
			_, n, _, to, err := unix.Recvmsg(int(fd), data, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			if cause := icmpError(control[:n]); cause != nil {
				fail(destination(to), cause)
			}
		}
	})
}

// icmpError reads a struct sock_extended_err (ip(7)): errno, then where it comes from; 2 and 3 are ICMP and ICMPv6.
func icmpError(control []byte) error {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if len(m.Data) < 5 || m.Data[4] != 2 && m.Data[4] != 3 {
			continue
		}
		switch unix.Errno(binary.NativeEndian.Uint32(m.Data)) {
		case unix.ECONNREFUSED:
			return ErrRefused
		case unix.EHOSTUNREACH, unix.ENETUNREACH:
			return ErrUnreachable
		}
	}
	return nil
}

func destination(to unix.Sockaddr) netip.AddrPort {
	switch to := to.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(to.Addr), uint16(to.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(to.Addr).Unmap(), uint16(to.Port))
	}
	return netip.AddrPort{}
}
