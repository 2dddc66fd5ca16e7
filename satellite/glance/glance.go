// Package glance asks a BMC one question outside of any round: no login, no session, no task, no verdict.
//
// A satellite glances at a BMC for another that got no answer from it and wants a second opinion, and at the rest of a rack or
// subnet when two BMCs of it fail at ping (a look round). Actors ask for second opinions; the scheduler tells which BMCs broke, and
// starts a round of each that a look round found silent. What satellites say to each other goes over the bus's Air: it is worth
// something only now, and who does not hear it goes on without.
package glance

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// question is what is asked in a glance.
type question string

// The questions. None needs a login.
const (
	askPing question = "ping"
	askRMCP question = "rmcp" // ping by RMCP alone, the way that an IPMI login takes
	askTLS  question = "tls"
)

// questionOf is the question that shows whether the way to a BMC failed where this check did. Of a login it says less than the
// check: a BMC may be silent to a login and well on its way. So whoever failed answers it first, too (again).
func questionOf(failed checks.Name) (q question, again bool) {
	switch failed {
	case checks.Ping:
		return askPing, false
	case checks.TLS:
		return askTLS, false
	case checks.IPMILogin:
		return askRMCP, true
	}
	return askPing, true
}

// check is the check that answers the question.
func (q question) check() (checks.Name, bool) {
	switch q {
	case askPing, askRMCP:
		return checks.Ping, true
	case askTLS:
		return checks.TLS, true
	}
	return "", false
}

// timeout is how long a question may take.
func (g *Glances) timeout(q question) time.Duration {
	name, _ := q.check()
	check, _ := g.Chain.Check(name)
	return check.Timeout
}

// ask asks bmc within timeout. A network failure is believed only with proof of sight, unless blindly.
func (g *Glances) ask(ctx context.Context, bmc inventory.BMC, q question, timeout time.Duration, blindly bool) checks.Result {
	start := time.Now()
	var proof func() checks.Proof
	if g.Sight != nil && !blindly {
		watching, cancel := context.WithCancel(ctx)
		defer cancel()
		proof = g.Sight.Watch(watching, bmc)
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	name, _ := q.check()
	finding, err := g.run(asking, bmc, q, name)
	result := checks.NewResult(name, finding, err, start, time.Now())
	if ctx.Err() != nil {
		return result
	}
	result = checks.Proven(result, proof)
	if g.Sight != nil && checks.Answers(result) {
		g.Sight.Answered(bmc, start)
	}
	return result
}

// run has the check ask in a visit of its own. What it learned is not remembered: this is nobody's round.
func (g *Glances) run(ctx context.Context, bmc inventory.BMC, q question, name checks.Name) (f checks.Finding, err error) {
	check, ok := g.Chain.Check(name)
	if stop := g.Memory.Stopped(); stop.On || !ok {
		return f, checks.Ours(checks.SelfStopped, fmt.Errorf("%s is not asked: all probes are stopped, or the chain has no check %q", bmc.ID, name))
	}
	if q == askRMCP {
		bmc.Labels = with(bmc.Labels, checks.WaysLabel, string(checks.WayRMCP))
	}
	visit := g.Visit(bmc, g.Memory.Known(bmc.ID))
	if visit.Known.Protocol == "" {
		visit.Known.Protocol = inventory.Redfish // whatever it speaks: it is not asked now
	}
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic in %s of %s: %v\n%s", name, bmc.ID, value, debug.Stack())
		}
		_ = visit.Close(context.WithoutCancel(ctx)) // there is no session to log out of
	}()
	return check.Run(ctx, visit)
}

func with(labels map[string]string, name, value string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[name] = value
	return labels
}
