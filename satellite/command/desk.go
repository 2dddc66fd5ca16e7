package command

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

const (
	atOnce   = 64               // requests that a satellite works on at once
	maxHops  = 10               // satellites that disagree on an owner send a request back and forth
	repeated = time.Minute      // for how long a request is known again
	reassure = 10 * time.Second // how often an asker hears that its request is still worked on
	patience = 5 * time.Second  // for one message to the bus, and for site memory
)

// Config is what a desk needs.
type Config struct {
	Site, Satellite string
	Bus             bus.Bus
	// Owner is whose a BMC is, (*owners.Owners).Owner; nil: all are ours.
	Owner func(inventory.ID) (string, bool)
	// Request runs a round now, or joins the one that runs: (*run.Satellite).Request.
	Request func(context.Context, inventory.ID, checks.Why) (results.Verdict, error)
	Memory  *memory.Memory
	// Did, if any, writes down what a person had done, once it was done.
	Did func(context.Context, Request) error
	// Inventory, if any, does what is asked of a site's inventory, and nothing else is done here: the desk of a process that syncs.
	Inventory func(context.Context, Request) (done string, err error)
	Log       *slog.Logger
}

// Desk receives a site's requests at one satellite.
type Desk struct {
	Config

	mu      sync.Mutex // guards the following
	watches map[inventory.ID]map[chan finding]struct{}
	seen    map[string]time.Time // when a request was taken
}

// finding is a result as it comes.
type finding struct {
	round  checks.Round
	result checks.Result
}

// NewDesk makes a desk; Run opens it.
func NewDesk(c Config) *Desk {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{Config: c, watches: map[inventory.ID]map[chan finding]struct{}{}, seen: map[string]time.Time{}}
}

// Run receives until ctx ends. An error means that the bus is lost for good.
func (d *Desk) Run(ctx context.Context) error {
	boxes := []bus.Mailbox{Mailbox(d.Site), own(d.Site, d.Satellite)}
	if d.Inventory != nil {
		boxes = []bus.Mailbox{InventoryMailbox(d.Site)}
	}
	both, ctx := errgroup.WithContext(ctx)
	for _, box := range boxes {
		both.Go(func() error { return d.Bus.Receive(ctx, box, atOnce, atOnce, d.take) })
	}
	if err := both.Wait(); err != nil {
		return fmt.Errorf("receive requests of site %s: %w", d.Site, err)
	}
	return nil
}

// Observe takes in each result of this satellite's rounds as it comes (run.Config.Observe). It never blocks.
func (d *Desk) Observe(round checks.Round, r checks.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for watch := range d.watches[round.BMC] {
		select {
		case watch <- finding{round, r}:
		default: // an asker that is this slow reads it in the verdict
		}
	}
}

// take decides what becomes of a request. On an error the bus brings it again.
func (d *Desk) take(ctx context.Context, m bus.Message) error {
	r, err := decode(m.Body)
	if err != nil {
		return bus.Reject(err)
	}
	log := d.Log.With("request", r.ID, "kind", r.Kind, "who", r.Who)
	if late := time.Since(r.Expires); late >= 0 {
		log.WarnContext(ctx, "request expired before anybody took it", "late", late.Round(time.Millisecond))
		return nil
	}
	if r.Kind == Recheck && d.Inventory == nil {
		if elsewhere, err := d.forward(ctx, r, m.Delivery, log); elsewhere || err != nil {
			return err
		}
	}
	if !d.first(r.ID) {
		log.InfoContext(ctx, "request came twice")
		return nil
	}
	log.InfoContext(ctx, "request", "bmc", r.BMC, "credential", r.Credential, "text", r.Text)
	done, err := d.work(ctx, r)
	if err != nil && ctx.Err() != nil {
		d.forget(r.ID)
		return err // a shutdown: another satellite takes it
	}
	if err != nil {
		log.WarnContext(ctx, "request refused", "error", err)
		d.answer(ctx, r, Answer{Kind: Failed, Text: err.Error()})
		return nil
	}
	log.InfoContext(ctx, "request done", "outcome", done)
	if d.Did != nil && r.Kind.changes() {
		if err := d.Did(ctx, r); err != nil {
			log.ErrorContext(ctx, "what was done could not be written down", "error", err)
		}
	}
	d.answer(ctx, r, Answer{Kind: Done, Text: done})
	return nil
}

// forward sends a request on to the owner of its BMC, unless that is us. After maxHops the bus holds it back before each
// further one: a view of the site settles within seconds.
func (d *Desk) forward(ctx context.Context, r Request, delivery int, log *slog.Logger) (elsewhere bool, err error) {
	if d.Owner == nil {
		return false, nil
	}
	owner, known := d.Owner(r.BMC)
	switch {
	case !known:
		return false, fmt.Errorf("request %s: the owner of %s is not known yet", r.ID, r.BMC)
	case owner == d.Satellite:
		return false, nil
	case r.Hops >= maxHops+delivery-1:
		return false, fmt.Errorf("request %s: the satellites do not agree on the owner of %s", r.ID, r.BMC)
	}
	r.Hops++
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := send(ctx, d.Bus, own(d.Site, owner), Mailbox(d.Site), r); err != nil {
		return false, fmt.Errorf("send request %s on to %s: %w", r.ID, owner, err)
	}
	log.DebugContext(ctx, "request sent on", "owner", owner)
	return true, nil
}

// first says whether a request was not taken within the last minute.
func (d *Desk) first(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for id, at := range d.seen {
		if now.Sub(at) > repeated {
			delete(d.seen, id)
		}
	}
	_, known := d.seen[id]
	if !known {
		d.seen[id] = now
	}
	return !known
}

func (d *Desk) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.seen, id)
}

// answer tells an asker, also in a shutdown. One that has gone is no reason not to finish.
func (d *Desk) answer(ctx context.Context, r Request, a Answer) {
	a.ID, a.Satellite = r.ID, d.Satellite
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	body, err := json.Marshal(a)
	if err == nil {
		err = d.Bus.Send(ctx, r.Reply, bus.Message{ID: r.ID, Body: body})
	}
	if err != nil {
		d.Log.DebugContext(ctx, "answer not sent", "request", r.ID, "answer", a.Kind, "error", err)
	}
}
