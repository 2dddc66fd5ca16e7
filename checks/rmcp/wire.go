package rmcp

import (
	"encoding/binary"
	"fmt"
)

// RMCP header (section 13.1.3): version 1.0, reserved, no acknowledgement, class IPMI.
var rmcpHeader = [4]byte{0x06, 0x00, 0xff, 0x07}

// Authentication types of the session header (sections 13.6): none is IPMI 1.5's sessionless format.
const (
	authNone = 0x00
	authRMCP = 0x06
)

// Payload types (table 13-16) and the flags beside them.
const (
	payloadIPMI        = 0x00
	payloadOpenRequest = 0x10
	payloadOpenAnswer  = 0x11
	payloadRAKP1       = 0x12
	payloadRAKP2       = 0x13
	payloadRAKP3       = 0x14
	payloadRAKP4       = 0x15

	flagEncrypted     = 0x80
	flagAuthenticated = 0x40
	payloadTypeMask   = 0x3f
)

// Lengths of the headers before the payload.
const (
	header15 = 4 + 10
	header20 = 4 + 12
)

// packet is a datagram of a BMC, taken apart but not yet believed.
type packet struct {
	kind kind
	id   uint32
	seq  uint32
	// flags are flagEncrypted and flagAuthenticated as the packet claims.
	flags   byte
	payload []byte
	// signed is what the authentication code covers, trailer what follows the payload; both for session packets.
	signed  []byte
	trailer []byte
}

// parsePacket reads RMCP and session header (section 13.6). It keeps parts of the datagram.
func parsePacket(datagram []byte) (packet, error) {
	if len(datagram) < 5 || datagram[0] != rmcpHeader[0] || datagram[3] != rmcpHeader[3] {
		return packet{}, fmt.Errorf("%w: not an IPMI message over RMCP (%d bytes)", ErrMalformed, len(datagram))
	}
	switch datagram[4] {
	case authNone:
		return parse15(datagram)
	case authRMCP:
		return parse20(datagram)
	}
	return packet{}, fmt.Errorf("%w: authentication type 0x%02x in the session header", ErrMalformed, datagram[4])
}

// parse15 reads IPMI 1.5's session header without authentication code, the format of answers outside of a session.
func parse15(d []byte) (packet, error) {
	if len(d) < header15 || len(d) < header15+int(d[header15-1]) {
		return packet{}, fmt.Errorf("%w: %d bytes are too few for an IPMI 1.5 message", ErrMalformed, len(d))
	}
	p := packet{kind: fromCapabilities, payload: d[header15 : header15+int(d[header15-1])]}
	m, err := parseResponse(p.payload)
	if err != nil {
		return packet{}, err
	}
	p.id = uint32(m.seq)
	return p, nil
}

// parse20 reads RMCP+'s session header (table 13-8).
func parse20(d []byte) (packet, error) {
	if len(d) < header20 {
		return packet{}, fmt.Errorf("%w: %d bytes are too few for an RMCP+ message", ErrMalformed, len(d))
	}
	end := header20 + int(binary.LittleEndian.Uint16(d[14:]))
	if len(d) < end {
		return packet{}, fmt.Errorf("%w: an RMCP+ message of %d bytes says that it has %d", ErrMalformed, len(d), end)
	}
	p := packet{
		flags:   d[5] &^ payloadTypeMask,
		seq:     binary.LittleEndian.Uint32(d[10:]),
		payload: d[header20:end],
		signed:  d[4:],
		trailer: d[end:],
	}
	switch d[5] & payloadTypeMask {
	case payloadIPMI:
		p.kind, p.id = fromSession, binary.LittleEndian.Uint32(d[6:])
		return p, nil
	case payloadOpenAnswer:
		p.kind = fromOpenSession
	case payloadRAKP2:
		p.kind = fromRAKP2
	case payloadRAKP4:
		if p.kind = fromRAKP4; p.flags != 0 {
			p.kind, p.id = fromSealedRAKP4, binary.LittleEndian.Uint32(d[6:])
			return p, nil
		}
	default:
		return packet{}, fmt.Errorf("%w: payload type 0x%02x", ErrMalformed, d[5])
	}
	if len(p.payload) < 2 {
		return packet{}, fmt.Errorf("%w: %d bytes are too few for a handshake message", ErrMalformed, len(p.payload))
	}
	p.id = uint32(p.payload[0])
	return p, nil
}

// plain15 is an IPMI 1.5 message outside of a session.
func plain15(payload []byte) []byte {
	d := append([]byte{}, rmcpHeader[:]...)
	d = append(d, authNone, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(payload)))
	return append(d, payload...)
}

// plain20 is an RMCP+ message without signature; session is 0 outside of a session.
func plain20(payloadType byte, session, seq uint32, payload []byte) []byte {
	d := make([]byte, 0, header20+len(payload)+48)
	d = append(d, rmcpHeader[:]...)
	d = append(d, authRMCP, payloadType)
	d = binary.LittleEndian.AppendUint32(d, session)
	d = binary.LittleEndian.AppendUint32(d, seq)
	d = binary.LittleEndian.AppendUint16(d, uint16(len(payload)))
	return append(d, payload...)
}
