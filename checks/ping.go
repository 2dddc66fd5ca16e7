package checks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"lamplighter/checks/rmcp"
	"lamplighter/inventory"
)

// The facts of ping.
const (
	// FactAnswered is how the BMC answered: icmp, tcp, tcp-reset or rmcp.
	FactAnswered = "answered"
	// FactRTT is how long that took, in microseconds.
	FactRTT = "rtt_us"
	// FactICMP is how ICMP was asked: raw, unprivileged or not permitted; absent when it is not one of the ways.
	FactICMP = "icmp"
)

func runPing(ctx context.Context, v *Visit) (Finding, error) {
	ways, err := waysOf(v.BMC, v.Wires.Settings.Ways)
	if err != nil {
		return Finding{}, Ours(SelfInventory, err)
	}
	if err := v.Wires.Settings.Targets.Allow(v.BMC); err != nil {
		return Finding{}, Ours(SelfInventory, err)
	}
	facts := Facts{}
	if slices.Contains(ways, WayICMP) {
		facts[FactICMP] = v.Wires.icmpMode(v.BMC.Address)
	}
	answer, err := race(ctx, v.Wires.questions(v.BMC, ways))
	if err != nil {
		return Finding{Facts: facts}, pingFault(ctx, v.BMC.Address, facts, err)
	}
	facts[FactAnswered] = answer.how
	facts[FactRTT] = strconv.FormatInt(answer.rtt.Microseconds(), 10)
	protocol, err := v.findProtocol(ctx, answer.caps)
	facts[FactProtocol] = string(protocol)
	return Finding{Facts: facts}, err
}

// waysOf are the ways in which bmc is asked: its label's, else those of the settings.
func waysOf(bmc inventory.BMC, settings []Way) ([]Way, error) {
	label := bmc.Labels[WaysLabel]
	if label == "" {
		return settings, nil
	}
	var ways []Way
	for word := range strings.SplitSeq(label, "+") {
		way := Way(strings.TrimSpace(word))
		if way != WayICMP && way != WayTCP && way != WayRMCP {
			return nil, fmt.Errorf("label %s of BMC %s: %q: want icmp, tcp and rmcp or a part of them, joined by +", WaysLabel, bmc.ID, label)
		}
		ways = append(ways, way)
	}
	return ways, nil
}

// heard is how a question was answered.
type heard struct {
	how string
	rtt time.Duration
	// caps is what the answer to the RMCP question said; nil where another way was answered first.
	caps *rmcp.Capabilities
}

// question asks one way. The error says errUnreachable, errSilent or errNotAsked, or is a fault of this machine.
type question struct {
	way Way
	ask func(ctx context.Context) (heard, error)
}

// What an unanswered question tells.
var (
	errSilent      = errors.New("no answer")
	errUnreachable = errors.New("unreachable")
	errNotAsked    = errors.New("not asked")
)

// silence is why nobody answered: one error for each question.
type silence map[Way]error

func (s silence) Error() string {
	var parts []string
	for _, way := range []Way{WayICMP, WayTCP, WayRMCP} {
		if err := s[way]; err != nil {
			parts = append(parts, fmt.Sprintf("%s: %v", way, err))
		}
	}
	return strings.Join(parts, "; ")
}

// reason is what the silence says about the BMC; false when we could not ask properly, so that it says nothing.
//
// RMCP's silence does not contradict an unreachable of the other ways: UDP often hears of none.
func (s silence) reason() (Reason, bool) {
	asked, silent, unreachable := 0, 0, 0
	for way, err := range s {
		switch {
		case errors.Is(err, errNotAsked):
			continue
		case errors.Is(err, errUnreachable):
			unreachable++
		case !errors.Is(err, errSilent):
			return "", false
		case way != WayRMCP:
			silent++
		}
		asked++
	}
	if unreachable > 0 && silent == 0 {
		return NetUnreachable, true
	}
	return NetTimeout, asked > 0
}

func pingFault(ctx context.Context, addr netip.Addr, facts Facts, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	err = fmt.Errorf("ping %s: %w", addr, err)
	var s silence
	if !errors.As(err, &s) {
		return err
	}
	if reason, ok := s.reason(); ok {
		return BlameWith(reason, facts, err)
	}
	return err
}
