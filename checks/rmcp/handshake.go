package rmcp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// privilegeUser is the least that may read the chassis status; nameOnly has the BMC look the user up by name alone, whatever
// privilege its entry has (section 13.20). No Set Session Privilege follows: a session starts as user (section 22.18).
const (
	privilegeUser = 0x02
	nameOnly      = 0x10
	role          = nameOnly | privilegeUser
)

// handshake is a login under way: Open Session, RAKP 1 to 4 (section 13.17 to 13.24).
type handshake struct {
	client *Client
	waiter *waiter
	suite  suite
	user   string
	key    []byte // K[UID]: the password; HMAC pads it with zeros as IPMI does

	console, managed uint32 // session IDs, ours and the BMC's
	rm, rc           [16]byte
	guid             [16]byte

	repeated bool // some datagram was sent more than once
	// sent is when the message under way was sent, each time; slowest is how long an answer took at most, as far as one can
	// tell: of what was repeated, nobody knows which was answered.
	sent    []time.Time
	slowest time.Duration
}

// open logs in with one suite. rtt is how slow the BMC was seen to be, the one returned how slow it may be.
func (c *Client) open(ctx context.Context, addr netip.AddrPort, login Login, s suite, rtt time.Duration) (*Session, time.Duration, error) {
	session := c.expect(addr, fromSession, 0)
	h := &handshake{
		client: c, waiter: c.expect(addr, fromOpenSession, 256), suite: s,
		user: login.Username, key: []byte(login.Password.Reveal()), console: session.id,
	}
	h.slowest, h.waiter.rtt = rtt, rtt
	defer c.forget(h.waiter)
	opened, err := h.run(ctx)
	if err != nil {
		c.forget(session)
		return nil, h.slowest, h.orCrossed(err)
	}
	session.rtt = h.waiter.rtt
	opened.waiter = session
	return opened, h.slowest, nil
}

// ErrCrossed: a BMC that is slower than our repetition may answer with fresh random numbers and then count only on those
// (pyghmi, goipmi-server, phosphor-net-ipmid#16), so that signatures do not match although the password does.
var ErrCrossed = errors.New("a repeated datagram crossed its answer")

// orCrossed marks what may be ErrCrossed: a refusal of our RAKP 3 after the BMC has proved that it knows the password. A RAKP 2
// that does not verify is not tried again: it may as well be a wrong password, and nobody's retry may lock an account.
func (h *handshake) orCrossed(err error) error {
	var status *StatusError
	refused := errors.As(err, &status) && status.Stage == StageRAKP3 && status.Code == statusIntegrity
	if h.repeated && refused {
		return fmt.Errorf("%w, or: %w", ErrCrossed, err)
	}
	return err
}

func (h *handshake) run(ctx context.Context) (*Session, error) {
	if err := h.openSession(ctx); err != nil {
		return nil, err
	}
	if err := h.rakp1(ctx); err != nil {
		h.abandon(err, nil)
		return nil, err
	}
	s := h.session()
	if err := h.rakp3(ctx, s); err != nil {
		h.abandon(err, s)
		return nil, err
	}
	return s, nil
}

// abandon tells the BMC, once and without waiting, to forget a session that it may have opened. A BMC that refused has
// nothing to forget.
func (h *handshake) abandon(err error, s *Session) {
	var status *StatusError
	if errors.As(err, &status) {
		return
	}
	_ = h.client.send(h.waiter.addr, h.farewell(err, s)) // a courtesy: the handshake's own error is what counts
}

// farewell is Close Session. Instead of it a RAKP 2 that did not verify is answered by a RAKP 3 that holds a status and no
// authentication code (section 13.22): ipmi_sim frees the slot for that, but not for an unsigned Close Session. After
// silence to RAKP 1 it would be wrong: pyghmi 1.5.34 falls over a RAKP 3 for which it had no RAKP 2.
func (h *handshake) farewell(err error, s *Session) []byte {
	request := closeRequest(h.managed).request()
	switch {
	case s != nil:
		return s.seal(request)
	case errors.Is(err, ErrPassword):
		return plain20(payloadRAKP3, 0, 0, append([]byte{h.tag(), statusIntegrity, 0, 0}, id(h.managed)...))
	}
	return plain20(payloadIPMI, h.managed, 0, request)
}

// openSession proposes the suite (section 13.17) and refuses any other answer (section 13.18): a BMC, or somebody in its
// name, that names a weaker algorithm gets no HMAC to guess passwords by. What it half-opened then times out.
func (h *handshake) openSession(ctx context.Context) error {
	request := []byte{h.tag(), privilegeUser, 0, 0}
	request = binary.LittleEndian.AppendUint32(request, h.console)
	for i, algorithm := range []byte{h.suite.authentication, h.suite.integrity, h.suite.confidentiality} {
		request = append(request, byte(i), 0, 0, 8, algorithm, 0, 0, 0)
	}
	newest := -1 // the last transmission that was answered
	read := func(p packet) error {
		nth := int(uint8(p.payload[0] - h.tag()))
		if nth < newest {
			return errNotOurs
		}
		err := h.opened(p)
		if errors.Is(err, errNotOurs) || errors.Is(err, ErrMalformed) {
			return err
		}
		newest = nth
		h.took(h.sent[nth], true)
		return err
	}
	if err := h.ask(ctx, payloadOpenRequest, request, read); err != nil {
		return err
	}
	if newest < len(h.sent)-1 { // the newest session is the one that a BMC with a single place for one has kept
		_ = h.waiter.listen(ctx, h.waiter.rtt, new(error), read)
	}
	return nil
}

// took remembers how slow the BMC is; known says that nothing was repeated, or that the answer says which it answers.
func (h *handshake) took(since time.Time, known bool) {
	rtt := time.Since(since)
	if h.slowest = max(h.slowest, rtt); known {
		h.waiter.rtt = max(h.waiter.rtt, rtt)
	}
}

// opened takes in an Open Session response.
func (h *handshake) opened(p packet) error {
	answer, err := parseOpenSession(p.payload)
	switch {
	case err != nil:
		return err
	case answer.refuses(h.console):
		return &StatusError{StageOpen, answer.status}
	case answer.console != h.console:
		return errNotOurs
	case answer.algorithms != [3]byte{h.suite.authentication, h.suite.integrity, h.suite.confidentiality}:
		return fmt.Errorf("%w: asked for algorithms %d, %d, %d, the BMC answered %v", ErrSuite,
			h.suite.authentication, h.suite.integrity, h.suite.confidentiality, answer.algorithms)
	}
	h.managed = answer.managed
	return nil
}

// rakp1 names the user and has the BMC prove that it knows the password (sections 13.20 and 13.21). Nothing made with the
// password has left before that.
func (h *handshake) rakp1(ctx context.Context) error {
	_, _ = rand.Read(h.rm[:]) // never fails: crypto/rand
	request := binary.LittleEndian.AppendUint32([]byte{h.tag(), 0, 0, 0}, h.managed)
	request = append(request, h.rm[:]...)
	request = append(request, role, 0, 0, byte(len(h.user)))
	request = append(request, h.user...)
	h.client.await(h.waiter, fromRAKP2, h.console)
	return h.ask(ctx, payloadRAKP1, request, func(p packet) error {
		answer, err := parseRAKP2(p.payload, h.suite.hash().Size())
		switch {
		case err != nil:
			return err
		case answer.refuses(h.console):
			return &StatusError{StageRAKP1, answer.status}
		case answer.console != h.console:
			return errNotOurs
		}
		h.rc, h.guid = answer.random, answer.guid
		expected := h.suite.hmac(h.key, id(h.console), id(h.managed), h.rm[:], h.rc[:], h.guid[:], h.name())
		if !hmac.Equal(expected, answer.code) {
			return ErrPassword
		}
		return nil
	})
}

// rakp3 proves that we know the password, and has the BMC prove that it has the same keys (sections 13.22 and 13.23).
func (h *handshake) rakp3(ctx context.Context, s *Session) error {
	request := binary.LittleEndian.AppendUint32([]byte{h.tag(), 0, 0, 0}, h.managed)
	request = append(request, h.suite.hmac(h.key, h.rc[:], id(h.console), h.name())...)
	h.client.await(h.waiter, fromRAKP4, h.console)
	return h.ask(ctx, payloadRAKP3, request, func(p packet) error {
		payload, err := s.plainRAKP4(p)
		if err != nil {
			return err
		}
		answer, err := parseRAKP4(payload, h.suite.code)
		switch {
		case err != nil:
			return err
		case answer.refuses(h.console):
			return &StatusError{StageRAKP3, answer.status}
		case answer.console != h.console:
			return errNotOurs
		}
		if expected := h.suite.hmac(s.keys.sik, h.rm[:], id(h.managed), h.guid[:]); !hmac.Equal(expected[:h.suite.code], answer.code) {
			return fmt.Errorf("%w: integrity check value of RAKP 4", ErrForged)
		}
		return nil
	})
}

// session derives the session's keys (section 13.31); K[G] is K[UID] unless a BMC key was set, which we do not support.
func (h *handshake) session() *Session {
	sik := h.suite.hmac(h.key, h.rm[:], h.rc[:], h.name())
	return &Session{client: h.client, addr: h.waiter.addr, suite: h.suite, keys: h.suite.keys(sik), managed: h.managed, guid: h.guid}
}

func (h *handshake) tag() byte { return byte(h.waiter.id) }

// name is role, length and name of the user as all HMACs cover them.
func (h *handshake) name() []byte { return append([]byte{role, byte(len(h.user))}, h.user...) }

func id(session uint32) []byte { return binary.LittleEndian.AppendUint32(nil, session) }

// ask sends the same bytes each time, so that a BMC that got them twice sees one login. Only Open Session has another tag each
// time, which tells what its answer answers. Before it is repeated a question outside of any session is asked: pyghmi (1.5.34,
// so virtualbmc too) takes what comes from an address for its last session's until it has answered one.
func (h *handshake) ask(ctx context.Context, payloadType byte, payload []byte, read func(packet) error) error {
	h.sent = nil
	err := h.client.ask(ctx, h.waiter, func() []byte {
		if len(h.sent) > 0 {
			h.repeated = true
			if payloadType == payloadOpenRequest {
				h.askOutside(ctx)
				h.client.widen(h.waiter)
				payload[0]++
			}
		}
		h.sent = append(h.sent, time.Now())
		return plain20(payloadType, 0, 0, payload)
	}, read)
	if payloadType != payloadOpenRequest && len(h.sent) > 0 {
		h.took(h.sent[0], len(h.sent) == 1)
	}
	return err
}

func (h *handshake) askOutside(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, outsideWait)
	defer cancel()
	_, _ = h.client.Capabilities(ctx, h.waiter.addr) // whatever the answer: Open Session follows
}

const outsideWait = 300 * time.Millisecond
