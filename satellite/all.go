package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/run"
	"lamplighter/satellite/schedule"
)

func newAll() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "all",
		Short: "scheduler, actors and sink in one process, round after round",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := LoadConfig(config)
			if err != nil {
				return err
			}
			return runAll(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// runAll goes round until ctx ends, then drains and returns nil.
func runAll(ctx context.Context, c Config, stdout, stderr io.Writer) error {
	fleet, err := c.fleet(ctx)
	if err != nil {
		return err
	}
	keyring, err := inventory.OpenKeyring(c.Keyring)
	if err != nil {
		return err
	}
	if err := checkLogins(ctx, keyring, fleet); err != nil {
		return err
	}
	sink, closeSink, err := c.openSinks(ctx, stdout, newLog(c.Log, stderr))
	if err != nil {
		return err
	}
	defer closeSink()
	tour, err := c.tour(fleet, keyring, stderr)
	if err != nil {
		return err
	}
	defer tour.close()
	tour.config.Sink = sink
	log := tour.config.Log
	for _, conflict := range inventory.Conflicts(fleet) {
		log.Warn("inventory: " + conflict)
	}
	log.Info("started", "site", c.Site, "satellite", c.Satellite, "bmcs", len(fleet), "interval", c.Interval, "verdicts", c.Verdicts)
	err = tour.run(ctx, func(ctx context.Context, s *run.Satellite) error {
		s.Set(fleet)
		return s.Run(ctx)
	})
	if missing := new(schedule.Missing); errors.As(err, &missing) && ctx.Err() != nil {
		log.Warn("stopped before all rounds ended", "error", err)
		return nil
	}
	log.Info("stopped")
	return err
}

// fleet is the inventory's BMCs of the configured site.
func (c Config) fleet(ctx context.Context) ([]inventory.BMC, error) {
	all, err := readInventory(ctx, c.Inventory)
	if err != nil || c.Site == "" {
		return all, err
	}
	own := slices.DeleteFunc(slices.Clone(all), func(b inventory.BMC) bool { return b.Site != c.Site })
	if len(own) == 0 {
		return nil, fmt.Errorf("site %q: none of the %d BMCs in %s is in it", c.Site, len(all), c.Inventory)
	}
	return own, nil
}

// openSink is where verdicts go: a file, or stdout for -.
func openSink(path string, stdout io.Writer) (results.Sink, func(), error) {
	if path == "-" {
		return results.NewWriter(stdout), func() {}, nil
	}
	file, err := results.File(path)
	if err != nil {
		return nil, nil, err
	}
	return file, func() { _ = file.Close() }, nil
}

// tour sets up what a configuration says.
func (c Config) tour(fleet []inventory.BMC, keyring inventory.Keyring, stderr io.Writer) (*tour, error) {
	roots, err := loadRoots(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	settings := checks.DefaultSettings()
	settings.Trust, settings.Roots, settings.Ways, settings.ExpirySoon, settings.Slow = c.Trust, roots, c.Ping, c.ExpirySoon, c.Slow
	t, err := newTour(settings, c.Chain(), fleet, c.Anchors, keyring, c.Memory)
	if err != nil {
		return nil, err
	}
	t.memory.Rule.MinPause, t.memory.Rule.MaxPause, t.memory.Rule.Confirm = c.Fence.PauseMin, c.Fence.PauseMax, c.Fence.ConfirmLogin
	t.config.Name, t.config.Visits, t.config.Interval, t.config.Drain = c.Satellite, c.Visits, c.Interval, c.Drain
	t.config.Keep = actor.KeepIn(filepath.Join(filepath.Dir(c.Memory), "dead-letters"))
	t.config.Log = newLog(c.Log, stderr)
	return t, nil
}

func newLog(c Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
