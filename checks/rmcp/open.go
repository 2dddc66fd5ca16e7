package rmcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"lamplighter/inventory"
)

// The longest credentials that IPMI 2.0 can express (sections 22.28 and 22.30).
const (
	maxUsername = 16
	maxPassword = 20
)

// Login is what Open logs in with.
type Login struct {
	Username string
	Password inventory.Secret
	// Suites are the cipher suites to try, in order; nil: Suites(0).
	Suites []uint8
}

func (l Login) check() error {
	switch n := len(l.Password.Reveal()); {
	case len(l.Username) > maxUsername:
		return fmt.Errorf("%w: the user name has %d bytes, at most %d are possible", ErrCredential, len(l.Username), maxUsername)
	case n > maxPassword:
		return fmt.Errorf("%w: the password has %d bytes, at most %d are possible", ErrCredential, n, maxPassword)
	case n == 0:
		return fmt.Errorf("%w: the password is empty", ErrCredential)
	}
	return nil
}

// Open logs in. The next suite is tried only when the BMC refused the one before, before any password was used; a refusal of
// user or password is never tried again. When it fails, the BMC was told to forget whatever it had begun.
func (c *Client) Open(ctx context.Context, addr netip.AddrPort, login Login) (*Session, error) {
	err := login.check()
	if err != nil {
		return nil, err
	}
	if login.Suites == nil {
		login.Suites = Suites(0)
	}
	var refused []error
	var rtt time.Duration
	for _, id := range login.Suites {
		chosen, ok := suiteByID(id)
		if !ok {
			refused = append(refused, fmt.Errorf("%w: we do not speak suite %d", ErrSuite, id))
			continue
		}
		var session *Session
		session, rtt, err = c.openTwice(ctx, addr, login, chosen, rtt)
		if !errors.Is(err, ErrSuite) {
			return session, wrap(err, "log in to %s as %q with cipher suite %d", addr, login.Username, id)
		}
		refused = append(refused, fmt.Errorf("cipher suite %d: %w", id, err))
	}
	return nil, wrap(&noSuite{refused}, "log in to %s as %q", addr, login.Username)
}

// noSuite is one refusal per suite that was tried.
type noSuite struct{ refused []error }

func (e *noSuite) Error() string {
	texts := make([]string, len(e.refused))
	for i, err := range e.refused {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (e *noSuite) Unwrap() []error { return append(e.refused, ErrSuite) }

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// openTwice begins anew, once, when the BMC lost the half-open session (Supermicro, ipmitool#154), or when a datagram that
// we repeated crossed its late answer.
func (c *Client) openTwice(ctx context.Context, addr netip.AddrPort, login Login, s suite, rtt time.Duration) (*Session, time.Duration, error) {
	session, rtt, err := c.open(ctx, addr, login, s, rtt)
	var status *StatusError
	if errors.Is(err, ErrCrossed) || errors.As(err, &status) && status.Meaning() == Transient {
		return c.open(ctx, addr, login, s, rtt)
	}
	return session, rtt, err
}
