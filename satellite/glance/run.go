package glance

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

// Config is what a satellite's glances need. The functions are called concurrently.
type Config struct {
	Satellite string
	Chain     checks.Chain
	Visit     func(inventory.BMC, checks.Known) *checks.Visit
	Memory    *memory.Memory
	Sight     actor.Sight // may be nil
	Lookup    func(inventory.ID) (inventory.BMC, bool)
	// Alive says whether others count on this satellite; nil: always.
	Alive func() bool

	// Air is where satellites ask each other, another than that of their hellos; nil: this one is alone.
	Air bus.Air
	// Other is the satellite to ask about a BMC; false: there is none. It may be nil without an Air.
	Other func(inventory.ID) (string, bool)
	// Opined, if any, is told of each second opinion: agree, disagree, or none.
	Opined func(opinion string)

	// Most is how many BMCs this satellite asks in one look round; 0: none.
	Most int
	// Fleet yields all BMCs of the site. Worth says of which a look round should ask: ours, that no round asks now and that do not
	// fail already. Silent starts a round of one that did not answer.
	Fleet  func(yield func(*inventory.BMC) bool)
	Worth  func(inventory.ID) bool
	Silent func(inventory.ID)
	// Looked, if any, is told of each BMC that a look round asked.
	Looked func(silent bool)

	// Log may be nil.
	Log *slog.Logger
}

// Glances are a satellite's glances. Safe for concurrent use.
type Glances struct {
	Config
	out, in chan struct{} // a place each for questions of ours that are out, and of others that are worked on
	heard   chan struct{} // a place for each question of others
	wake    chan struct{} // holds a token when something broke
	lined   chan struct{} // holds a token when there may be somebody in line

	disputes disputes

	mu      sync.Mutex // guards the following
	waiting map[string]chan *checks.Result
	news    []inventory.ID // what broke and was not told yet
	groups  groups
	line    []inventory.ID // whom a look round still has to ask
}

// New makes a satellite's glances; nobody hears them before Run.
func New(c Config) *Glances {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Alive == nil {
		c.Alive = func() bool { return true }
	}
	return &Glances{
		Config: c, out: make(chan struct{}, atOnce), in: make(chan struct{}, atOnce), heard: make(chan struct{}, mostHeard),
		wake: make(chan struct{}, 1), lined: make(chan struct{}, 1), waiting: map[string]chan *checks.Result{},
	}
}

// Run hears and answers other satellites and looks round until ctx ends. An error means that the bus is lost for good.
func (g *Glances) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return g.spread(ctx) })
	all.Go(func() error { return g.lookRound(ctx) })
	if g.Air != nil {
		all.Go(func() error { return g.listen(ctx) })
	}
	return all.Wait()
}

// listen hears what the others say, and itself.
func (g *Glances) listen(ctx context.Context) error {
	var answers sync.WaitGroup
	defer answers.Wait()
	err := g.Air.Hear(ctx, func(body []byte) {
		w, err := decode(body)
		switch {
		case err != nil:
			g.Log.WarnContext(ctx, "word not understood", "error", err)
		case w.Broke:
			g.broke(ctx, w)
		case w.To != g.Satellite:
		case w.Answer != nil:
			g.answered(w)
		case w.Ask != "":
			g.hearQuestion(ctx, &answers, w)
		}
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("hear other satellites: %w", err)
	}
	return nil
}

// hearQuestion has a question answered. A satellite that hears more than it can hold leaves them to their askers.
func (g *Glances) hearQuestion(ctx context.Context, answers *sync.WaitGroup, w word) {
	select {
	case g.heard <- struct{}{}:
		answers.Go(func() {
			defer func() { <-g.heard }()
			g.answer(ctx, w)
		})
	default:
	}
}

func (g *Glances) tell(ctx context.Context, w word) error {
	w.From = g.Satellite
	body, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("encode word about %s: %w", w.BMC, err)
	}
	return g.Air.Tell(ctx, body)
}
