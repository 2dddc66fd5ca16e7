package rmcp

import "fmt"

// Network functions and commands (appendix G).
const (
	netFnChassis = 0x00
	netFnApp     = 0x06

	cmdChassisStatus = 0x01
	cmdDeviceID      = 0x01
	cmdCapabilities  = 0x38
	cmdCloseSession  = 0x3c
)

// Addresses of an IPMI message over LAN (section 13.8): the BMC's and a remote console's.
const (
	addressBMC     = 0x20
	addressConsole = 0x81
)

// message is an IPMI request or response (section 13.8), without addresses and checksums.
type message struct {
	netFn   byte // a request's: even
	command byte
	seq     byte // 6 bits
	code    byte // completion code of a response
	data    []byte
}

func (m message) request() []byte {
	b := make([]byte, 0, 7+len(m.data))
	b = append(b, addressBMC, m.netFn<<2)
	b = append(b, checksum(b), addressConsole, m.seq<<2, m.command)
	b = append(b, m.data...)
	return append(b, checksum(b[3:]))
}

// parseResponse reads a response message. The addresses in it are not looked at: BMCs differ, and the packet around it says
// whom it is for.
func parseResponse(b []byte) (message, error) {
	if len(b) < 8 {
		return message{}, fmt.Errorf("%w: %d bytes are too few for an IPMI response", ErrMalformed, len(b))
	}
	last := len(b) - 1
	if checksum(b[:2]) != b[2] || checksum(b[3:last]) != b[last] {
		return message{}, fmt.Errorf("%w: checksum of an IPMI response", ErrMalformed)
	}
	netFn := b[1] >> 2
	if netFn&1 == 0 {
		return message{}, fmt.Errorf("%w: a request where a response was due", ErrMalformed)
	}
	return message{netFn: netFn &^ 1, seq: b[4] >> 2, command: b[5], code: b[6], data: b[7:last]}, nil
}

// answers says whether m is the response to a request.
func (m message) answers(request message) bool {
	return m.netFn == request.netFn && m.command == request.command && m.seq == request.seq
}

// checksum is the two's complement of the sum (section 13.8).
func checksum(b []byte) (sum byte) {
	for _, x := range b {
		sum -= x
	}
	return sum
}
