package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lamplighter/inventory"
	"lamplighter/results/snapshot"
	"lamplighter/satellite/metrics"
)

func newInventory() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "follow the CMDB: sync, guard and publish the list of BMCs of a site; or ask about it",
		Long: `Without a subcommand it is the role inventory, of which a site has one: it asks the sources of section cmdb periodically, on SIGHUP and
when somebody asks for it, keeps the last good list on the disk, and publishes it to Kafka (bmc.inventory.v1), where satellites and results
follow it. An answer from which far too many BMCs are missing is withheld until it is approved. lamplighter all does all of that by itself.
It runs until SIGTERM or Ctrl-C. docs/inventory.md explains the rules; deploy/lamplighter.yaml shows every key.

The subcommands read what this host has, and sync and approve ask the process that syncs on it: use them as its user, or as root.

Exit codes: 0 after a stop, 1 something failed that a new start may mend, 2 usage or configuration.
`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config, Config.validateInventory)
			if err != nil {
				return err
			}
			return runInventory(cmd.Context(), c, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	cmd.AddCommand(newInventoryList(), newInventoryDiff(), newInventoryConflicts(), newInventorySync(), newInventoryApprove(), newInventoryDiscover())
	return cmd
}

// validateInventory is Validate for a process that syncs and asks no BMC.
func (c Config) validateInventory(bad func(key, want string)) {
	c.Validate(func(key, want string) {
		if key != "memory" && key != "verdicts" {
			bad(key, want)
		}
	})
	if c.Inventory != fromCMDB || len(c.CMDB.Sources) == 0 {
		bad("cmdb.sources", "want at least one, and inventory: cmdb, to sync")
	}
}

// runInventory syncs and publishes until ctx ends, and returns nil then.
func runInventory(ctx context.Context, c Config, stderr io.Writer) error {
	log := newLog(c.Log, stderr)
	if len(c.Kafka.Brokers) == 0 {
		return errors.New("kafka.brokers: want at least one for role inventory, since nobody would follow it; lamplighter all syncs by itself")
	}
	keyring, err := inventory.OpenKeyring(c.Keyring)
	if err != nil {
		return err
	}
	inventory.LogOutages(keyring, log)
	bounds, targets := c.bounds(ctx, log)
	publisher, err := c.publisher(ctx, log)
	if err != nil {
		return err
	}
	connection, err := c.Kafka.connection(ctx)
	if err != nil {
		return err
	}
	connection.Log = log
	heard := c.published(publisher)
	syncing, health, err := c.takeSyncing(ctx, keyring, targets, heard, log)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = syncing.Close() }()
	r, status := syncing.Register()
	log.Info("started", "site", c.Site, "number", r.Number, "bmcs", len(r.BMCs), "synced", status.Synced, "state", c.CMDB.State, "every", c.CMDB.Every)
	heard.all(syncing) // it may have ended before that was sent
	m, pulse := measured(syncing, health, keyring), metrics.NewPulse()
	var ready metrics.Ready
	ready.Need("inventory", func() error { return synced(syncing) })
	ready.Need("kafka", func() error {
		if now, _ := syncing.Register(); publisher.Sent() < now.Number {
			return fmt.Errorf("snapshot %d is not on kafka yet", now.Number)
		}
		return nil
	})
	group, ctx := errgroup.WithContext(ctx)
	server := &metrics.Server{Metrics: m, Ready: &ready, Pulse: pulse}
	if err := listenAt(server, c.Listen, log); err != nil {
		return err
	}
	for _, run := range []func(context.Context) error{server.Run, bounds.run, syncing.Run, publisher.Run} {
		group.Go(func() error { return run(ctx) })
	}
	group.Go(func() error { return onHangup(ctx, syncing.Soon) })
	group.Go(func() error { return c.receiveRequests(ctx, syncing, log) })
	group.Go(func() error { return health.run(ctx, health.ofKafka(connection)) })
	group.Go(func() error { return pulse.Run(ctx, time.Second, func() { syncing.Register() }) })
	if err := group.Wait(); err != nil {
		log.Error("ended", "error", err)
		return exitEnded
	}
	log.Info("stopped")
	return nil
}

// published has Kafka told of what becomes of an inventory.
func (c Config) published(p *snapshot.Publisher) listeners {
	return listeners{
		changed: func(r inventory.Register, _ inventory.Diff) { p.Publish(r) },
		told: func(r inventory.Report) {
			r.Reached = len(c.RabbitMQ.URLs) > 0
			p.Tell(r)
		},
		asked: func(r inventory.Request, _ string) { p.Act(c.actOf(r)) },
	}
}

// all tells how it stands.
func (l listeners) all(s *inventory.Syncing) {
	r, _ := s.Register()
	l.changed(r, inventory.Diff{})
	l.told(s.Report())
}

// receiveRequests does what people ask of the inventory over the site's RabbitMQ, if there is one. While that is away nobody can
// ask, and all else goes on.
func (c Config) receiveRequests(ctx context.Context, syncing *inventory.Syncing, log *slog.Logger) error {
	if len(c.RabbitMQ.URLs) == 0 {
		return nil
	}
	broker, err := c.openBus(ctx, log)
	if err != nil {
		return err
	}
	return withBus(ctx, broker, log, inventoryDesk(c, broker, syncing, log).Run)
}

// measured are the numbers of a process that syncs.
func measured(syncing *inventory.Syncing, health *healthFields, keyring inventory.Keyring) *metrics.Metrics {
	m := metrics.New(version)
	m.Inventory(syncing.Register)
	health.measure(m)
	if now, elsewhere := inventory.HealthOf(keyring); elsewhere {
		m.Keyring(now)
	}
	m.Fleet(func() int { now, _ := syncing.Register(); return len(now.BMCs) })
	return m
}

// synced says what keeps an inventory from being one.
func synced(s *inventory.Syncing) error {
	now, status := s.Register()
	switch {
	case len(now.BMCs) == 0 && status.Error != "":
		return fmt.Errorf("no BMC: %s", status.Error)
	case len(now.BMCs) == 0:
		return errors.New("no BMC")
	}
	return nil
}

func listenAt(server *metrics.Server, address string, log *slog.Logger) error {
	if address == "" {
		return nil
	}
	if err := server.Listen(address); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log.Info("serving metrics", "url", "http://"+server.Address()+"/metrics")
	return nil
}
