package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/snapshot"
)

// roster are the BMCs of an inventory that may change while the role results runs: a satellite with the new one starts when it
// likes, and its verdicts are to be taken in then.
type roster struct {
	config Config
	log    *slog.Logger
	bmcs   atomic.Pointer[map[inventory.ID]*inventory.BMC]
	fleet  atomic.Pointer[[]inventory.BMC]
	told   *toldInventories // where they come from the CMDB
	stamp  time.Time        // only run uses it, once it runs
	// sites are the snapshots that were told of, where they come from the CMDB; only run uses them, once it runs.
	sites map[string]inventory.Register
}

// lookAgain is how often an inventory is looked at.
const lookAgain = 30 * time.Second

func readRoster(ctx context.Context, c Config, log *slog.Logger) (*roster, error) {
	l := &roster{config: c, log: log, told: c.toldInventories()}
	if c.Inventory != fromCMDB {
		return l, l.read(ctx)
	}
	last, err := inventory.ReadFollowed(l.kept())
	l.hold(last.BMCs)
	return l, err
}

// kept is where what was told of last is kept. A satellite of this host keeps its own elsewhere: it has one site's.
func (l *roster) kept() string { return filepath.Join(l.config.Results.Store, "inventory") }

// hold makes a list the newest.
func (l *roster) hold(fleet []inventory.BMC) {
	bmcs := byID(fleet)
	l.bmcs.Store(&bmcs)
	l.fleet.Store(&fleet)
}

// follow takes the snapshots of the configured site, or of all sites, as they come.
func (l *roster) follow(ctx context.Context) error {
	c := l.config
	connection, err := c.Kafka.connection(ctx)
	if err != nil {
		return err
	}
	connection.Log = l.log
	l.sites = map[string]inventory.Register{}
	return snapshot.Following{Kafka: connection, Site: c.Site, Every: c.Site == "", Log: l.log, Changed: l.changed, Told: l.told.told}.Run(ctx)
}

// changed takes one site's snapshot beside those of the others.
func (l *roster) changed(site string, r inventory.Register) {
	l.told.synced(site, r)
	l.sites[site] = r
	all := inventory.Register{Made: r.Made}
	for _, of := range l.sites {
		all.Number += of.Number
		all.BMCs = append(all.BMCs, of.BMCs...)
	}
	slices.SortFunc(all.BMCs, func(a, b inventory.BMC) int { return cmp.Compare(a.ID, b.ID) })
	all.BMCs = slices.CompactFunc(all.BMCs, func(a, b inventory.BMC) bool { return a.ID == b.ID }) // one that moves may be in both for a moment
	l.hold(all.BMCs)
	if err := inventory.WriteFollowed(l.kept(), all); err != nil {
		l.log.Error("the inventory is followed, but not kept for the next start", "error", err)
	}
	l.log.Info("the inventory is another", "site", site, "number", r.Number, "bmcs", len(r.BMCs))
}

func (l *roster) read(ctx context.Context) error {
	info, err := os.Stat(l.config.Inventory)
	if err != nil || info.ModTime().Equal(l.stamp) {
		return err
	}
	fleet, err := l.config.fleet(ctx)
	if err != nil {
		return err
	}
	l.hold(fleet)
	l.stamp = info.ModTime()
	return nil
}

func byID(fleet []inventory.BMC) map[inventory.ID]*inventory.BMC {
	bmcs := make(map[inventory.ID]*inventory.BMC, len(fleet))
	for i := range fleet {
		bmcs[fleet[i].ID] = &fleet[i]
	}
	return bmcs
}

// records looks a BMC up in a list that stays as it is.
func records(fleet []inventory.BMC) func(inventory.ID) *inventory.BMC {
	bmcs := byID(fleet)
	return func(id inventory.ID) *inventory.BMC { return bmcs[id] }
}

func (l *roster) record(id inventory.ID) *inventory.BMC { return (*l.bmcs.Load())[id] }

// knows says whether a BMC is listed. Where the list comes from the CMDB and nobody has told of one yet, every BMC may be.
func (l *roster) knows(id inventory.ID) bool {
	bmcs := *l.bmcs.Load()
	return bmcs[id] != nil || len(bmcs) == 0 && l.config.Inventory == fromCMDB
}

// listed are the BMCs of the newest reading.
func (l *roster) listed() []inventory.BMC { return *l.fleet.Load() }

// run reads the inventory again whenever it has changed. What cannot be read leaves the list as it is.
func (l *roster) run(ctx context.Context) error {
	if l.config.Inventory == fromCMDB {
		return l.follow(ctx)
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if err := l.read(ctx); err != nil {
			l.log.Warn("the inventory cannot be read; the one before holds", "error", err)
		}
	}
}
