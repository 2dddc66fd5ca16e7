package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
)

// Profile is how much a handshake asks of the BMC.
type Profile string

// The profiles. Strict is TLS 1.2 or later with Go's secure cipher suites; Lenient is whatever Go can speak at all.
const (
	Strict  Profile = "strict"
	Lenient Profile = "lenient"
)

// State is what the last handshake brought.
type State struct {
	TLS     tls.ConnectionState
	Profile Profile
	// Denied is the policy's error. While it stands only the anonymous service root is asked.
	Denied error
}

// DialError says that the TCP connection could not be made.
type DialError struct{ Err error }

func (e *DialError) Error() string { return e.Err.Error() }
func (e *DialError) Unwrap() error { return e.Err }

// HandshakeError says that the TCP connection was made, but no TLS on it.
type HandshakeError struct{ Err error }

func (e *HandshakeError) Error() string { return e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }

// Connect makes the connection, if there is none, and says what its handshake brought.
func (c *Conn) Connect(ctx context.Context) (State, error) {
	if err := c.acquire(ctx); err != nil {
		return State{}, err
	}
	defer c.release()
	if err := c.dial(ctx); err != nil {
		return State{}, err
	}
	return c.state, nil
}

// dial tries the profile that worked before and, when the BMC refuses that, the other one on a new TCP connection. Silence
// and closed ports are not tried twice.
func (c *Conn) dial(ctx context.Context) error {
	if c.wire != nil {
		return nil
	}
	profile := c.state.Profile
	if profile != Lenient {
		profile = Strict
	}
	conn, tcp, err := c.handshake(ctx, profile)
	var handshake *HandshakeError
	if errors.As(err, &handshake) && !timedOut(err) && ctx.Err() == nil && profile == Strict {
		profile = Lenient
		var lenient error
		if conn, tcp, lenient = c.handshake(ctx, profile); lenient != nil {
			err = fmt.Errorf("strict: %w; lenient: %w", err, lenient)
		} else {
			err = nil
		}
	} else if err == nil && profile == Lenient && Modern(conn.ConnectionState()) {
		profile = Strict // the firmware was updated since: the strict hello would have come to the same
	}
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.addr, err)
	}
	c.wire = newWire(conn, tcp)
	state := conn.ConnectionState()
	c.state = State{TLS: state, Profile: profile, Denied: c.policy(state)}
	return nil
}

func (c *Conn) handshake(ctx context.Context, profile Profile) (*tls.Conn, net.Conn, error) {
	dialer := net.Dialer{ControlContext: c.Control}
	tcp, err := dialer.DialContext(ctx, "tcp", c.addr.String())
	if err != nil {
		return nil, nil, &DialError{err}
	}
	c.handshakes.Add(1)
	conn := tls.Client(tcp, config(profile))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = tcp.Close()
		return nil, nil, &HandshakeError{fmt.Errorf("TLS handshake: %w", err)}
	}
	return conn, tcp, nil
}

// config keeps the hello within one packet: classic curves only, since post-quantum shares alone take 1.2 KiB, which old
// BMC stacks may hang on. Go verifies nothing; the Conn's policy does.
func config(profile Profile) *tls.Config {
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		CurvePreferences:   []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true,
	}
	if profile == Lenient {
		cfg.MinVersion = tls.VersionTLS10
		for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
			cfg.CipherSuites = append(cfg.CipherSuites, suite.ID)
		}
	}
	return cfg
}

// Modern says whether the strict profile allows what was agreed on.
func Modern(s tls.ConnectionState) bool {
	if s.Version < tls.VersionTLS12 {
		return false
	}
	for _, suite := range tls.CipherSuites() {
		if suite.ID == s.CipherSuite {
			return true
		}
	}
	return false
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}
