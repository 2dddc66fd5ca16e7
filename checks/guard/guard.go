// Package guard is the HTTP transport that hostile BMCs meet: one connection to one address, nothing else.
//
// The tls check opens a Conn, redfish-login and power ask through it (as bmclib's and gofish's http.RoundTripper). Wherever a
// link, a redirect or a library wants to go, bytes only ever flow to the address that the Conn was made for, and no
// credential flows before the policy has passed the peer's key.
package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// Root is the path of the service root (Redfish DSP0266 section 6.2), the one resource that is asked without a login.
const Root = "/redfish/v1/"

// OtherRoot is how else it is spelt. Some web servers redirect from one spelling to the other.
const OtherRoot = "/redfish/v1"

// UserAgent is how we introduce ourselves to a BMC's log.
const UserAgent = "lamplighter"

// Errors of a Conn; all of them are the BMC's doing.
var (
	ErrTooBig    = errors.New("the answer is too big")
	ErrTooDeep   = errors.New("the answer's JSON is nested too deep")
	ErrEncoded   = errors.New("the answer is compressed, although we did not offer that")
	ErrRedirect  = errors.New("the answer is a redirect, which is not followed")
	ErrMalformed = errors.New("the answer is not HTTP")
	ErrLink      = errors.New("the link is refused")
)

// Policy decides from a handshake whether the peer may get a login. It is called at each handshake, never concurrently.
type Policy func(tls.ConnectionState) error

// Answer is what is remembered of the last answer.
type Answer struct {
	Status int
	// RetryAfter is at most an hour; 0 when the BMC named none.
	RetryAfter time.Duration
	// Body is the beginning of an error's body, enough for any message in it.
	Body []byte
}

// Conn is a transport to one BMC. Its methods may be called concurrently; requests go one after the other.
type Conn struct {
	addr   netip.AddrPort
	policy Policy
	// Control, if set, is asked about the address before each connection is made, as a net.Dialer's.
	Control func(ctx context.Context, network, address string, socket syscall.RawConn) error

	busy   chan struct{} // holds a token while somebody works with the fields below
	wire   *wire
	state  State
	last   Answer
	closed bool

	requests, handshakes atomic.Int64
}

// New makes a Conn to addr that starts with profile. It sends nothing.
func New(addr netip.AddrPort, profile Profile, policy Policy) *Conn {
	return &Conn{addr: addr, policy: policy, state: State{Profile: profile}, busy: make(chan struct{}, 1)}
}

// Endpoint is the URL under which http.Client asks this Conn.
func (c *Conn) Endpoint() string { return "https://" + c.addr.String() }

// Client is an http.Client over this Conn. It follows no redirect and keeps no cookie.
func (c *Conn) Client() *http.Client { return &http.Client{Transport: c} }

// Requests is how many requests were sent so far, Handshakes how many TLS handshakes were begun.
func (c *Conn) Requests() int64 { return c.requests.Load() }

// Handshakes is how many TLS handshakes were begun so far.
func (c *Conn) Handshakes() int64 { return c.handshakes.Load() }

// Last is the last answer; the zero Answer when the last request got none.
func (c *Conn) Last() Answer {
	c.busy <- struct{}{}
	defer c.release()
	return c.last
}

// Close hangs up, once a running request has ended. Later requests fail.
func (c *Conn) Close() error {
	c.busy <- struct{}{}
	defer c.release()
	c.closed = true
	c.hangUp()
	return nil
}

func (c *Conn) acquire(ctx context.Context) error {
	select {
	case c.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.closed {
		c.release()
		return net.ErrClosed
	}
	return nil
}

func (c *Conn) release() { <-c.busy }

func (c *Conn) hangUp() {
	if c.wire != nil {
		c.wire.close()
		c.wire = nil
	}
}

// RoundTrip sends req, whatever host its URL names, to the Conn's address or refuses it. It ends when req's context does. The
// body that it returns has been read whole; it must be closed, as always.
func (c *Conn) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if err := c.permit(req); err != nil {
		return nil, err
	}
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	defer c.release()
	c.last = Answer{}
	resp, err := c.ask(ctx, req)
	if err != nil {
		c.hangUp()
		return nil, fmt.Errorf("%s %s: %w", req.Method, c.Endpoint()+req.URL.RequestURI(), err)
	}
	return resp, nil
}

// permit refuses what a hostile link can make of a request.
func (c *Conn) permit(req *http.Request) error {
	u := req.URL
	if u.Scheme != "https" || u.Host != c.addr.String() || u.User != nil || req.Host != "" && req.Host != u.Host {
		return fmt.Errorf("%w: %s is not at %s", ErrLink, clip(u.Redacted()), c.Endpoint())
	}
	return CheckLink(u.RequestURI())
}

// ask sends req on the connection that there is, else on a new one. A connection that the BMC closed meanwhile is replaced
// once for requests that may be repeated (iLO 5 hangs up after a login, python-redfish-library#64).
func (c *Conn) ask(ctx context.Context, req *http.Request) (*http.Response, error) {
	if c.wire != nil && c.wire.stale() {
		c.hangUp()
	}
	reused := c.wire != nil && c.wire.used
	resp, err := c.askOnce(ctx, req)
	repeatable := req.Method == http.MethodGet || req.Method == http.MethodDelete
	if err != nil && reused && repeatable && hungUp(err) && ctx.Err() == nil {
		c.hangUp()
		return c.askOnce(ctx, req)
	}
	return resp, err
}

func (c *Conn) askOnce(ctx context.Context, req *http.Request) (*http.Response, error) {
	if err := c.dial(ctx); err != nil {
		return nil, err
	}
	if c.state.Denied != nil && !anonymousRoot(req) {
		return nil, c.state.Denied
	}
	c.requests.Add(1)
	resp, err := c.wire.exchange(ctx, req)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return c.receive(ctx, resp)
}

// receive reads the whole answer, so that the connection can be used again.
func (c *Conn) receive(ctx context.Context, resp *http.Response) (*http.Response, error) {
	stop := c.wire.endWith(ctx)
	body, release, err := readBody(ctx, resp)
	if alive := stop(); !alive {
		release()
		return nil, ctx.Err()
	}
	if err != nil {
		release()
		return nil, err
	}
	if resp.Close {
		c.hangUp()
	}
	resp.Body = &heldBody{body: body, release: release}
	resp.ContentLength = int64(len(body))
	c.last = Answer{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	if resp.StatusCode >= 400 {
		c.last.Body = append([]byte(nil), body[:min(len(body), freeBody)]...)
	}
	return resp, nil
}

// anonymousRoot says whether req is the one question that is asked before the policy has passed.
func anonymousRoot(req *http.Request) bool {
	h, path := req.Header, req.URL.RequestURI()
	return req.Method == http.MethodGet && (path == Root || path == OtherRoot) && (req.Body == nil || req.Body == http.NoBody) &&
		h.Get("Authorization") == "" && h.Get("X-Auth-Token") == "" && h.Get("Cookie") == ""
}

// hungUp says whether the BMC closed the connection without an answer.
func hungUp(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) && !network.Timeout()
}
