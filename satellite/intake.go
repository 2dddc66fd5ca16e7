package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"lamplighter/inventory"
	"lamplighter/results/snapshot"
	"lamplighter/satellite/metrics"
	"lamplighter/satellite/run"
)

// intake keeps a daemon's fleet what the inventory says: a file, which is read once, sources that this process syncs itself, or the
// snapshots that the role inventory publishes.
type intake struct {
	daemon  *daemon
	log     *slog.Logger
	bounds  *bounds
	targets *inventory.Targets
	syncing *inventory.Syncing  // nil: not this process
	health  *healthFields       // of the sources; nil without syncing
	follows *snapshot.Following // nil: nobody is followed
	publish *snapshot.Publisher // nil: nobody is told

	mu        sync.Mutex // one change at a time
	satellite *run.Satellite
}

// openIntake finds the fleet to begin with. A daemon that is alone syncs by itself.
func (d *daemon) openIntake(ctx context.Context, alone bool) error {
	f := &intake{daemon: d, log: d.log}
	f.bounds, f.targets = d.config.bounds(ctx, d.log)
	d.intake = f
	if d.config.Inventory != fromCMDB {
		return f.ofFile(ctx)
	}
	if alone {
		return f.ofSources(ctx)
	}
	return f.ofKafka(ctx)
}

// ofFile reads the fleet that a person wrote. What is wrong with it is an error: it can be mended.
func (f *intake) ofFile(ctx context.Context) error {
	d := f.daemon
	bmcs, err := d.config.fleet(ctx)
	if err == nil {
		err = outside(f.targets, bmcs)
	}
	if err == nil {
		err = checkLogins(ctx, d.keyring, bmcs)
	}
	if errors.Is(err, inventory.ErrAway) {
		d.log.Warn("credentials cannot be fetched; until they can, BMCs read unknown (self.keyring)", "error", err)
		err = nil
	}
	if err == nil {
		_, err = d.fleet.Set(bmcs)
	}
	for _, conflict := range inventory.Conflicts(bmcs) {
		d.log.Warn("inventory: " + conflict.Text)
	}
	return err
}

// ofSources begins with the last good list.
func (f *intake) ofSources(ctx context.Context) (err error) {
	c := f.daemon.config
	if err := c.needsSources(); err != nil {
		return err
	}
	if f.publish, err = c.publisher(ctx, f.log); err != nil {
		return err
	}
	l := listeners{changed: func(r inventory.Register, _ inventory.Diff) { f.set(ctx, r) }, asked: f.asked}
	if f.publish != nil {
		l.told = f.publish.Tell
	}
	if f.syncing, f.health, err = c.takeSyncing(ctx, f.daemon.keyring, f.targets, l, f.log); err != nil {
		return err
	}
	r, status := f.syncing.Register()
	f.sayAge(r, status)
	f.set(ctx, r)
	return nil
}

// asked writes down what a person had done by the command line, where people look for it.
func (f *intake) asked(r inventory.Request, _ string) {
	if beliefs := f.daemon.beliefs; beliefs != nil {
		beliefs.server.Said(f.daemon.config.actOf(r))
	}
}

// ofKafka begins with the last snapshot that this host was told of.
func (f *intake) ofKafka(ctx context.Context) error {
	c := f.daemon.config
	r, err := inventory.ReadFollowed(c.CMDB.State)
	if err != nil {
		return err
	}
	connection, err := c.Kafka.connection(ctx)
	if err != nil {
		return err
	}
	connection.Log = f.log
	f.follows = &snapshot.Following{Kafka: connection, Site: c.Site, Dir: c.CMDB.State, Log: f.log, Changed: func(_ string, r inventory.Register) { f.set(ctx, r) }}
	f.log.Info("beginning with the last good inventory", "number", r.Number, "bmcs", len(r.BMCs), "made", r.Made)
	f.set(ctx, r)
	return nil
}

func (f *intake) sayAge(r inventory.Register, s inventory.Status) {
	if r.Number == 0 {
		f.log.Warn("nothing was synced yet: waiting for the inventory's sources")
		return
	}
	f.log.Info("beginning with the last good inventory", "number", r.Number, "bmcs", len(r.BMCs), "synced", s.Synced)
}

// set makes a register the fleet. What lies outside of this process' bounds is left out, whoever published it.
func (f *intake) set(ctx context.Context, r inventory.Register) {
	f.mu.Lock()
	defer f.mu.Unlock()
	allowed := slices.DeleteFunc(slices.Clone(r.BMCs), func(b inventory.BMC) bool { return f.targets.Allow(b) != nil })
	if left := len(r.BMCs) - len(allowed); left > 0 {
		f.log.Error("BMCs of the inventory are left out", "number", r.Number, "left_out", left, "error", outside(f.targets, r.BMCs))
	}
	diff, err := f.daemon.fleet.Set(allowed)
	if err != nil {
		f.log.Error("the inventory is not taken; the one before holds", "error", err)
		return
	}
	if f.publish != nil {
		f.publish.Publish(r)
	}
	if diff.Empty() {
		return
	}
	f.log.Info("the fleet is another", "number", r.Number, "bmcs", len(allowed), "added", len(diff.Added), "removed", len(diff.Removed),
		"changed", len(diff.Changed), "moved", len(diff.Moved))
	if err := checkLogins(ctx, f.daemon.keyring, slices.Concat(diff.Added, diff.Changed)); err != nil {
		f.log.Warn("the inventory names credentials that cannot be had", "error", err)
	}
	f.tell()
}

// tell hands the fleet to those who work with it; mu is held.
func (f *intake) tell() {
	if f.satellite == nil {
		return // it does not run yet
	}
	bmcs := f.daemon.fleet.BMCs()
	f.daemon.tour.sight.SetFleet(bmcs)
	f.satellite.Set(bmcs)
}

// begin has s go round the fleet from now on.
func (f *intake) begin(s *run.Satellite) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.satellite = s
	f.tell()
}

// run follows the inventory until ctx ends.
func (f *intake) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.bounds.run(ctx) })
	if f.syncing != nil {
		group.Go(func() error { return f.syncing.Run(ctx) })
		group.Go(func() error { return onHangup(ctx, f.syncing.Soon) })
	}
	if f.publish != nil {
		group.Go(func() error { return f.publish.Run(ctx) })
	}
	if f.follows != nil {
		group.Go(func() error { return f.follows.Run(ctx) })
	}
	return group.Wait()
}

func (f *intake) close() {
	if f.syncing != nil {
		_ = f.syncing.Close()
	}
}

// measure has metrics ask who syncs.
func (f *intake) measure(m *metrics.Metrics) {
	if f.syncing != nil {
		m.Inventory(f.syncing.Register)
		f.health.measure(m)
	}
}

// onHangup does something at each SIGHUP, until ctx ends.
func onHangup(ctx context.Context, do func()) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-hangups:
			do()
		case <-ctx.Done():
			return nil
		}
	}
}

// publisher tells Kafka of snapshots; nil where there is no Kafka.
func (c Config) publisher(ctx context.Context, log *slog.Logger) (*snapshot.Publisher, error) {
	if len(c.Kafka.Brokers) == 0 {
		return nil, nil
	}
	connection, err := c.Kafka.connection(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("publish the inventory: %w", err))
	}
	connection.Site, connection.Satellite, connection.Log = c.Site, c.Satellite, log
	return snapshot.NewPublisher(connection, c.Site, log), nil
}
