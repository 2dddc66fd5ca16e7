package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/kafka"
)

// Following is what follows the topic.
type Following struct {
	Kafka kafka.Config
	// Site is whose snapshots are followed; with Every those of all sites are.
	Site  string
	Every bool
	// Dir keeps the last good snapshot of Site.
	Dir string
	// Changed is told of each whole snapshot of a site, when it is another than the one before.
	Changed func(site string, r inventory.Register)
	// Told, if any, is told what who syncs a site's inventory says of it.
	Told func(inventory.Report)
	Log  *slog.Logger
}

// Run follows until ctx ends, and then returns nil. While Kafka is away what was told last holds.
func (f Following) Run(ctx context.Context) error {
	told := map[string]uint64{}
	for tries := 0; ctx.Err() == nil; tries++ {
		began := time.Now()
		err := f.once(ctx, told)
		if ctx.Err() != nil {
			return nil
		}
		f.Log.Warn("the inventory on kafka cannot be read; the last good one holds", "error", err)
		if time.Since(began) > time.Minute {
			tries = 0
		}
		pause := time.NewTimer(min(10*time.Second, time.Second<<min(tries, 4)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
	}
	return nil
}

// once reads the topic from its beginning, since it is compacted, and on.
func (f Following) once(ctx context.Context, told map[string]uint64) error {
	sites := map[string]*Assembly{}
	touched := map[string]bool{}
	return kafka.Read(ctx, f.Kafka, kafka.Reading{
		Topics: []string{kafka.InventoryTopic},
		See: func(r kafka.Record) error {
			site, _, ok := Site(string(r.Key))
			if !ok && f.Told != nil && (f.Every || outOfKey.Replace(string(r.Key)) == f.Site) {
				f.tell(r)
			}
			if !ok || !f.Every && site != f.Site {
				return nil
			}
			if sites[site] == nil {
				sites[site] = NewAssembly(site)
			}
			touched[site] = true
			if err := sites[site].See(string(r.Key), r.Value); err != nil {
				f.Log.Warn("a record of the inventory on kafka cannot be read: no snapshot with it is taken", "error", err)
			}
			return nil
		},
		Follow: func(time.Time) error {
			for site := range touched {
				f.take(site, sites[site], told)
				delete(touched, site)
			}
			return nil
		},
	})
}

// tell tells what who syncs says.
func (f Following) tell(r kafka.Record) {
	var d ReportDocument
	err := json.Unmarshal(r.Value, &d)
	switch {
	case len(r.Value) == 0:
	case err != nil || d.Schema != ReportSchema || d.Site != outOfKey.Replace(string(r.Key)):
		f.Log.Warn("what an inventory's process says on kafka cannot be read", "site", string(r.Key), "error", err)
	default:
		f.Told(d.Report)
	}
}

// take takes a site's snapshot, if it is whole and another.
func (f Following) take(site string, a *Assembly, told map[string]uint64) {
	r, err := a.Whole()
	if errors.Is(err, ErrNotWhole) {
		f.Log.Debug("waiting for the rest of an inventory", "error", err)
		return
	}
	if r.Number == told[site] {
		return
	}
	told[site] = r.Number
	if site == f.Site && f.Dir != "" {
		if err := inventory.WriteFollowed(f.Dir, r); err != nil {
			f.Log.Error("the inventory is followed, but not kept for the next start", "error", err)
		}
	}
	f.Changed(site, r)
}
