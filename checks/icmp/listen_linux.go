package icmp

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// receiveBuffer holds the replies to a burst: the default of 208 KiB drops them from some 300 on. The kernel's own limit
// may make it smaller.
const receiveBuffer = 4 << 20

// icmpFilter is ICMP_FILTER of linux/icmp.h, at level SOL_RAW.
const icmpFilter = 1

// listenRaw opens a raw socket that gets echo replies and unreachables only. It needs CAP_NET_RAW.
func listenRaw(v6 bool) (net.PacketConn, error) {
	return listen(v6, unix.SOCK_RAW, func(fd int) error {
		if !v6 {
			pass := uint32(1<<echoReply4 | 1<<unreachable4)
			return unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, int(int32(^pass)))
		}
		var filter unix.ICMPv6Filter
		for i := range filter.Data {
			filter.Data[i] = ^uint32(0)
		}
		for _, t := range []int{echoReply6, unreachable6} {
			filter.Data[t/32] &^= 1 << (t % 32)
		}
		return unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &filter)
	})
}

// listenUnprivileged opens a datagram socket that gets only replies to its own requests. It needs a group in
// net.ipv4.ping_group_range, which rules IPv6 too.
func listenUnprivileged(v6 bool) (net.PacketConn, error) {
	return listen(v6, unix.SOCK_DGRAM, func(int) error { return nil })
}

func listen(v6 bool, kind int, prepare func(fd int) error) (net.PacketConn, error) {
	domain, protocol, name := unix.AF_INET, unix.IPPROTO_ICMP, "icmp"
	if v6 {
		domain, protocol, name = unix.AF_INET6, unix.IPPROTO_ICMPV6, "icmpv6"
	}
	fd, err := unix.Socket(domain, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, fmt.Errorf("open %s socket: %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close() // FilePacketConn has its own copy
	if err := prepare(fd); err != nil {
		return nil, fmt.Errorf("set filter of %s socket: %w", name, err)
	}
	// With CAP_NET_ADMIN beyond the limit of net.core.rmem_max, else up to it.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	}
	return net.FilePacketConn(file)
}
