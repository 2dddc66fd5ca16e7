package checks

import (
	"context"
	"net/netip"
	"sync"

	"lamplighter/inventory"
)

// Stranger is what answers at an address, as far as it says so to somebody who does not log in.
type Stranger struct {
	// Redfish and IPMI say which of the two it speaks; IPMI that it is 2.0.
	Redfish, IPMI bool
	// Vendor, Product and Version are what its Redfish service calls itself.
	Vendor, Product, Version string
}

// Answers says whether it is a BMC, as far as one can tell.
func (s Stranger) Answers() bool { return s.Redfish || s.IPMI }

// Knock asks for the Redfish service root and for IPMI capabilities, and never logs in. ctx has to have a deadline. The error is of our
// own, such as an address that is outside of the targets (inventory.ErrForbidden); silence is none.
func (w *Wires) Knock(ctx context.Context, bmc inventory.BMC) (s Stranger, err error) {
	rmcpAt := netip.AddrPortFrom(bmc.Address, bmc.RMCPPort())
	for _, to := range []netip.AddrPort{netip.AddrPortFrom(bmc.Address, bmc.RedfishPort()), rmcpAt} {
		if err := w.Settings.Targets.Dial(to); err != nil {
			return s, err
		}
	}
	v := w.Visit(bmc, Known{})
	var asking sync.WaitGroup
	asking.Go(func() {
		s.Redfish, _, _ = v.askServiceRoot(ctx)
		if root := v.redfish.root; root != nil {
			s.Vendor, s.Product, s.Version = string(root.Vendor), string(root.Product), string(root.RedfishVersion)
		}
	})
	ipmi20 := false
	asking.Go(func() {
		caps, err := w.rmcp.Capabilities(ctx, rmcpAt)
		ipmi20 = err == nil && caps.IPMI20
	})
	asking.Wait()
	s.IPMI = ipmi20
	_ = v.Close(context.WithoutCancel(ctx)) // nobody logged in: it only hangs up
	return s, nil
}
