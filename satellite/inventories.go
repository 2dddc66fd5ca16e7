package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/command"
)

// around is what the API of a process asks besides the beliefs; each may be nil.
type around struct {
	again       api.Rechecker
	listed      func() []inventory.BMC // which BMCs there should be
	inventories api.Inventories
}

// ownInventory is the one that this process syncs.
type ownInventory struct{ *inventory.Syncing }

// Reports implements api.Inventories.
func (o ownInventory) Reports() []inventory.Report { return []inventory.Report{o.Report()} }

// Barred implements api.Inventories.
func (o ownInventory) Barred(string) string { return "" }

// Ask implements api.Inventories.
func (o ownInventory) Ask(ctx context.Context, _ string, r inventory.Request) (string, error) {
	text, err := o.soon(ctx, r)
	if err != nil {
		return "", &api.NotDone{Silent: ctx.Err() != nil, Text: err.Error()}
	}
	return text, nil
}

// soon does a request, but does not wait for a sync.
func (o ownInventory) soon(ctx context.Context, r inventory.Request) (string, error) {
	if r.Approve == "" {
		o.Soon()
		return "the sources are asked", nil
	}
	return o.Do(ctx, r)
}

// toldInventories are those that others sync, as these say on Kafka; they are asked by their site's mailbox.
type toldInventories struct {
	site   string // the only one that can be asked; "": none
	ask    again
	mu     sync.Mutex
	bySite map[string]inventory.Report
}

func (c Config) toldInventories() *toldInventories {
	t := &toldInventories{bySite: map[string]inventory.Report{}}
	if len(c.RabbitMQ.URLs) > 0 {
		t.site, t.ask = c.Site, c.overRabbitMQ()
	}
	return t
}

// told takes what a process says of its inventory.
func (t *toldInventories) told(r inventory.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bySite[r.Site] = r
}

// synced takes a snapshot, of whose process nothing is known but that.
func (t *toldInventories) synced(site string, r inventory.Register) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if was, known := t.bySite[site]; known && was.Number >= r.Number {
		return
	} else if known {
		was.Number, was.Made, was.BMCs = r.Number, r.Made, len(r.BMCs)
		t.bySite[site] = was
		return
	}
	alone := inventory.ReportOf(site, r, inventory.Status{}, 0)
	alone.At = r.Made
	t.bySite[site] = alone
}

// Reports implements api.Inventories.
func (t *toldInventories) Reports() (all []inventory.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.bySite {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b inventory.Report) int { return cmp.Compare(a.Site, b.Site) })
	return all
}

// Barred implements api.Inventories.
func (t *toldInventories) Barred(site string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	const instead = "run lamplighter inventory sync or approve on the host that syncs"
	switch r := t.bySite[site]; {
	case t.site == "":
		return "The role results names no RabbitMQ, and cannot ask: " + instead + "."
	case t.site != site:
		return fmt.Sprintf("Only site %s can be asked from here: %s.", t.site, instead)
	case !r.Reached:
		return "The process that syncs names no RabbitMQ, and hears nobody: " + instead + "."
	}
	return ""
}

// errBegun ends the wait for a sync that has begun.
var errBegun = errors.New("begun")

// Ask implements api.Inventories.
func (t *toldInventories) Ask(ctx context.Context, site string, r inventory.Request) (done string, err error) {
	asked := command.Request{Kind: command.InventorySync, Who: r.Who, Digest: r.Approve}
	if r.Approve != "" {
		asked.Kind = command.InventoryApprove
	}
	asked.ID = rand.Text() // the same each time, so that it is done once
	for try := 1; ; try++ {
		err = t.ask.ask(ctx, site, asked, func(a command.Answer) error {
			if a.Kind == command.Accepted && r.Approve == "" {
				done = "the sources are asked"
				return errBegun
			}
			done = a.Text
			return nil
		})
		refused := new(command.Refused)
		switch {
		case err == nil, errors.Is(err, errBegun):
			return done, nil
		case errors.As(err, &refused):
			return "", &api.NotDone{Text: refused.Text}
		case try == askTries || pause(ctx, askAgain) != nil:
			return "", &api.NotDone{Silent: true, Text: err.Error()}
		}
	}
}

// A mailbox that was made just now refuses for a moment: RabbitMQ has no leader of its queue yet.
const (
	askTries = 4
	askAgain = 500 * time.Millisecond
)

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inventoryDesk receives what people ask of a site's inventory over its bus.
func inventoryDesk(c Config, over bus.Bus, syncing *inventory.Syncing, log *slog.Logger) *command.Desk {
	return command.NewDesk(command.Config{Site: c.Site, Satellite: c.Satellite, Bus: over, Log: log, Inventory: func(ctx context.Context, r command.Request) (string, error) {
		return ownInventory{syncing}.soon(ctx, inventory.Request{Approve: r.Digest, Who: r.Who})
	}})
}

// actOf is what a person did who asked for r by a file.
func (c Config) actOf(r inventory.Request) results.Act {
	kind := command.InventorySync
	if r.Approve != "" {
		kind = command.InventoryApprove
	}
	a := command.Request{ID: r.ID, Kind: kind, Who: r.Who}.Act(c.Site, time.Now())
	if r.Approve != "" {
		a.Note = "digest " + r.Approve
	}
	return a
}
