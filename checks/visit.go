package checks

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/bmc-toolbox/bmclib/v2"
	"github.com/bmc-toolbox/bmclib/v2/providers"
	"github.com/jacobweinstock/registrar"

	"lamplighter/inventory"
)

// Known is what earlier rounds learned about a BMC and this round may rely on. The satellite keeps it in site memory.
type Known struct {
	// Protocol is what a BMC on auto speaks; empty when not found out yet.
	Protocol inventory.Protocol `json:"protocol,omitempty"`
	// TLSProfile is the profile of the last handshake that worked: "strict", "lenient" or empty.
	TLSProfile string `json:"tls_profile,omitempty"`
	// Pin is the public key recorded under tofu: hex SHA-256 of the SubjectPublicKeyInfo.
	Pin string `json:"pin,omitempty"`
	// Systems are the Redfish paths of the systems behind the BMC.
	Systems []string `json:"systems,omitempty"`
	// Suite is the IPMI cipher suite of the last login that worked; 0 when not known.
	Suite uint8 `json:"suite,omitempty"`
}

// Visit is a round's live dealings with one BMC: the TLS connection and the session that one check opens and the next uses,
// so that a round costs one handshake and one login. One actor at a time uses it.
type Visit struct {
	BMC   inventory.BMC
	Trust inventory.Trust
	// Login is set by whoever obeys the login rule, right before a check that logs in.
	Login inventory.Credentials
	// Known is read and improved by the checks; the actor keeps it after each check.
	Known Known
	Wires *Wires

	session *session
	closers []func(context.Context) error
	redfish redfishVisit
}

// Close logs out and hangs up. It is safe to call twice, after a panic, and with any visit; ctx must be one of its own, not
// the round's, so that the logout also goes out when the round was cancelled.
func (v *Visit) Close(ctx context.Context) error {
	closers := v.closers
	v.closers, v.session = nil, nil
	var errs []error
	for i := len(closers) - 1; i >= 0; i-- {
		errs = append(errs, closers[i](ctx))
	}
	return errors.Join(errs...)
}

// onClose has f called by Close, last first.
func (v *Visit) onClose(f func(context.Context) error) { v.closers = append(v.closers, f) }

// driver is a bmclib driver of ours. Pointer types only: bmclib compares drivers with ==.
type driver interface {
	Name() string
	Open(ctx context.Context) error
	Close(ctx context.Context) error
	// PowerStateGet returns on, off, poweringon, poweringoff, unknown or mixed; unknown comes with an error that says why.
	PowerStateGet(ctx context.Context) (string, error)
}

// session is a BMC that a login check has logged in to; power asks through it.
type session struct {
	client *bmclib.Client
	driver driver
}

// logIn opens d through bmclib, alone in a registry of its own: bmclib's default registry would log in up to six times at
// once (facts: bmclib v2.3.5 connection.go). Close logs out, also when the login failed half-way.
func (v *Visit) logIn(ctx context.Context, d driver) error {
	registry := registrar.NewRegistry()
	registry.Register(d.Name(), string(v.BMC.Protocol), registrar.Features{providers.FeaturePowerState}, nil, d)
	client := bmclib.NewClient(v.BMC.Address.String(), v.Login.Username, "", bmclib.WithRegistry(registry))
	v.session = &session{client: client, driver: d}
	v.onClose(d.Close)
	if err := client.Open(ctx); err != nil {
		v.session = nil
		if fault := new(Fault); errors.As(err, &fault) {
			return fault // bmclib's wrapping adds lines, not knowledge
		}
		return fmt.Errorf("log in to %s by %s: %w", v.BMC.Address, d.Name(), err)
	}
	return nil
}

// bmclib dumps all HTTP, passwords included, to stdout when this is set.
func init() { _ = os.Unsetenv("DEBUG_BMCLIB") }
