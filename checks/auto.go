package checks

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"lamplighter/checks/rmcp"
	"lamplighter/inventory"
)

// root is what asking for the Redfish service root told.
type root struct {
	done              bool
	redfish, answered bool
}

// ipmi is what asking for IPMI capabilities told.
type ipmi struct {
	done   bool
	ipmi20 bool
}

// decide says which protocol a BMC on auto speaks this round, whether that is proven, so that it may be remembered, and
// whether no further answer could change it.
//
// IPMI is proven only where something else than Redfish answered on the web port: a Redfish BMC whose web service hangs
// while a satellite starts must not be taken for an IPMI one for ever.
func decide(r root, i ipmi) (p inventory.Protocol, proven, final bool) {
	switch {
	case r.redfish:
		return inventory.Redfish, true, true
	case i.ipmi20:
		return inventory.IPMI, r.answered, r.done
	}
	return inventory.Redfish, false, r.done && i.done
}

// findProtocol is the protocol that v's BMC speaks. On auto, when no earlier round found it out, it asks unauthenticated
// questions; a refused login never changes it. caps is what ping heard already, nil for nothing: a BMC is not asked the same
// twice. Its only error is that ctx was cancelled.
func (v *Visit) findProtocol(ctx context.Context, caps *rmcp.Capabilities) (inventory.Protocol, error) {
	if v.BMC.Protocol != inventory.Auto {
		return v.BMC.Protocol, nil
	}
	if v.Known.Protocol != "" {
		return v.Known.Protocol, nil
	}
	addr := netip.AddrPortFrom(v.BMC.Address, v.BMC.RMCPPort())
	protocol, proven := discover(ctx, v.askServiceRoot, func(ctx context.Context) (rmcp.Capabilities, error) {
		if caps != nil {
			return *caps, nil
		}
		return v.Wires.rmcp.Capabilities(ctx, addr)
	})
	if errors.Is(ctx.Err(), context.Canceled) {
		return protocol, ctx.Err()
	}
	if proven {
		v.Known.Protocol = protocol
	}
	return protocol, nil
}

// discover asks both questions at once, until their answers are final or ctx is about to end. Both have ended on return.
func discover(ctx context.Context, askRoot func(context.Context) (isRedfish, answered bool, err error),
	askIPMI func(context.Context) (rmcp.Capabilities, error)) (p inventory.Protocol, proven bool) {
	ctx, cancel := shortened(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()

	roots, ipmis := make(chan root, 1), make(chan ipmi, 1)
	asking.Go(func() {
		isRedfish, answered, _ := askRoot(ctx)
		roots <- root{done: true, redfish: isRedfish, answered: answered}
	})
	asking.Go(func() {
		caps, err := askIPMI(ctx)
		ipmis <- ipmi{done: true, ipmi20: err == nil && caps.IPMI20}
	})
	var r root
	var i ipmi
	for {
		p, proven, final := decide(r, i)
		if final {
			return p, proven
		}
		select {
		case r = <-roots:
		case i = <-ipmis:
		}
	}
}

// shortened leaves a sixth of the time to ctx's deadline (of 3 s: half a second), so that a silent protocol does not make a
// ping late that was answered.
func shortened(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/6))
}
