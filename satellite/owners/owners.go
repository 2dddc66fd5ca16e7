// Package owners says which satellite of a site each BMC belongs to just now, without a leader: each satellite tells a hello
// every 2 s, and each computes the same owner from the hellos that it hears.
//
// The scheduler asks it whose turn it is, the actors whether this satellite still hears the others, commands where to send a
// recheck. It speaks over the bus's Air. All decisions are in view, which only computes.
package owners

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/schedule"
)

const (
	tick     = 250 * time.Millisecond
	repeat   = time.Second     // a hello that did not come back is told again
	patience = 2 * time.Second // for one hello
	worrying = 3               // hellos that fail in a row; one does whenever a connection is lost
)

// Config is what a satellite tells of itself, and how. The functions may be nil; they are called by one goroutine at a time.
type Config struct {
	Name string
	Air  bus.Air
	// Holding are the BMCs that this satellite is busy with just now.
	Holding func() []inventory.ID
	// Frontier: each routine round of our BMCs that was due before it was started, or skipped with a record.
	Frontier func() time.Time
	// Stopped says whether this satellite has stopped its probes.
	Stopped func() bool
	Log     *slog.Logger
}

// Owners is a satellite's place among the others. Safe for concurrent use.
type Owners struct {
	Config
	nudge chan struct{} // holds a token when the others should hear news

	mu      sync.Mutex // guards the following
	view    view
	told    hello  // the last hello
	news    string // not yet in the log
	garbled int
}

// Member is a satellite as its last hello told it.
type Member struct {
	Name    string
	Started time.Time
	Heard   time.Time
	// Sees are the names in its view.
	Sees     []string
	Holds    int
	Frontier time.Time
	Stopped  bool
}

// New makes a satellite's place; it is taken by Run.
func New(c Config) *Owners {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Owners{Config: c, nudge: make(chan struct{}, 1), view: view{me: peer{Name: c.Name}}}
}

// Run tells and hears hellos until ctx ends, and takes leave then: end it after the last visit. The satellite answers for the
// rounds that fall due 6 s after Run began, so its scheduler must run by then. An error means that the bus is lost for good.
func (o *Owners) Run(ctx context.Context) error {
	o.start()
	o.beat(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var lost error
	var all sync.WaitGroup
	all.Go(func() {
		defer cancel()
		if err := o.Air.Hear(ctx, func(body []byte) { o.hear(ctx, body) }); err != nil && ctx.Err() == nil {
			lost = fmt.Errorf("hear hellos: %w", err)
		}
	})
	all.Go(func() { o.pulse(ctx) })
	o.speak(ctx)
	all.Wait()
	if lost == nil {
		o.leave(context.WithoutCancel(ctx))
	}
	return lost
}

func (o *Owners) start() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.view.me.Started = time.Now().UTC().Round(0)
	o.told.peer = o.view.me
}

// pulse notices that the process stood still, and what changed without a hello.
func (o *Owners) pulse(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			o.beat(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (o *Owners) beat(ctx context.Context) {
	held, stopped := o.holding(), o.Stopped != nil && o.Stopped()
	o.mu.Lock()
	now := time.Now()
	first := o.view.pulse.IsZero()
	ran := o.view.beat(now, o.told.Seq+1)
	news := join(o.news, o.view.expire(now))
	o.news = ""
	urgent := !ran || news != "" || o.view.ready(now) != o.told.Ready || stopped != o.told.Stopped || o.gained(held)
	o.mu.Unlock()
	if !ran && !first {
		o.Log.WarnContext(ctx, "this process stood still: it starts nothing before it has heard the others again")
	}
	o.say(ctx, news)
	if urgent {
		o.hurry()
	}
}

func (o *Owners) hear(ctx context.Context, body []byte) {
	h, err := decode(body)
	o.mu.Lock()
	var news string
	if err != nil {
		o.garbled++
	} else {
		news = o.view.hear(h, time.Now())
	}
	urgent := news != "" || o.view.asked
	o.mu.Unlock()
	if err != nil {
		o.Log.WarnContext(ctx, "hello not understood", "error", err)
	}
	o.say(ctx, news)
	if urgent {
		o.hurry()
	}
}

func (o *Owners) say(ctx context.Context, news string) {
	if news == "" {
		return
	}
	o.Log.InfoContext(ctx, "satellites of the site", "news", news, "satellites", o.names())
}

func (o *Owners) names() (names []string) {
	for _, m := range o.View() {
		names = append(names, m.Name)
	}
	return names
}

func (o *Owners) hurry() {
	select {
	case o.nudge <- struct{}{}:
	default:
	}
}

// Turn says whether this satellite may start the round of bmc that was due then (schedule.Config.Turn).
func (o *Owners) Turn(bmc inventory.ID, due time.Time, why checks.Why) schedule.Turn {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.expire(now)
	return o.view.turn(bmc, due, why, now)
}

// Owner is whom bmc belongs to just now; false while this satellite does not even hear itself.
func (o *Owners) Owner(bmc inventory.ID) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(time.Now())
	m := o.view.owner(bmc)
	if m == nil {
		return "", false
	}
	return m.Name, true
}

// Other is the satellite whose opinion on bmc should be asked besides ours: who would own it without us. false: there is none
// that is ready.
func (o *Owners) Other(bmc inventory.ID) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(time.Now())
	m := o.view.other(bmc)
	if m == nil {
		return "", false
	}
	return m.Name, true
}

// Alive says whether this satellite may act: it hears its own hellos, did not stand still, and nobody took its name.
func (o *Owners) Alive() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.expire(now)
	return o.view.alive(now)
}

// LoginAfter is when a BMC of ours can have no session of an owner any more that vanished; zero: there was none.
func (o *Owners) LoginAfter(bmc inventory.ID) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire(time.Now())
	return o.view.loginAfter(bmc)
}

// expire lets the silent go between two beats. o.mu is held.
func (o *Owners) expire(now time.Time) {
	if news := o.view.expire(now); news != "" {
		o.news = join(o.news, news)
		o.hurry()
	}
}

// View are the satellites that were heard in the last 6 s, by name.
func (o *Owners) View() []Member {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.view.list()
}

// Garbled is how many hellos were not understood.
func (o *Owners) Garbled() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.garbled
}
