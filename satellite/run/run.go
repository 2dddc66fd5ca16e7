// Package run wires a satellite: one actor per check of the chain, the scheduler, the visits, and the dead-letter actor.
//
// The roles of the command line start it, with the BMCs of inventory, the wires of checks, and a sink of results.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/glance"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/owners"
	"lamplighter/satellite/schedule"
	"lamplighter/satellite/slots"
)

// Config is what a satellite is made of.
type Config struct {
	Name string
	// Prefix begins the mailboxes' names; empty: local.
	Prefix string
	Chain  checks.Chain
	// Visit begins a visit without sending anything: (*checks.Wires).Visit, whose Run the caller sees to.
	Visit func(inventory.BMC, checks.Known) *checks.Visit
	// Keyring is asked before each login. Typed says that a person typed the user name (see actor.Logins).
	Keyring inventory.Keyring
	Typed   bool
	Memory  *memory.Memory
	// Bus is nil for a bus in memory.
	Bus bus.Bus
	// Air is where the satellites of a site hear each other; nil: this process serves its site alone. With it Prefix is the
	// site's name.
	Air bus.Air
	// Talk is where they ask each other for second opinions, and tell what broke; nil: they do not.
	Talk bus.Air
	// Look is how many BMCs this satellite asks at once when two of their rack or subnet break, where it runs round after round; 0:
	// none.
	Look int
	Sink results.Sink
	// Sight must be nil, not a nil pointer, where there is none.
	Sight actor.Sight
	// Observe, if any, is called with each result as it comes.
	Observe func(checks.Round, checks.Result)
	// Keep keeps dead letters; nil: they are logged. Buried, if any, is told of them.
	Keep   func(bus.Message) error
	Buried func(context.Context, results.DeadLetter) error
	// Started and Skipped, if any, are told of each round that was begun, and of each routine round that was not, and why.
	Started func(checks.Round)
	Skipped func(round checks.Round, why string)
	// Opined and Looked, if any, are told of each second opinion and of each BMC that a look round asked.
	Opined func(opinion string)
	Looked func(silent bool)
	// Log may be nil.
	Log *slog.Logger

	// Visits is how many routine rounds may run at once, silent BMCs not counted; 0: 64. Limits is the same by check; a check
	// that is not in it may take all visits.
	Visits int
	Limits map[checks.Name]int
	// Interval is the time between routine rounds of a BMC, for Run.
	Interval time.Duration
	// Drain is how long a stop waits for what runs; 0: 20 s.
	Drain time.Duration
}

// Satellite runs the chain. One of Run, Sweep and Check may be called at a time; Set and Request also while Run runs.
type Satellite struct {
	config    Config
	scheduler *schedule.Scheduler
	shared    *actor.Shared
	owners    *owners.Owners // nil: alone
	glances   *glance.Glances

	mu    sync.RWMutex // guards fleet
	fleet map[inventory.ID]*inventory.BMC
}

// New wires a satellite; nothing runs yet.
func New(c Config) *Satellite {
	c = defaults(c)
	s := &Satellite{config: c}
	s.shared = &actor.Shared{
		Satellite: c.Name, Prefix: c.Prefix, Chain: c.Chain, Lookup: s.lookup, Bus: c.Bus, Sink: c.Sink,
		Visits: &actor.Visits{Open: c.Visit, Memory: c.Memory},
		Logins: actor.Logins{Keyring: c.Keyring, Typed: c.Typed},
		Memory: c.Memory, Sight: c.Sight, Observe: c.Observe, Log: c.Log, Buried: c.Buried,
	}
	s.scheduler = schedule.New(s.schedule())
	s.shared.Ended, s.shared.Judged, s.shared.Stalled = s.scheduler.Ended, s.scheduler.Judged, s.scheduler.Stalled
	if c.Air != nil {
		s.join()
	}
	s.glances = glance.New(s.glance())
	s.shared.Second = s.glances.Second
	return s
}

func (s *Satellite) schedule() schedule.Config {
	c := s.config
	plan := schedule.Config{
		Chain: c.Chain, Interval: c.Interval, Drain: c.Drain, Visits: slots.ForRoutine(c.Visits), Start: s.start,
		Skipped: c.Skipped, Stopped: func() bool { return c.Memory.Stopped().On },
		Broke: func(bmc inventory.ID) { s.glances.Broke(bmc) },
	}
	if c.Air != nil {
		plan.Most, plan.Turn, plan.Held = held, s.turn, s.shared.Visits.Holds
	}
	return plan
}

func defaults(c Config) Config {
	if c.Prefix == "" {
		c.Prefix = "local"
	}
	if c.Bus == nil {
		c.Bus = new(bus.Memory)
	}
	if c.Visits == 0 {
		c.Visits = 64
	}
	if c.Drain == 0 {
		c.Drain = 20 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Keep == nil {
		c.Keep = func(m bus.Message) error {
			c.Log.Error("dead letter", "task", m.ID, "body", string(m.Body))
			return nil
		}
	}
	return c
}

func (s *Satellite) lookup(id inventory.ID) (inventory.BMC, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if bmc := s.fleet[id]; bmc != nil {
		return *bmc, true
	}
	return inventory.BMC{}, false
}

func (s *Satellite) start(ctx context.Context, bmc inventory.BMC, task checks.Task) error {
	first, more := actor.Next(s.config.Chain, bmc, &task)
	if !more {
		return bus.Reject(errors.New("no check applies"))
	}
	if err := s.shared.Send(ctx, task, first); err != nil {
		return err
	}
	if s.config.Started != nil {
		s.config.Started(task.Round)
	}
	return nil
}

// Set replaces the BMCs that Run and Request are about. It keeps the slice, which nobody may change any more: a copy of each
// record for each who looks at it would be most of what an idle BMC costs.
func (s *Satellite) Set(bmcs []inventory.BMC) {
	s.know(bmcs)
	s.scheduler.Set(bmcs)
}

func (s *Satellite) know(bmcs []inventory.BMC) {
	fleet := make(map[inventory.ID]*inventory.BMC, len(bmcs))
	for i := range bmcs {
		fleet[bmcs[i].ID] = &bmcs[i]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet = fleet
}

// Run runs round after round until ctx ends, then drains: no new rounds, what runs finishes within Drain, what does not is
// cancelled, and all visits are logged out. The error is a *schedule.Missing when rounds were cancelled.
func (s *Satellite) Run(ctx context.Context) error { return s.with(ctx, s.scheduler.Run) }

// Sweep runs one round of every BMC, every check, and returns when all verdicts are with the sink. When ctx ends first it
// drains, and the error is a *schedule.Missing.
func (s *Satellite) Sweep(ctx context.Context, bmcs []inventory.BMC) error {
	return s.once(ctx, bmcs, checks.Routine)
}

// Check runs one round of one BMC and returns its verdict, which the sink has got too.
func (s *Satellite) Check(ctx context.Context, bmc inventory.BMC, why checks.Why) (results.Verdict, error) {
	err := s.once(ctx, []inventory.BMC{bmc}, why)
	if err != nil {
		return results.Verdict{}, fmt.Errorf("check %s: %w", bmc.ID, err)
	}
	return s.scheduler.Last(bmc.ID), nil
}

func (s *Satellite) once(ctx context.Context, bmcs []inventory.BMC, why checks.Why) error {
	s.know(bmcs)
	return s.with(ctx, func(ctx context.Context) error { return s.scheduler.Once(ctx, bmcs, why) })
}

// Request runs a round of one BMC now, while Run runs; one that runs already is joined.
func (s *Satellite) Request(ctx context.Context, bmc inventory.ID, why checks.Why) (results.Verdict, error) {
	return s.scheduler.Request(ctx, bmc, why)
}

// Skipped is how many rounds were not started in time.
func (s *Satellite) Skipped() int { return s.scheduler.Skipped() }

// with has actors and visits run while work works. They outlive ctx, so that work can drain; the visits outlive the actors,
// and the site hears of us until the last visit is closed. Site memory outlives all.
func (s *Satellite) with(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // without what runs beneath it work can only stop
	forget := layer(ctx, cancel, s.config.Memory.Run)
	err := s.config.Memory.Ready(ctx) // before the first login, and before others count on us
	if err == nil {
		leave := layer(ctx, cancel, s.neighbours()...)
		closeVisits := layer(ctx, cancel, s.shared.Visits.Run)
		stop := layer(ctx, cancel, s.actors()...)
		err = work(ctx)
		err = errors.Join(err, stop(), closeVisits(), leave())
	}
	return errors.Join(err, forget())
}

// layer has all run until end, which waits for them. When one fails the others end, and failed is called.
func layer(ctx context.Context, failed func(), all ...func(context.Context) error) (end func() error) {
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	group, alive := errgroup.WithContext(alive)
	for _, run := range all {
		group.Go(func() error { return run(alive) })
	}
	ignore := context.AfterFunc(alive, failed)
	return func() error {
		ignore()
		stop()
		return group.Wait()
	}
}

// actor makes the actor of a check. It holds all tasks there can be, so that they wait where urgency counts.
func (s *Satellite) actor(check checks.Check) *actor.Actor {
	limit, ok := s.config.Limits[check.Name]
	if !ok {
		limit = s.config.Visits
	}
	hold := (1 + slots.Wide) * (s.config.Visits + 2) * 10 / 9
	if s.owners != nil {
		hold = taken
	}
	return actor.New(s.shared, check, limit, hold)
}
