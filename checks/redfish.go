package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"lamplighter/checks/guard"
)

// runRedfishLogin logs in over the visit's connection. The session stays open for power; Visit.Close ends it.
func runRedfishLogin(ctx context.Context, v *Visit) (Finding, error) {
	start := time.Now()
	root, err := v.serviceRoot(ctx)
	if err != nil {
		return Finding{}, err
	}
	facts := root.facts()
	d := newRedfishDriver(v, root)
	if err := v.logIn(ctx, d); err != nil {
		return Finding{}, v.sessionFault(ctx, APITimeout, facts, err)
	}
	v.Known.Systems = d.systems
	notes := d.notes
	if slow := v.Wires.Settings.Slow; slow > 0 && time.Since(start) > slow {
		notes = append(notes, APISlow)
	}
	return Finding{Facts: facts, Notes: notes}, nil
}

// sessionFault digs a driver's fault out of bmclib's error and adds the facts. What the BMC echoed of the login is removed.
func (v *Visit) sessionFault(ctx context.Context, timeout Reason, facts Facts, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	var fault *Fault
	switch {
	case errors.As(err, &fault):
		err = fault.Err
		if text := err.Error(); text != v.scrub(text) {
			err = errors.New(v.scrub(text))
		}
		return &Fault{Reason: fault.Reason, Err: err, Facts: merge(facts, fault.Facts)}
	case timedOut(err):
		return BlameWith(timeout, facts, err)
	}
	return err
}

func (v *Visit) scrub(text string) string { return v.Login.Password.Scrub(v.Login.Username, text) }

// redfishVisit is the visit's connection and what was learned on it.
type redfishVisit struct {
	conn *guard.Conn
	// record is a key that was seen for the first time under tofu.
	record string
	// root is the service root, read at most once a visit.
	root *serviceRoot
}

// serviceRoot asks for the service root, unless the visit has it already.
func (v *Visit) serviceRoot(ctx context.Context) (*serviceRoot, error) {
	state, err := v.connect(ctx)
	if err != nil {
		return nil, err
	}
	if state.Denied != nil {
		return nil, state.Denied
	}
	if v.redfish.root == nil {
		v.redfish.root, _, err = v.getRoot(ctx)
	}
	return v.redfish.root, err
}

// askServiceRoot finds out, without a login, whether the BMC speaks Redfish. answered says that it answered HTTP at all; err
// says why it did not. What it read and the connection stay for tls and redfish-login.
func (v *Visit) askServiceRoot(ctx context.Context) (isRedfish, answered bool, err error) {
	if _, err := v.connect(ctx); err != nil {
		return false, false, err
	}
	root, status, err := v.getRoot(ctx)
	switch {
	case err == nil:
		v.redfish.root = root
		return true, true, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return false, false, ctx.Err()
	case status == 0: // a redirect is a web page's answer all the same
		return false, errors.Is(err, guard.ErrRedirect), err
	}
	// A BMC that is starting or wants a login even for its root says so in Redfish's words. A web server that has trouble proves
	// nothing about what it is.
	spoken := len(parseProblem(v.redfish.conn.Last().Body).Messages) > 0
	return spoken, spoken || status < 500, nil
}

// getRoot asks for the service root anonymously; status is 0 when there was no answer. A redirect is not followed, but the
// other spelling of the same resource is tried.
func (v *Visit) getRoot(ctx context.Context) (root *serviceRoot, status int, err error) {
	root, status, err = v.getRootAt(ctx, guard.Root)
	if errors.Is(err, guard.ErrRedirect) {
		if root, status, err := v.getRootAt(ctx, guard.OtherRoot); err == nil {
			return root, status, nil
		}
	}
	return root, status, err
}

func (v *Visit) getRootAt(ctx context.Context, path string) (root *serviceRoot, status int, err error) {
	conn := v.redfish.conn
	defer func() {
		if err != nil {
			err = attempted("get "+conn.Endpoint()+path, err)
		}
	}()
	resp, err := get(ctx, conn.Client(), conn.Endpoint()+path)
	if err != nil {
		return nil, 0, blameRequest(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != 200 {
		return nil, resp.StatusCode, refusal(askRoot, conn.Last())
	}
	root, err = parseRoot(guard.Bytes(resp))
	return root, resp.StatusCode, err
}

// blameRequest tells why a request got no answer that could be read.
func blameRequest(ctx context.Context, err error) error {
	var fault *Fault
	var dial *guard.DialError
	var handshake *guard.HandshakeError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.As(err, &fault):
		return err
	case errors.As(err, &dial), errors.As(err, &handshake):
		return blameConnect(ctx, err)
	case timedOut(err), ctx.Err() != nil:
		return Blame(APITimeout, err)
	case alerted(err):
		return Blame(TLSHandshake, bounded(err))
	}
	for _, nonsense := range []error{guard.ErrTooBig, guard.ErrTooDeep, guard.ErrEncoded, guard.ErrRedirect, guard.ErrMalformed, guard.ErrLink} {
		if errors.Is(err, nonsense) {
			return Blame(APIMalformed, bounded(err))
		}
	}
	return Blame(APIError, bounded(err))
}

// alerted says whether the BMC ended TLS itself. In TLS 1.3 what it did not like about the handshake, such as that we show no
// certificate, comes only after it.
func alerted(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "remote error"
}

// attempted says in an error what was attempted; the fault in it stays what it is.
func attempted(what string, err error) error {
	var fault *Fault
	if !errors.As(err, &fault) {
		return err
	}
	return &Fault{Reason: fault.Reason, Err: fmt.Errorf("%s: %w", what, fault.Err), Facts: fault.Facts}
}
