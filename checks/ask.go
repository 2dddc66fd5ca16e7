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

	"lamplighter/checks/icmp"
	"lamplighter/checks/rmcp"
	"lamplighter/inventory"
)

const icmpNotPermitted = "not permitted"

// anchorPort is the TCP port of an anchor that is asked where ICMP is not permitted; a reset answers as well.
const anchorPort = 443

// Ask asks once whether somebody is there: a BMC in the ways that ping asks it, an anchor (bmc is nil) by ICMP. It serves
// Sight.
func (w *Wires) Ask(ctx context.Context, addr netip.Addr, bmc *inventory.BMC) error {
	questions := []question{w.askICMP(addr, nil)} // an anchor is where the configuration says
	switch {
	case bmc != nil:
		ways, err := waysOf(*bmc, w.Settings.Ways)
		if err != nil {
			return err
		}
		questions = w.questions(*bmc, ways)
	case w.icmpMode(addr) == icmpNotPermitted:
		questions = []question{askTCP(netip.AddrPortFrom(addr, anchorPort), nil)}
	}
	if _, err := race(ctx, questions); err != nil {
		return fmt.Errorf("ask %s whether it is there: %w", addr, err)
	}
	return nil
}

// questions are the questions that ping asks bmc, one for each way.
func (w *Wires) questions(bmc inventory.BMC, ways []Way) (questions []question) {
	asked, targets := map[Way]bool{}, w.Settings.Targets
	for _, way := range ways {
		if asked[way] {
			continue
		}
		asked[way] = true
		switch way {
		case WayICMP:
			questions = append(questions, w.askICMP(bmc.Address, targets))
		case WayTCP:
			questions = append(questions, askTCP(netip.AddrPortFrom(bmc.Address, bmc.RedfishPort()), targets))
		case WayRMCP:
			questions = append(questions, askRMCP(w.rmcp.Capabilities, netip.AddrPortFrom(bmc.Address, bmc.RMCPPort())))
		}
	}
	return questions
}

func (w *Wires) icmpMode(addr netip.Addr) string {
	if mode := w.echo.Mode(addr); mode != "" {
		return mode
	}
	return icmpNotPermitted
}

func (w *Wires) askICMP(addr netip.Addr, within *inventory.Targets) question {
	return question{WayICMP, func(ctx context.Context) (heard, error) {
		if err := within.Dial(netip.AddrPortFrom(addr, 0)); err != nil {
			return heard{}, silent(err)
		}
		reply, err := w.echo.Echo(ctx, addr)
		switch {
		case errors.Is(err, icmp.ErrNotPermitted):
			err = fmt.Errorf("%w: %w", errNotAsked, err)
		case errors.Is(err, icmp.ErrUnreachable):
			err = fmt.Errorf("%w: %w", errUnreachable, err)
		}
		return heard{string(WayICMP), reply.RTT, nil}, silent(err)
	}}
}

// askTCP connects and hangs up. A reset (connection refused) is an answer too: the host is there.
func askTCP(addr netip.AddrPort, within *inventory.Targets) question {
	return question{WayTCP, func(ctx context.Context) (heard, error) {
		start := time.Now()
		conn, err := (&net.Dialer{ControlContext: within.Control}).DialContext(ctx, "tcp", addr.String())
		rtt := time.Since(start)
		if err == nil {
			_ = conn.Close()
			return heard{string(WayTCP), rtt, nil}, nil
		}
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
			return heard{"tcp-reset", rtt, nil}, nil
		}
		return heard{}, silent(err)
	}}
}

// capabilities is (*rmcp.Client).Capabilities.
type capabilities func(ctx context.Context, addr netip.AddrPort) (rmcp.Capabilities, error)

// askRMCP asks for IPMI capabilities. A closed port is no answer: a firewall says the same of any address behind it.
func askRMCP(ask capabilities, addr netip.AddrPort) question {
	return question{WayRMCP, func(ctx context.Context) (heard, error) {
		start := time.Now()
		caps, err := ask(ctx, addr)
		rtt := time.Since(start)
		for _, none := range []error{rmcp.ErrTimeout, rmcp.ErrRefused, rmcp.ErrMalformed, rmcp.ErrForged} {
			if errors.Is(err, none) {
				err = fmt.Errorf("%w: %w", errSilent, err)
			}
		}
		if errors.Is(err, rmcp.ErrUnreachable) {
			err = fmt.Errorf("%w: %w", errUnreachable, err)
		}
		return heard{string(WayRMCP), rtt, &caps}, silent(err)
	}}
}

// silent sorts what a socket said; what it does not know stays as it is, a fault of this machine.
func silent(err error) error {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil, errors.Is(err, errNotAsked), errors.Is(err, errUnreachable), errors.Is(err, errSilent):
		return err
	case errors.Is(err, inventory.ErrForbidden):
		return fmt.Errorf("%w: %w", errNotAsked, err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN),
		errors.Is(err, syscall.EHOSTDOWN):
		return fmt.Errorf("%w: %w", errUnreachable, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return err
}
