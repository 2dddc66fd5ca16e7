package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/command"
)

func newRecheck() *cobra.Command {
	var asJSON bool
	cmd := siteCommand("recheck BMC", "have the site's satellites check a BMC again now",
		`Asks the satellite that the BMC belongs to for a round now, and prints each check as it ends. A round that runs already is joined.
The BMC is looked up in the configured inventory by ID, then by address.

Exit codes: as of check; 2 also when the satellite refused, 4 also when none answered.
`, one("BMC"), func(cmd *cobra.Command, c Config, args []string) error {
			bmc, err := c.listed(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(c.RabbitMQ.URLs) == 0 {
				return fmt.Errorf("%s: the configuration names no rabbitmq.urls, so nobody can be asked; lamplighter check %s checks it from here", bmc.ID, bmc.ID)
			}
			again := recheck{out: &firstError{w: cmd.OutOrStdout()}, json: asJSON, bmc: bmc, trust: c.Trust, shown: map[checks.Name]bool{}}
			err = c.onLine(cmd.Context(), cmd.ErrOrStderr(), func(ctx context.Context, l line) error {
				return c.ask(ctx, l, command.Request{Kind: command.Recheck, BMC: bmc.ID}, again.answer)
			})
			if err != nil {
				return err
			}
			return again.end()
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the verdict as JSON")
	return cmd
}

// recheck prints a round as its answers come.
type recheck struct {
	out       *firstError
	json      bool
	bmc       inventory.BMC
	trust     inventory.Trust
	satellite string // that the BMC belongs to
	shown     map[checks.Name]bool
	verdict   *results.Verdict
}

func (r *recheck) answer(a command.Answer) error {
	switch {
	case a.Kind == command.Accepted:
		r.accepted(a.Satellite)
	case a.Kind == command.Result && a.Result != nil:
		r.result(*a.Result)
	case a.Kind == command.Verdict && a.Verdict != nil:
		r.verdict = a.Verdict
		for _, result := range a.Verdict.Trail { // of a round that ran already
			r.result(result)
		}
		if r.json {
			_ = json.NewEncoder(r.out).Encode(a.Verdict) // out keeps the error
		} else {
			steps{r.out}.verdict(*a.Verdict)
		}
	}
	return r.out.err
}

// accepted: another satellite begins anew where the first one went away.
func (r *recheck) accepted(by string) {
	if by == r.satellite {
		return
	}
	if !r.json && r.satellite == "" {
		steps{r.out}.start(r.bmc, r.trust)
	}
	if !r.json {
		fmt.Fprintln(r.out, "  checked by satellite", by)
	}
	r.satellite = by
	clear(r.shown)
}

func (r *recheck) result(result checks.Result) {
	if r.json || r.shown[result.Check] {
		return
	}
	r.shown[result.Check] = true
	s := steps{r.out}
	s.result(result)
	if result.AgeS > 0 {
		s.below("carried", fmt.Sprintf("found %v before this round", time.Duration(result.AgeS)*time.Second))
	}
}

func (r *recheck) end() error {
	if r.out.err != nil {
		return fmt.Errorf("print the verdict: %w", r.out.err)
	}
	if r.verdict == nil {
		return unanswered{fmt.Errorf("%s: %s is done without a verdict", r.bmc.ID, r.satellite)}
	}
	return exitFor(map[checks.Health]int{r.verdict.Health: 1})
}
