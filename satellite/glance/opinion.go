package glance

import (
	"context"
	"crypto/rand"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

const (
	// margin is how much longer than its question may take another satellite's answer is waited for: proof of sight, and the way
	// there and back.
	margin = 3 * time.Second
	// atOnce is how many questions a satellite has out, and how many of others it works on; more wait for their turn within their
	// time.
	atOnce = 256
	// mostHeard is how many questions may wait here: what is more is not answered.
	mostHeard = 8 * atOnce
)

// Second asks another satellite about r, a network failure of this one's, and says what that makes of it (checks.Weigh). It
// returns r as it is where there is nobody to ask, and takes as long as the same question takes, and margin, where nobody answers.
// With ctx it ends at once.
func (g *Glances) Second(ctx context.Context, id inventory.ID, r checks.Result) checks.Result {
	if g.Air == nil {
		return r
	}
	bmc, known := g.Lookup(id)
	if !known {
		return r
	}
	q, again := questionOf(r.Check)
	if again && !checks.NetworkFailure(g.ask(ctx, bmc, q, g.timeout(q), false)) {
		return r // we see the BMC, or do not know: it is not the way there
	}
	second, ok := g.Other(id)
	if !ok {
		return g.disputes.settle(id, "", "none", r, time.Now())
	}
	opinion := g.opinion(ctx, bmc, second, q)
	if ctx.Err() != nil {
		return r
	}
	weighed := checks.Weigh(r, second, opinion)
	said := "none"
	switch {
	case weighed.Reason == checks.SelfPath:
		said = "disagree"
	case opinion != nil && checks.NetworkFailure(*opinion):
		said = "agree"
	}
	if g.Opined != nil {
		g.Opined(said)
	}
	return g.disputes.settle(id, second, said, weighed, time.Now())
}

// opinion is what another satellite found; nil: it did not say in time.
func (g *Glances) opinion(ctx context.Context, bmc inventory.BMC, second string, q question) *checks.Result {
	within := g.timeout(q) + margin
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if !take(ctx, g.out) {
		return nil
	}
	defer func() { <-g.out }()
	w := word{To: second, BMC: bmc.ID, Rev: bmc.Rev(), ID: rand.Text(), Ask: q, WithinMS: within.Milliseconds()}
	answer := make(chan *checks.Result, 1)
	g.await(w.ID, answer)
	defer g.await(w.ID, nil)
	if err := g.tell(ctx, w); err != nil {
		g.Log.DebugContext(ctx, "no second opinion", "bmc", bmc.ID, "asked", second, "error", err)
		return nil
	}
	select {
	case found := <-answer:
		return found
	case <-ctx.Done():
		return nil
	}
}

// take takes one of the places in a channel; false: ctx ended first.
func take(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// await has the answer to a question go to where it is waited for; nil: it is no more.
func (g *Glances) await(id string, answer chan *checks.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if answer == nil {
		delete(g.waiting, id)
		return
	}
	g.waiting[id] = answer
}

// answered takes in an answer; one that came too late finds nobody.
func (g *Glances) answered(w word) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if answer := g.waiting[w.ID]; answer != nil {
		delete(g.waiting, w.ID)
		answer <- w.Answer
	}
}

// answer asks a BMC for another satellite and tells it what was found. Whoever is not sure of its own place does not say
// anything, nor does one that knows another record of the BMC.
func (g *Glances) answer(ctx context.Context, w word) {
	ctx, cancel := context.WithTimeout(ctx, w.within())
	defer cancel()
	bmc, known := g.Lookup(w.BMC)
	if !known || bmc.Rev() != w.Rev || !g.Alive() || !take(ctx, g.in) {
		return
	}
	defer func() { <-g.in }()
	found := g.ask(ctx, bmc, w.Ask, g.timeout(w.Ask), false)
	if ctx.Err() != nil || !g.Alive() {
		return
	}
	found.Satellite, found.Error, found.Facts = g.Satellite, "", nil
	if err := g.tell(ctx, word{To: w.From, BMC: w.BMC, ID: w.ID, Answer: &found}); err != nil {
		g.Log.DebugContext(ctx, "second opinion not told", "bmc", w.BMC, "asked_by", w.From, "error", err)
	}
}
