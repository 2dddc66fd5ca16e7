package command

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/memory"
)

// work does what a request asks, and says in a line what was done.
func (d *Desk) work(ctx context.Context, r Request) (done string, err error) {
	if (d.Inventory != nil) != r.Kind.ofInventory() {
		return "", fmt.Errorf("%s: this is not done here", r.Kind)
	}
	if d.Inventory != nil {
		d.answer(ctx, r, Answer{Kind: Accepted})
		return d.Inventory(ctx, r)
	}
	if r.Kind == Recheck {
		return d.recheck(ctx, r)
	}
	if r.Kind == FenceList {
		fences, held := d.Memory.Fences(), d.Memory.Holds()
		d.answer(ctx, r, Answer{Kind: Fences, Fences: fences, Held: held})
		return fmt.Sprintf("%d fences, %d credentials stopped", len(fences), len(held)), nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return Do(ctx, d.Memory, r)
}

// Do does what a request asks of site memory: with one process and no broker nobody else need know.
func Do(ctx context.Context, m *memory.Memory, r Request) (done string, err error) {
	switch {
	case r.Kind == FenceClear && r.BMC != "":
		return fmt.Sprintf("the fence of %s is cleared", r.BMC), m.Clear(ctx, r.BMC)
	case r.Kind == FenceClear:
		return fmt.Sprintf("the logins with credential %s may go on", r.Credential), m.ClearGroup(ctx, r.Credential)
	case r.Kind == Stop:
		return "all probes are stopped", m.SetStop(ctx, memory.Stop{On: true, By: by(r), At: time.Now().UTC()})
	case r.Kind == Go:
		return "probes may go on", m.SetStop(ctx, memory.Stop{By: by(r), At: time.Now().UTC()})
	}
	return "", fmt.Errorf("%s: site memory cannot do that", r.Kind)
}

// changes says that a request changes what holds for a site until somebody asks for the contrary.
func (k Kind) changes() bool { return k == FenceClear || k == Stop || k == Go }

// Act is what a person did who asked for r by the command line.
func (r Request) Act(site string, at time.Time) results.Act {
	note := r.Text
	if r.Credential != "" {
		note = strings.TrimSpace("credential " + r.Credential + " " + note)
	}
	return results.Act{Schema: results.ActSchema, Site: site, ID: r.ID, Do: string(r.Kind), Who: r.Who, BMC: r.BMC, Note: note, At: at.UTC().Truncate(time.Millisecond)}
}

func by(r Request) string {
	if r.Text == "" {
		return r.Who
	}
	return r.Who + ": " + r.Text
}

// recheck runs a round, or joins the one that runs, and tells what it finds while it runs.
func (d *Desk) recheck(ctx context.Context, r Request) (done string, err error) {
	if stop := d.Memory.Stopped(); stop.On {
		return "", fmt.Errorf("check %s again: all probes are stopped since %s by %s", r.BMC, stop.At.Format(time.RFC3339), stop.By)
	}
	watch, unwatch := d.watch(r.BMC)
	defer unwatch()
	d.answer(ctx, r, Answer{Kind: Accepted})

	ctx, cancel := context.WithCancel(ctx)
	var round sync.WaitGroup
	defer round.Wait()
	defer cancel()
	var verdict results.Verdict
	ended := make(chan error, 1)
	round.Go(func() {
		var err error
		verdict, err = d.Request(ctx, r.BMC, checks.Person)
		ended <- err
	})
	ticker := time.NewTicker(reassure)
	defer ticker.Stop()
	for {
		select {
		case f := <-watch:
			d.answer(ctx, r, Answer{Kind: Result, Round: &f.round, Result: &f.result})
		case <-ticker.C:
			d.answer(ctx, r, Answer{Kind: Accepted})
		case err := <-ended:
			if err != nil {
				return "", fmt.Errorf("check %s again: %w", r.BMC, err)
			}
			d.rest(ctx, r, watch)
			d.answer(ctx, r, Answer{Kind: Verdict, Round: &verdict.Round, Verdict: &verdict})
			return fmt.Sprintf("%s is %s", r.BMC, verdict.Health), nil
		}
	}
}

// rest tells what came just before the verdict.
func (d *Desk) rest(ctx context.Context, r Request, watch <-chan finding) {
	for {
		select {
		case f := <-watch:
			d.answer(ctx, r, Answer{Kind: Result, Round: &f.round, Result: &f.result})
		default:
			return
		}
	}
}

func (d *Desk) watch(bmc inventory.ID) (watch chan finding, unwatch func()) {
	watch = make(chan finding, 32) // more than a chain has checks
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.watches[bmc] == nil {
		d.watches[bmc] = map[chan finding]struct{}{}
	}
	d.watches[bmc][watch] = struct{}{}
	return watch, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.watches[bmc], watch)
		if len(d.watches[bmc]) == 0 {
			delete(d.watches, bmc)
		}
	}
}
