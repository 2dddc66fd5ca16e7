package rmcp

import (
	"errors"
	"fmt"
)

// Errors of a BMC and its network, matched with errors.Is.
var (
	ErrTimeout     = errors.New("no answer in time")
	ErrRefused     = errors.New("the UDP port is closed")
	ErrUnreachable = errors.New("network or host unreachable")
	ErrPassword    = errors.New("the BMC does not know this password for this user")
	ErrSuite       = errors.New("cipher suite not supported")
	ErrMalformed   = errors.New("malformed answer")
	ErrForged      = errors.New("answer with a wrong signature")
	// ErrShort is an ErrMalformed that the BMC itself signed: it answered, but with less than was asked for.
	ErrShort = fmt.Errorf("%w: data missing", ErrMalformed)
	// ErrCredential is ours: a login that IPMI 2.0 cannot express. Nothing was sent.
	ErrCredential = errors.New("credential does not fit IPMI 2.0")
	// ErrClosed is ours too.
	ErrClosed = errors.New("session is closed")
)

// Stage is the message of the handshake that a BMC answered with an error.
type Stage string

// The stages.
const (
	StageOpen  Stage = "open session"
	StageRAKP1 Stage = "RAKP 1"
	StageRAKP3 Stage = "RAKP 3"
)

// Meaning is what a status code means for who asked.
type Meaning uint8

// The meanings. The zero meaning is a status that says that we and the BMC do not understand each other.
const (
	Misunderstood Meaning = iota
	NoSlots               // all session slots are taken
	Transient             // the BMC lost the half-open session: try once more
	NoSuite               // the cipher suite is not supported: try the next; no password was used
	NoPrivilege           // the account exists, the privilege is denied
	Rejected              // wrong user or password
)

// statuses are the RMCP+ and RAKP status codes (table 13-15).
var statuses = map[byte]struct {
	text    string
	meaning Meaning
}{
	0x01: {"insufficient resources to create a session", NoSlots},
	0x02: {"invalid session ID", Transient},
	0x03: {"invalid payload type", Misunderstood},
	0x04: {"invalid authentication algorithm", NoSuite},
	0x05: {"invalid integrity algorithm", NoSuite},
	0x06: {"no matching authentication payload", Misunderstood},
	0x07: {"no matching integrity payload", Misunderstood},
	0x08: {"inactive session ID", Transient},
	0x09: {"invalid role", NoPrivilege},
	0x0a: {"unauthorized role or privilege level", NoPrivilege},
	0x0b: {"insufficient resources to create a session at this role", NoSlots},
	0x0c: {"invalid name length", Rejected},
	0x0d: {"unauthorized name", Rejected},
	0x0e: {"unauthorized GUID", Misunderstood},
	0x0f: {"invalid integrity check value", Rejected},
	0x10: {"invalid confidentiality algorithm", NoSuite},
	0x11: {"no cipher suite match with proposed algorithms", NoSuite},
	0x12: {"illegal or unrecognized parameter", Misunderstood},
}

// statusIntegrity is the only status that we send.
const statusIntegrity = 0x0f

// StatusError is a BMC's refusal in the handshake.
type StatusError struct {
	Stage Stage
	Code  byte
}

func (e *StatusError) Error() string {
	text := statuses[e.Code].text
	if text == "" {
		text = "unknown status"
	}
	return fmt.Sprintf("the BMC answered %s with status 0x%02x, %s", e.Stage, e.Code, text)
}

// Meaning says what the status means.
func (e *StatusError) Meaning() Meaning { return statuses[e.Code].meaning }

// Is makes a status that denies the suite ErrSuite, as long as nothing made with the password was sent.
func (e *StatusError) Is(target error) bool {
	return target == ErrSuite && e.Meaning() == NoSuite && e.Stage != StageRAKP3
}

// CompletionError is a command that the BMC answered with an error (table 5-2).
type CompletionError struct {
	Command string
	Code    byte
}

// Completion codes that say something beside "failed".
const (
	CodeBusy      = 0xc0
	CodeTimeout   = 0xc3
	CodePrivilege = 0xd4
	CodeState     = 0xd5
)

var completions = map[byte]string{
	CodeBusy:      "BMC busy",
	0xc1:          "command not supported",
	CodeTimeout:   "timeout inside the BMC",
	CodePrivilege: "insufficient privilege",
	CodeState:     "not possible in this state",
	0xff:          "unspecified error",
}

func (e *CompletionError) Error() string {
	text := completions[e.Code]
	if text == "" {
		text = "see table 5-2 of IPMI 2.0"
	}
	return fmt.Sprintf("%s: completion code 0x%02x, %s", e.Command, e.Code, text)
}
