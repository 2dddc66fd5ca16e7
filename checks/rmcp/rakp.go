package rmcp

import (
	"encoding/binary"
	"fmt"
)

// answered is a BMC's message of the handshake. With a status other than 0 only status and console are set.
type answered struct {
	status  byte
	console uint32
	// short: the message ends before the console's session ID. ipmi_sim cuts refusals off after the status.
	short bool

	managed    uint32   // Open Session
	algorithms [3]byte  // Open Session: authentication, integrity, confidentiality
	random     [16]byte // RAKP 2
	guid       [16]byte // RAKP 2
	code       []byte   // RAKP 2: key exchange authentication code; RAKP 4: integrity check value
}

// refuses says whether a is a refusal that may be meant for our session: BMCs that know no such session name 0.
func (a answered) refuses(console uint32) bool {
	return a.status != 0 && (a.short || a.console == console || a.console == 0)
}

// parseAnswered reads what all answers begin with; want is the whole length of one that says that all is well.
func parseAnswered(what string, b []byte, want int) (answered, error) {
	if len(b) < 2 || b[1] == 0 && len(b) < want {
		return answered{}, fmt.Errorf("%w: %s of %d bytes, want %d", ErrMalformed, what, len(b), want)
	}
	a := answered{status: b[1], short: len(b) < 8}
	if !a.short {
		a.console = binary.LittleEndian.Uint32(b[4:])
	}
	return a, nil
}

// parseOpenSession reads an RMCP+ Open Session Response (section 13.18).
func parseOpenSession(b []byte) (answered, error) {
	a, err := parseAnswered("open session response", b, 36)
	if err != nil || a.status != 0 {
		return a, err
	}
	a.managed = binary.LittleEndian.Uint32(b[8:])
	if a.managed == 0 {
		return answered{}, fmt.Errorf("%w: open session response with session ID 0", ErrMalformed)
	}
	for i := range a.algorithms {
		payload := b[12+8*i:]
		if payload[0] != byte(i) || payload[3] != 8 {
			return answered{}, fmt.Errorf("%w: open session response with payload type %d of length %d", ErrMalformed, payload[0], payload[3])
		}
		a.algorithms[i] = payload[4] & 0x3f
	}
	return a, nil
}

// parseRAKP2 reads RAKP message 2 (section 13.21) with an authentication code of n bytes.
func parseRAKP2(b []byte, n int) (answered, error) {
	a, err := parseAnswered("RAKP 2", b, 40+n)
	if err != nil || a.status != 0 {
		return a, err
	}
	copy(a.random[:], b[8:])
	copy(a.guid[:], b[24:])
	a.code = b[40 : 40+n]
	return a, nil
}

// parseRAKP4 reads RAKP message 4 (section 13.23) with an integrity check value of n bytes.
func parseRAKP4(b []byte, n int) (answered, error) {
	a, err := parseAnswered("RAKP 4", b, 8+n)
	if err != nil || a.status != 0 {
		return a, err
	}
	a.code = b[8 : 8+n]
	return a, nil
}
