package checks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"syscall"

	"lamplighter/checks/rmcp"
	"lamplighter/inventory"
)

// runIPMILogin proves that the BMC's account works over IPMI 2.0, in both directions: the BMC has proved that it knows the
// password, too.
func runIPMILogin(ctx context.Context, v *Visit) (Finding, error) {
	d := &ipmiDriver{visit: v}
	if err := v.logIn(ctx, d); err != nil {
		return Finding{}, v.sessionFault(ctx, IPMITimeout, nil, err)
	}
	return Finding{Facts: d.facts}, nil
}

// ipmiDriver is our RMCP+ client as a bmclib driver.
type ipmiDriver struct {
	visit   *Visit
	session *rmcp.Session
	facts   Facts
}

// Name is the driver's name in bmclib's registry.
func (d *ipmiDriver) Name() string { return "rmcp+" }

// Open logs in. What the BMC says of its make is a fact where it costs no datagram too many: not in a round in which the
// first suite was refused.
func (d *ipmiDriver) Open(ctx context.Context) error {
	v := d.visit
	order := rmcp.Suites(v.Known.Suite)
	addr := netip.AddrPortFrom(v.BMC.Address, v.BMC.RMCPPort())
	session, err := v.Wires.rmcp.Open(ctx, addr, rmcp.Login{
		Username: v.Login.Username, Password: v.Login.Password, Suites: order,
	})
	if err != nil {
		return ipmiFault(err)
	}
	d.session, v.Known.Suite = session, session.Suite()
	d.facts = Facts{"ipmi_version": "2.0", "cipher_suite": strconv.Itoa(int(session.Suite()))}
	if session.Suite() != order[0] {
		return nil
	}
	facts, err := makeOf(ctx, session)
	if err != nil {
		return ipmiFault(err)
	}
	d.facts = merge(d.facts, facts)
	return nil
}

// Close logs out.
func (d *ipmiDriver) Close(ctx context.Context) error {
	if d.session == nil {
		return nil
	}
	return d.session.Close(ctx)
}

// PowerStateGet asks for the chassis status.
func (d *ipmiDriver) PowerStateGet(ctx context.Context) (string, error) {
	if d.session == nil {
		return "unknown", fmt.Errorf("get the power state: %w", rmcp.ErrClosed)
	}
	status, err := d.session.ChassisStatus(ctx)
	switch {
	case err != nil:
		return "unknown", chassisFault(err)
	case status.PowerOn:
		return "on", nil
	}
	return "off", nil
}

// ipmiFaults says of each error of a login whose fault it is. The first that matches counts.
var ipmiFaults = []struct {
	err    error
	reason Reason
}{
	{rmcp.ErrPassword, AuthRejected},
	{rmcp.ErrSuite, IPMISuite},
	{rmcp.ErrTimeout, IPMITimeout},
	{rmcp.ErrRefused, IPMITimeout}, // closed or silent: IPMI over LAN is off either way
	{rmcp.ErrUnreachable, NetUnreachable},
	{rmcp.ErrMalformed, IPMIMalformed},
	{rmcp.ErrForged, IPMIMalformed},
}

// statusReasons are what a BMC's refusal means for the verdict.
var statusReasons = map[rmcp.Meaning]Reason{
	rmcp.NoSlots:       SessionLimit,
	rmcp.Transient:     IPMIMalformed,
	rmcp.NoPrivilege:   AuthPrivilege,
	rmcp.Rejected:      AuthRejected,
	rmcp.NoSuite:       IPMISuite,
	rmcp.Misunderstood: IPMIMalformed,
}

// ipmiFault blames the BMC for what is its fault; a credential that IPMI cannot express is ours.
func ipmiFault(err error) error {
	var status *rmcp.StatusError
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return Ours(SelfBlind, err) // our own kernel did not send it: what a router says comes without an errno
	case errors.Is(err, inventory.ErrForbidden):
		return Ours(SelfInventory, err)
	case errors.Is(err, rmcp.ErrCredential):
		return Ours(SelfNoCredential, err)
	case errors.Is(err, rmcp.ErrCrossed): // the BMC knew the password: this is no refusal of it
		return Blame(IPMIMalformed, err)
	case errors.As(err, &status):
		return Blame(statusReasons[status.Meaning()], err)
	}
	for _, f := range ipmiFaults {
		if errors.Is(err, f.err) {
			return Blame(f.reason, err)
		}
	}
	return err
}

// chassisFault is for a BMC that let us log in: whatever keeps it from answering now, the power state is what is missing.
// Answers that are not its own, or that nobody can read, are another matter.
func chassisFault(err error) error {
	var completion *rmcp.CompletionError
	switch {
	case errors.As(err, &completion) && completion.Code == rmcp.CodePrivilege:
		return Blame(AuthPrivilege, err)
	case foreign(err):
		return Blame(IPMIMalformed, err)
	case completion != nil:
		return Blame(PowerUnreadable, err)
	}
	for _, theirs := range []error{rmcp.ErrTimeout, rmcp.ErrRefused, rmcp.ErrUnreachable, rmcp.ErrShort} {
		if errors.Is(err, theirs) {
			return Blame(PowerUnreadable, err)
		}
	}
	return err
}

// foreign says whether all that came within a session was forged or unreadable.
func foreign(err error) bool {
	return errors.Is(err, rmcp.ErrForged) || errors.Is(err, rmcp.ErrMalformed) && !errors.Is(err, rmcp.ErrShort)
}
