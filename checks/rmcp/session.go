package rmcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Session is a login that a BMC accepted. One goroutine at a time uses it.
type Session struct {
	client  *Client
	waiter  *waiter
	addr    netip.AddrPort
	suite   suite
	keys    keys
	managed uint32
	guid    [16]byte

	sent   uint32 // sequence number of the last message sent
	seen   window
	seq    byte // of the last request
	closed bool
}

// Suite is the cipher suite that the BMC accepted.
func (s *Session) Suite() uint8 { return s.suite.id }

// GUID is the system's, as its BMC sent it with RAKP 2 (section 13.21), where the password vouches for it. The specification has the last
// byte first (section 20.8); what BMCs do differs.
func (s *Session) GUID() [16]byte { return s.guid }

// ChassisStatus is what a BMC says of its server (section 28.2).
type ChassisStatus struct {
	PowerOn    bool
	PowerFault bool
}

// ChassisStatus asks whether the server is powered on.
func (s *Session) ChassisStatus(ctx context.Context) (ChassisStatus, error) {
	answer, err := s.command(ctx, "get chassis status", message{netFn: netFnChassis, command: cmdChassisStatus})
	if err != nil {
		return ChassisStatus{}, err
	}
	return parseChassisStatus(answer.data)
}

func parseChassisStatus(b []byte) (ChassisStatus, error) {
	if len(b) < 3 {
		return ChassisStatus{}, fmt.Errorf("%w: chassis status of %d bytes", ErrShort, len(b))
	}
	return ChassisStatus{PowerOn: b[0]&0x01 != 0, PowerFault: b[0]&0x08 != 0}, nil
}

// DeviceID is what a BMC says of itself (section 20.1).
type DeviceID struct {
	Manufacturer uint32 // IANA enterprise number
	Product      uint16
	Firmware     string // major.minor
}

// DeviceID asks the BMC what it is.
func (s *Session) DeviceID(ctx context.Context) (DeviceID, error) {
	answer, err := s.command(ctx, "get device ID", message{netFn: netFnApp, command: cmdDeviceID})
	if err != nil {
		return DeviceID{}, err
	}
	return parseDeviceID(answer.data)
}

func parseDeviceID(b []byte) (DeviceID, error) {
	if len(b) < 11 {
		return DeviceID{}, fmt.Errorf("%w: device ID of %d bytes", ErrShort, len(b))
	}
	return DeviceID{
		Manufacturer: uint32(b[6]) | uint32(b[7])<<8 | uint32(b[8]&0x0f)<<16,
		Product:      uint16(b[9]) | uint16(b[10])<<8,
		Firmware:     fmt.Sprintf("%d.%02x", b[2]&0x7f, b[3]), // the minor revision is in BCD
	}, nil
}

// closeWait is how long Close waits for a BMC that does not answer any more; by then it asked twice.
const closeWait = 3 * time.Second

// Close logs out. Only the first call sends anything, and it does so even when ctx has ended; it waits for the answer while
// ctx lasts.
func (s *Session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	defer func() {
		s.closed = true
		s.client.forget(s.waiter)
	}()
	request := closeRequest(s.managed)
	if ctx.Err() != nil {
		return wrap(s.client.send(s.addr, s.seal(request.request())), "close session on %s", s.addr)
	}
	ctx, cancel := context.WithTimeout(ctx, closeWait)
	defer cancel()
	_, err := s.command(ctx, "close session", request)
	if noSuchSession(err) {
		return nil
	}
	return err
}

// noSuchSession says that the BMC does not know the session (section 22.19; goipmi-server 0.9.1 says 0xc9): a Close Session of
// ours that came twice, or whose answer was lost, has ended it already.
func noSuchSession(err error) bool {
	var refused *CompletionError
	return errors.As(err, &refused) && (refused.Code == 0x87 || refused.Code == 0x88 || refused.Code == 0xc9)
}

func closeRequest(managed uint32) message {
	return message{netFn: netFnApp, command: cmdCloseSession, data: id(managed)}
}

// command sends a request within the session and returns its response. Each transmission has its own session sequence
// number, because BMCs drop one that they have seen.
func (s *Session) command(ctx context.Context, name string, request message) (message, error) {
	if s.closed {
		return message{}, fmt.Errorf("%s on %s: %w", name, s.addr, ErrClosed)
	}
	s.seq = (s.seq + 1) & 0x3f
	request.seq = s.seq
	var answer message
	err := s.client.ask(ctx, s.waiter, func() []byte { return s.seal(request.request()) }, func(p packet) (err error) {
		if answer, err = s.open(p); err != nil {
			return err
		}
		if !answer.answers(request) {
			return errNotOurs
		}
		return nil
	})
	if err == nil && answer.code != 0 {
		err = &CompletionError{name, answer.code}
	}
	return answer, wrap(err, "%s on %s", name, s.addr)
}

// window refuses sequence numbers that were seen, or are more than 16 behind the newest (section 6.12.13).
type window struct {
	newest uint32
	seen   uint32 // bit i: newest-i was seen
}

const windowSize = 16

func (w *window) accept(seq uint32) bool {
	switch ahead := int64(seq) - int64(w.newest); {
	case seq == 0:
		return false
	case w.newest == 0 || ahead >= windowSize:
		w.newest, w.seen = seq, 1
	case ahead > 0:
		w.newest, w.seen = seq, w.seen<<ahead|1
	case ahead <= -windowSize || w.seen&(1<<-ahead) != 0:
		return false
	default:
		w.seen |= 1 << -ahead
	}
	return true
}
