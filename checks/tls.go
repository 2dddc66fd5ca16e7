package checks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"lamplighter/checks/guard"
	"lamplighter/inventory"
)

// runTLS connects as strictly as the BMC can and judges its certificate. The visit keeps the connection, on which the login
// goes out only if the certificate passed.
func runTLS(ctx context.Context, v *Visit) (Finding, error) {
	state, err := v.connect(ctx)
	if err != nil {
		return Finding{}, err
	}
	facts := tlsFacts(state)
	if state.Denied != nil {
		fault := FaultOf(state.Denied)
		return Finding{}, &Fault{Reason: fault.Reason, Err: fault.Err, Facts: facts}
	}
	return Finding{Facts: facts, Notes: tlsNotes(v.Trust.Mode, state, time.Now(), v.Wires.Settings.ExpirySoon)}, nil
}

// connect makes the visit's connection or returns that which a check before made. A certificate that the policy refuses is no
// error here, it is in the State; the connection itself then carries nothing but the anonymous service root.
func (v *Visit) connect(ctx context.Context) (guard.State, error) {
	if v.redfish.conn == nil {
		v.openConn()
	}
	state, err := v.redfish.conn.Connect(ctx)
	if err != nil {
		return guard.State{}, blameConnect(ctx, err)
	}
	v.Known.TLSProfile = string(state.Profile)
	if v.redfish.record != "" {
		v.Known.Pin = v.redfish.record
	}
	return state, nil
}

func (v *Visit) openConn() {
	addr := netip.AddrPortFrom(v.BMC.Address, v.BMC.RedfishPort())
	conn := guard.New(addr, guard.Profile(v.Known.TLSProfile), v.certificatePolicy())
	conn.Control = v.Wires.Settings.Targets.Control
	v.redfish.conn = conn
	v.onClose(func(context.Context) error {
		v.redfish = redfishVisit{}
		return conn.Close()
	})
}

// blameConnect tells why there is no connection, and whose fault that is.
func blameConnect(ctx context.Context, err error) error {
	var dial *guard.DialError
	var handshake *guard.HandshakeError
	timeout := timedOut(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case errors.As(err, &handshake) && timeout:
		return Blame(TLSTimeout, err)
	case errors.As(err, &handshake):
		return Blame(TLSHandshake, bounded(err))
	case errors.As(err, &dial):
		return blameDial(err)
	case timeout:
		return Blame(NetTimeout, err)
	}
	return err
}

func blameDial(err error) error {
	for errno, reason := range map[error]Reason{
		syscall.ECONNREFUSED: NetRefused, syscall.ECONNRESET: NetRefused,
		syscall.EHOSTUNREACH: NetUnreachable, syscall.ENETUNREACH: NetUnreachable,
		syscall.EHOSTDOWN: NetUnreachable, syscall.ENONET: NetUnreachable,
		syscall.ETIMEDOUT: NetTimeout,
	} {
		if errors.Is(err, errno) {
			return Blame(reason, err)
		}
	}
	if errors.Is(err, inventory.ErrForbidden) {
		return Ours(SelfInventory, err)
	}
	if timedOut(err) {
		return Blame(NetTimeout, err)
	}
	return Ours(SelfError, err) // no socket, no local address, no permission
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}

// bounded keeps a BMC's words in an error short and printable.
func bounded(err error) error {
	if text := err.Error(); text != printable(text) {
		return fmt.Errorf("%s", printable(text))
	}
	return err
}
