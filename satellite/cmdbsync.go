package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lamplighter/inventory"
)

// listeners are told what becomes of an inventory (inventory.SyncConfig); each may be nil.
type listeners struct {
	changed func(inventory.Register, inventory.Diff)
	told    func(inventory.Report)
	asked   func(r inventory.Request, done string)
}

// openSyncing begins to sync in the configured directory. The health fields of its sources are still, unless they are run.
func (c Config) openSyncing(keyring inventory.Keyring, targets *inventory.Targets, l listeners, log *slog.Logger) (*inventory.Syncing, *healthFields, error) {
	health := &healthFields{site: c.Site, log: log}
	source, err := c.sources(keyring, health)
	if err != nil {
		return nil, nil, err
	}
	syncing, err := inventory.OpenSyncing(inventory.SyncConfig{
		Source: source, Logins: c.Login, Dir: c.CMDB.State, Every: cmp.Or(c.CMDB.Every, time.Minute), Site: c.Site, Changed: l.changed, Told: l.told, Asked: l.asked, Log: log,
		Rule: inventory.Rule{Percent: c.CMDB.GonePercent, Least: c.CMDB.GoneLeast, Settle: c.CMDB.Settle, Quarantine: c.CMDB.Quarantine, Targets: targets},
	})
	return syncing, health, err
}

// takeSyncing is openSyncing for a process that stays: it waits for a command that syncs in the directory just now.
func (c Config) takeSyncing(ctx context.Context, keyring inventory.Keyring, targets *inventory.Targets, l listeners, log *slog.Logger) (*inventory.Syncing, *healthFields, error) {
	syncing, health, err := c.openSyncing(keyring, targets, l, log)
	if !errors.Is(err, inventory.ErrBusy) {
		return syncing, health, err
	}
	log.Warn("another process syncs here: waiting until it has ended", "state", c.CMDB.State, "at_most", syncFor)
	ctx, cancel := context.WithTimeoutCause(ctx, syncFor, err)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
		if syncing, health, err = c.openSyncing(keyring, targets, l, log); !errors.Is(err, inventory.ErrBusy) {
			return syncing, health, err
		}
	}
}

// needsSources says what a process that syncs misses in a configuration.
func (c Config) needsSources() error {
	if c.Inventory != fromCMDB || len(c.CMDB.Sources) == 0 {
		return fmt.Errorf("inventory: want cmdb, and at least one of cmdb.sources, for a process that syncs")
	}
	return nil
}

// lastGood is the fleet of the last sync, as this host has it: what it synced itself, or what it was told.
func (c Config) lastGood() ([]inventory.BMC, error) {
	for _, read := range []func(string) (inventory.Register, error){inventory.ReadFollowed, func(dir string) (inventory.Register, error) {
		r, _, err := inventory.ReadRegister(dir)
		return r, err
	}} {
		r, err := read(c.CMDB.State)
		if err != nil {
			return nil, err
		}
		if len(r.BMCs) > 0 {
			return r.BMCs, nil
		}
	}
	return nil, nil
}
