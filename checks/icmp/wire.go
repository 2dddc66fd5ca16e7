package icmp

import (
	"encoding/binary"
	"net/netip"
)

// Types of ICMP (RFC 792) and ICMPv6 (RFC 4443 sections 3.1, 4.1, 4.2).
const (
	echoRequest4, echoReply4, unreachable4 = 8, 0, 3
	echoRequest6, echoReply6, unreachable6 = 128, 129, 1
)

const (
	headerLen = 8
	// payloadLen is what ping(8) sends: middleboxes are used to it. It holds the nonce, then the number of the request.
	payloadLen = 56
)

type kind uint8

const (
	echoReply kind = iota + 1
	unreachable
)

// message is a reply, or the part of a request that a destination unreachable quotes.
type message struct {
	kind    kind
	id, seq uint16
	// nonce and request are set when whole; a quote may end before them.
	whole          bool
	nonce, request uint64
	// target is whom the quoted request was sent to.
	target netip.Addr
}

// request is an echo request (RFC 792 page 14, RFC 4443 section 4.1). The kernel fills in the checksum of ICMPv6, which
// covers the IP addresses, and the ID of an unprivileged socket.
func request(v6 bool, id, seq uint16, nonce, number uint64) []byte {
	b := make([]byte, headerLen+payloadLen)
	b[0] = echoRequest4
	if v6 {
		b[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	binary.BigEndian.PutUint64(b[8:], nonce)
	binary.BigEndian.PutUint64(b[16:], number)
	if !v6 {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// parse reads an ICMP message without its IP header; false for all that is neither a whole echo reply nor an unreachable
// that quotes an echo request.
func parse(v6 bool, b []byte) (message, bool) {
	if len(b) < headerLen {
		return message{}, false
	}
	if v6 { // its checksum was verified by the kernel, which knows both addresses
		switch {
		case b[0] == echoReply6 && b[1] == 0:
			return parseReply(b)
		case b[0] == unreachable6 && b[1] != 4: // 4: port unreachable, the host itself answers
			return parseQuote6(b[headerLen:])
		}
		return message{}, false
	}
	if checksum(b) != 0 { // a raw socket gets its copy before the kernel verifies
		return message{}, false
	}
	switch {
	case b[0] == echoReply4 && b[1] == 0:
		return parseReply(b)
	case b[0] == unreachable4 && (b[1] < 2 || b[1] > 4): // 2 to 4: protocol, port, fragmentation needed
		return parseQuote4(b[headerLen:])
	}
	return message{}, false
}

func parseReply(b []byte) (message, bool) {
	m := parseEcho(b)
	m.kind = echoReply
	return m, m.whole
}

func parseEcho(b []byte) message {
	m := message{id: binary.BigEndian.Uint16(b[4:]), seq: binary.BigEndian.Uint16(b[6:])}
	if len(b) >= headerLen+16 {
		m.whole, m.nonce, m.request = true, binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	}
	return m
}

// parseQuote4 reads the quoted IPv4 packet (RFC 791 section 3.1): its header and at least 8 bytes.
func parseQuote4(b []byte) (message, bool) {
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != 1 {
		return message{}, false
	}
	head := int(b[0]&0xf) * 4
	if head < 20 || len(b) < head+headerLen || b[head] != echoRequest4 {
		return message{}, false
	}
	m := parseEcho(b[head:])
	m.kind, m.target = unreachable, netip.AddrFrom4([4]byte(b[16:20]))
	return m, true
}

// parseQuote6 reads the quoted IPv6 packet (RFC 8200 section 3). We send no extension headers.
func parseQuote6(b []byte) (message, bool) {
	if len(b) < 40+headerLen || b[0]>>4 != 6 || b[6] != 58 || b[40] != echoRequest6 {
		return message{}, false
	}
	m := parseEcho(b[40:])
	m.kind, m.target = unreachable, netip.AddrFrom16([16]byte(b[24:40]))
	return m, true
}

// checksum is the Internet checksum (RFC 1071); 0 over a message that holds its own.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
