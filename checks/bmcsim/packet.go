package bmcsim

import (
	"encoding/binary"
	"errors"
)

// IPMI 2.0 section 13.1 (RMCP), 13.6 (session header), 13.8 (IPMI message).
const (
	classASF  = 0x06
	classIPMI = 0x07

	authNone = 0x00
	authPlus = 0x06 // the RMCP+ session header follows

	payloadIPMI         = 0x00
	payloadOpenRequest  = 0x10
	payloadOpenResponse = 0x11
	payloadRAKP1        = 0x12
	payloadRAKP2        = 0x13
	payloadRAKP3        = 0x14
	payloadRAKP4        = 0x15

	flagEncrypted     = 0x80
	flagAuthenticated = 0x40
)

var errPacket = errors.New("not a packet that a BMC answers")

// packet is a parsed datagram. Its slices lie within the datagram.
type packet struct {
	asf       bool
	asfTag    byte
	plus      bool
	kind      byte // payload type, without the flags
	encrypted bool
	signed    bool
	session   uint32
	payload   []byte
	// signedPart is what the AuthCode covers, and trailer is what follows the payload.
	trailer []byte
	raw     []byte
}

// parsePacket reads a datagram. Beyond the lengths nothing is checked yet.
func parsePacket(raw []byte) (packet, error) {
	if len(raw) < 4 || raw[0] != 0x06 {
		return packet{}, errPacket
	}
	switch raw[3] & 0x1f {
	case classASF: // ASF 2.0 section 3.2.4.1: presence ping is message type 0x80
		if len(raw) < 12 || raw[8] != 0x80 {
			return packet{}, errPacket
		}
		return packet{asf: true, asfTag: raw[9]}, nil
	case classIPMI:
		if len(raw) > 4 && raw[4] == authPlus {
			return parsePlus(raw)
		}
		return parseOld(raw)
	}
	return packet{}, errPacket
}

// parseOld reads the IPMI 1.5 header without authentication, in which sessionless requests come.
func parseOld(raw []byte) (packet, error) {
	if len(raw) < 14 || raw[4] != authNone || len(raw) < 14+int(raw[13]) {
		return packet{}, errPacket
	}
	return packet{payload: raw[14 : 14+int(raw[13])], session: binary.LittleEndian.Uint32(raw[9:]), raw: raw}, nil
}

// parsePlus reads the RMCP+ header.
func parsePlus(raw []byte) (packet, error) {
	if len(raw) < 16 {
		return packet{}, errPacket
	}
	end := 16 + int(binary.LittleEndian.Uint16(raw[14:]))
	if len(raw) < end {
		return packet{}, errPacket
	}
	return packet{
		plus: true, kind: raw[5] & 0x3f, encrypted: raw[5]&flagEncrypted != 0, signed: raw[5]&flagAuthenticated != 0,
		session: binary.LittleEndian.Uint32(raw[6:]), payload: raw[16:end], trailer: raw[end:], raw: raw,
	}, nil
}

// message is an IPMI request (section 13.8).
type message struct {
	netFn, cmd   byte
	from, seqLUN byte
	data         []byte
}

func parseMessage(b []byte) (message, error) {
	if len(b) < 7 || checksum(b[:2]) != b[2] || checksum(b[3:len(b)-1]) != b[len(b)-1] {
		return message{}, errPacket
	}
	return message{netFn: b[1] >> 2, from: b[3], seqLUN: b[4], cmd: b[5], data: b[6 : len(b)-1]}, nil
}

// reply is the answer to m: completion code and data.
func (m message) reply(code byte, data ...byte) []byte {
	b := []byte{m.from, (m.netFn | 1) << 2}
	b = append(b, checksum(b))
	body := append([]byte{0x20, m.seqLUN, m.cmd, code}, data...)
	return append(append(b, body...), checksum(body))
}

// checksum makes the sum of all bytes zero.
func checksum(b []byte) (sum byte) {
	for _, x := range b {
		sum -= x
	}
	return sum
}

// old wraps an answer into the IPMI 1.5 header.
func old(payload []byte) []byte {
	header := []byte{0x06, 0, 0xff, classIPMI, authNone, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(payload))}
	return append(header, payload...)
}

// plus wraps a payload into the RMCP+ header.
func plus(kind byte, session, seq uint32, payload []byte) []byte {
	b := []byte{0x06, 0, 0xff, classIPMI, authPlus, kind}
	b = binary.LittleEndian.AppendUint32(b, session)
	b = binary.LittleEndian.AppendUint32(b, seq)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(payload)))
	return append(b, payload...)
}

// pong answers an ASF presence ping (ASF 2.0 section 3.2.4.2): IPMI is supported.
func pong(tag byte) []byte {
	b := []byte{0x06, 0, 0xff, classASF, 0, 0, 0x11, 0xbe, 0x40, tag, 0, 16, 0, 0, 0x11, 0xbe}
	return append(b, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0)
}
