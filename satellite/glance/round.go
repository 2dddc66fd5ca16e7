package glance

import (
	"context"
	"slices"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

const (
	// lookFor is how long a look round waits for a BMC: who is silent for longer gets a round, which asks properly.
	lookFor = time.Second
	// lookEvery spaces the pings of look rounds.
	lookEvery = 10 * time.Millisecond
)

// Broke takes in that a BMC of this satellite's fails at ping and did not before. It does not block.
func (g *Glances) Broke(id inventory.ID) {
	if g.Most <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.news = append(g.news, id)
	signal(g.wake)
}

// spread tells all satellites what broke, until ctx ends. One that could not be told is heard here at least.
func (g *Glances) spread(ctx context.Context) error {
	for {
		select {
		case <-g.wake:
		case <-ctx.Done():
			return nil
		}
		g.mu.Lock()
		news := g.news
		g.news = nil
		g.mu.Unlock()
		for _, id := range news {
			w := word{From: g.Satellite, BMC: id, Broke: true}
			if g.Air == nil || g.tell(ctx, w) != nil {
				g.broke(ctx, w)
			}
		}
	}
}

// broke decides whether this calls for a look round, and for whom of ours.
func (g *Glances) broke(ctx context.Context, w word) {
	bmc, known := g.Lookup(w.BMC)
	if !known || g.Most <= 0 {
		return
	}
	now := time.Now()
	g.mu.Lock()
	look := g.groups.breaks(bmc, now)
	g.mu.Unlock()
	if len(look) == 0 {
		return
	}
	ours := slices.DeleteFunc(members(look, g.Fleet), func(one candidate) bool { return !g.Worth(one.bmc) })
	g.mu.Lock()
	picked := g.groups.pick(ours, g.Most, now)
	g.line = append(g.line, picked...)
	g.mu.Unlock()
	if len(picked) > 0 {
		g.Log.InfoContext(ctx, "look round", "because_of", w.BMC, "rack", bmc.Rack, "bmcs", len(picked))
	}
	signal(g.lined)
}

// lookRound pings those in line, one every lookEvery, until ctx ends.
func (g *Glances) lookRound(ctx context.Context) error {
	var looks sync.WaitGroup
	defer looks.Wait()
	for {
		select {
		case <-g.lined:
		case <-ctx.Done():
			return nil
		}
		for id, more := g.next(); more; id, more = g.next() {
			looks.Go(func() { g.look(ctx, id) })
			if !rest(ctx, lookEvery) {
				return nil
			}
		}
	}
}

func (g *Glances) next() (inventory.ID, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.line) == 0 {
		return "", false
	}
	id := g.line[0]
	g.line = g.line[1:]
	return id, true
}

// look pings a BMC once, and has a round made of it if it is silent. One that answers costs no more.
func (g *Glances) look(ctx context.Context, id inventory.ID) {
	bmc, known := g.Lookup(id)
	if !known || !g.Alive() || !g.Worth(id) {
		return
	}
	found := g.ask(ctx, bmc, askPing, min(lookFor, g.timeout(askPing)), true)
	silent := checks.NetworkFailure(found)
	if ctx.Err() != nil || found.Outcome == checks.OutcomeUnknown {
		return
	}
	if g.Looked != nil {
		g.Looked(silent)
	}
	if silent {
		g.Silent(id)
	}
}

// rest waits; false: ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
