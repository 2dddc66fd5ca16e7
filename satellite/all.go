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
	"lamplighter/satellite/memory"
)

func newAll() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "all",
		Short: "go round a site alone, round after round: no broker, verdicts to a file",
		Long: `Goes round all BMCs of the configuration until SIGTERM or Ctrl-C, then finishes what runs, logs out and ends. Verdicts go to the
configured file, and to Kafka too where the configuration names brokers. deploy/lamplighter.yaml shows every key.

Exit codes: 0 after a stop, 2 usage or configuration.
`,
		Args: cobra.NoArgs,
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
	if len(c.RabbitMQ.URLs) > 0 {
		return errors.New("rabbitmq.urls: lamplighter all has no broker, and nobody would hear what is asked of it there; use lamplighter satellite")
	}
	d, err := c.openDaemon(ctx, nil, stdout, stderr)
	if err != nil {
		return err
	}
	defer d.close()
	return d.run(ctx, d.goRound)
}

// fleet is the inventory's BMCs of the configured site.
func (c Config) fleet(ctx context.Context) ([]inventory.BMC, error) {
	if c.Inventory == fromCMDB {
		bmcs, err := c.lastGood()
		if err == nil && len(bmcs) == 0 {
			err = fmt.Errorf("inventory: cmdb: nothing was synced to this host yet: %s has no BMC", c.CMDB.State)
		}
		return bmcs, err
	}
	all, err := readInventory(ctx, c.Inventory, c.Login)
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
func (c Config) tour(fleet []inventory.BMC, targets *inventory.Targets, keyring inventory.Keyring, remembered *memory.Memory, stderr io.Writer) (*tour, error) {
	roots, err := loadRoots(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	settings := checks.DefaultSettings()
	settings.Trust, settings.Roots, settings.Ways, settings.ExpirySoon, settings.Slow = c.Trust, roots, c.Ping, c.ExpirySoon, c.Slow
	settings.Targets = targets
	t, err := newTour(settings, c.Chain(), fleet, c.Anchors, keyring, remembered)
	if err != nil {
		return nil, err
	}
	t.memory.Rule.MinPause, t.memory.Rule.MaxPause, t.memory.Rule.Confirm = c.Fence.PauseMin, c.Fence.PauseMax, c.Fence.ConfirmLogin
	t.config.Name, t.config.Visits, t.config.Interval, t.config.Drain = c.Satellite, c.Visits, c.Interval, c.Drain
	t.config.Look = c.LookRound
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
