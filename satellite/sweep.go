package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/run"
	"lamplighter/satellite/schedule"
)

// sweepOptions are the flags of sweep.
type sweepOptions struct {
	options
	sites, racks, only []string
	output             string
	parallel           int
}

func newSweep() *cobra.Command {
	var o sweepOptions
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "check all BMCs once",
		Long: `Asks every BMC of the inventory once, every check, and prints the verdicts on stdout. Progress and a summary by reason go to
stderr. Ctrl-C finishes what runs, logs out, and prints what was found until then.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSweep(cmd, o) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&o.sites, "site", nil, "only BMCs of this `site`; may be repeated")
	f.StringSliceVar(&o.racks, "rack", nil, "only BMCs of this `rack`; may be repeated")
	f.StringSliceVar(&o.only, "only", nil, "print only these verdicts: failed (a check ended the chain), or a `health`")
	f.StringVarP(&o.output, "output", "o", "table", "`format`: "+strings.Join(formats, ", "))
	f.IntVar(&o.parallel, "parallel", 128, "how many BMCs are asked at once, silent ones not counted")
	_ = cmd.MarkFlagRequired("inventory")
	return cmd
}

func runSweep(cmd *cobra.Command, o sweepOptions) error {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	fleet, err := readInventory(ctx, o.inventory, o.login)
	if err != nil {
		return err
	}
	bmcs, err := o.selected(fleet)
	if err != nil {
		return err
	}
	keyring, err := openKeyring(o.keyring)
	if err != nil {
		return err
	}
	if err := checkLogins(ctx, keyring, bmcs); err != nil {
		return err
	}
	wanted, err := o.wanted()
	if err != nil {
		return err
	}
	if o.parallel < 1 {
		return fmt.Errorf("--parallel %d: want at least 1", o.parallel)
	}
	printer, err := newPrinter(o.output, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	for _, conflict := range inventory.Conflicts(bmcs) {
		fmt.Fprintln(stderr, "lamplighter: warning:", conflict)
	}
	tour, err := o.tour(fleet, keyring, stderr)
	if err != nil {
		return err
	}
	defer tour.close()
	tour.config.Visits = o.parallel
	return sweep(ctx, tour, bmcs, printer, wanted, stderr)
}

// sweep runs the sweep, prints what is wanted, and ends with the exit code as its error.
func sweep(ctx context.Context, tour *tour, bmcs []inventory.BMC, printer printer, wanted func(results.Verdict) bool, stderr io.Writer) error {
	found, shown := newSummary(), newProgress(stderr, len(bmcs))
	sweeping, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	tour.config.Sink = results.Func(func(_ context.Context, v results.Verdict) error {
		mu.Lock()
		defer mu.Unlock()
		if wanted(v) {
			if err := printer.Print(v); err != nil {
				cancel(fmt.Errorf("print verdict of %s: %w", v.BMC, err)) // nobody reads on: end the sweep, log out
			}
		}
		found.add(v)
		shown.count(v)
		return nil
	})
	drawing, stopDrawing := context.WithCancel(context.WithoutCancel(ctx))
	var drawer sync.WaitGroup
	drawer.Go(func() { shown.run(drawing) })
	err := tour.run(sweeping, func(ctx context.Context, s *run.Satellite) error { return s.Sweep(ctx, bmcs) })
	stopDrawing()
	drawer.Wait()
	if cause := context.Cause(sweeping); cause != nil && ctx.Err() == nil {
		return cause
	}
	if closeErr := printer.Close(); closeErr != nil {
		return fmt.Errorf("print verdicts: %w", closeErr)
	}
	found.print(stderr)
	if missing := new(schedule.Missing); errors.As(err, &missing) && ctx.Err() != nil {
		fmt.Fprintf(stderr, "interrupted: %d of %d BMCs have no verdict\n", len(missing.BMCs), len(bmcs))
		return exitInterrupted
	}
	if err != nil {
		return err
	}
	return exitFor(found.health)
}

// selected are the BMCs that --site and --rack leave.
func (o *sweepOptions) selected(fleet []inventory.BMC) ([]inventory.BMC, error) {
	bmcs := slices.DeleteFunc(slices.Clone(fleet), func(b inventory.BMC) bool {
		return len(o.sites) > 0 && !slices.Contains(o.sites, b.Site) || len(o.racks) > 0 && !slices.Contains(o.racks, b.Rack)
	})
	if len(fleet) == 0 {
		return nil, fmt.Errorf("%s lists no BMC: want a line for each below the header", o.inventory)
	}
	if len(bmcs) == 0 {
		var where []string
		if len(o.sites) > 0 {
			where = append(where, "--site "+strings.Join(o.sites, ","))
		}
		if len(o.racks) > 0 {
			where = append(where, "--rack "+strings.Join(o.racks, ","))
		}
		return nil, fmt.Errorf("%s: none of the %d BMCs in %s is there", strings.Join(where, " "), len(fleet), o.inventory)
	}
	return bmcs, nil
}

// wanted says which verdicts --only leaves.
func (o *sweepOptions) wanted() (func(results.Verdict) bool, error) {
	failed, healths := false, map[checks.Health]bool{}
	for _, word := range o.only {
		var h checks.Health
		if word == "failed" {
			failed = true
		} else if err := h.UnmarshalText([]byte(word)); err != nil {
			return nil, fmt.Errorf("--only %q: want failed, available, degraded, unavailable or unknown", word)
		} else {
			healths[h] = true
		}
	}
	return func(v results.Verdict) bool {
		return len(o.only) == 0 || failed && v.Failed != "" || healths[v.Health]
	}, nil
}
