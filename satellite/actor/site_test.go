package actor_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

var errDown = errors.New("the connection is down")

// wire is a satellite's connection to the bus. While it is down nothing goes through, and what was held goes to others although
// its handlers still run, as with a real broker.
type wire struct {
	bus.Bus
	handlers sync.WaitGroup
	// roll, if any, makes one in nine sends fail, one in nine fail although it worked, and three in nine come twice.
	roll func(n int) int

	mu    sync.Mutex // guards the following
	cut   chan struct{}
	back  time.Time
	steal bool // what is sent is gone
}

// lose cuts the connection for d.
func (w *wire) lose(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.back = time.Now().Add(d)
	close(w.cut)
	w.cut = make(chan struct{})
}

func (w *wire) state() (cut chan struct{}, down time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut, time.Until(w.back)
}

func (w *wire) Send(ctx context.Context, to bus.Mailbox, m bus.Message) error {
	if _, down := w.state(); down > 0 {
		return errDown
	}
	w.mu.Lock()
	steal := w.steal
	w.mu.Unlock()
	if steal {
		return nil
	}
	if w.roll == nil {
		return w.Bus.Send(ctx, to, m)
	}
	switch w.roll(9) {
	case 0:
		return errFlaky
	case 1:
		return errors.Join(w.Bus.Send(ctx, to, m), errFlaky)
	case 2, 3, 4:
		return errors.Join(w.Bus.Send(ctx, to, m), w.Bus.Send(ctx, to, m))
	}
	return w.Bus.Send(ctx, to, m)
}

func (w *wire) Receive(ctx context.Context, from bus.Mailbox, hold, run int, h bus.Handler) error {
	defer w.handlers.Wait()
	for ctx.Err() == nil {
		cut, down := w.state()
		if down > 0 {
			select {
			case <-time.After(down):
			case <-ctx.Done():
			}
			continue
		}
		if err := w.generation(ctx, cut, from, hold, run, h); err != nil {
			return err
		}
	}
	return nil
}

func (w *wire) generation(ctx context.Context, cut chan struct{}, from bus.Mailbox, hold, run int, h bus.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-cut:
			cancel()
		case <-ctx.Done():
		}
	})
	return w.Bus.Receive(ctx, from, hold, run, func(held context.Context, m bus.Message) error {
		done := make(chan error, 1)
		w.handlers.Go(func() { done <- bus.Call(held, h, m) })
		select {
		case err := <-done:
			return err
		case <-held.Done():
			return held.Err()
		}
	})
}

// several is a site of satellites on one bus, with one site memory.
type several struct {
	t     *testing.T
	bus   *bus.Memory
	fleet map[inventory.ID]inventory.BMC
	sats  []*sat

	mu       sync.Mutex // guards the following, and each sat's dead
	verdicts []results.Verdict
	sessions map[inventory.ID][]*sat
	logins   []string // "a sat-b", in order
	loginAt  map[inventory.ID]time.Time
	lost     []checks.Round
	dead     []bus.Message
	tolerant bool     // of overlaps
	overlaps []string // sessions that were opened beside another
}

type sat struct {
	*actor.Shared
	site   *several
	wire   *wire
	gone   bool // dead: nothing of it counts any more
	frozen bool // it comes to nothing, and others do not hear it
	stop   func()
}

// newSeveral makes satellites that run until the test's end; login checks of chain open a session.
func newSeveral(t *testing.T, chain checks.Chain, names []string, bmcs ...inventory.ID) *several {
	t.Helper()
	m, err := memory.Open("")
	if err != nil {
		t.Fatal(err)
	}
	s := &several{t: t, bus: new(bus.Memory), fleet: map[inventory.ID]inventory.BMC{},
		sessions: map[inventory.ID][]*sat{}, loginAt: map[inventory.ID]time.Time{}}
	for i, id := range bmcs {
		s.fleet[id] = inventory.BMC{ID: id, Address: netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), Login: "c", Site: "ams"}
	}
	for _, name := range names {
		s.sats = append(s.sats, s.satellite(name, chain, m))
	}
	return s
}

func (s *several) satellite(name string, chain checks.Chain, m *memory.Memory) *sat {
	one := &sat{site: s, wire: &wire{Bus: s.bus, cut: make(chan struct{})}}
	visits := &actor.Visits{
		Memory: m, Idle: bus.SpillAfter, Lost: func(r checks.Round) { s.locked(func() { s.lost = append(s.lost, r) }) },
		Open: func(bmc inventory.BMC, known checks.Known) *checks.Visit {
			return &checks.Visit{BMC: bmc, Known: known}
		},
	}
	visits.OnClosed(func(v *checks.Visit) {
		s.locked(func() {
			s.sessions[v.BMC.ID] = slices.DeleteFunc(s.sessions[v.BMC.ID], func(of *sat) bool { return of == one })
		})
	})
	one.Shared = &actor.Shared{
		Satellite: name, Prefix: "ams", Own: bus.Own("ams", name), Bus: one.wire, Sink: results.Func(one.emit), Visits: visits,
		Memory: m, Logins: actor.Logins{Keyring: keyring{}},
		Lookup: func(id inventory.ID) (inventory.BMC, bool) { bmc, ok := s.fleet[id]; return bmc, ok },
		Alive:  func() (alive bool) { s.locked(func() { alive = !one.frozen }); return alive },
	}
	one.Chain = slices.Clone(chain)
	for i, check := range chain {
		if check.Logs {
			one.Chain[i].Run = one.session(check.Run)
		}
	}
	one.run()
	return one
}

func (s *several) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (o *sat) emit(_ context.Context, v results.Verdict) error {
	o.site.locked(func() {
		if !o.gone {
			o.site.verdicts = append(o.site.verdicts, v)
		}
	})
	return nil
}

// session opens a session around the login check, and notices a second one.
func (o *sat) session(run func(context.Context, *checks.Visit) (checks.Finding, error)) func(context.Context, *checks.Visit) (checks.Finding, error) {
	return func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
		s := o.site
		s.locked(func() {
			s.logins = append(s.logins, string(v.BMC.ID)+" "+o.Satellite)
			s.loginAt[v.BMC.ID] = time.Now()
			live := func(of *sat) bool { return !of.gone && !of.frozen }
			if slices.ContainsFunc(s.sessions[v.BMC.ID], live) {
				s.overlaps = append(s.overlaps, fmt.Sprintf("%s logs in to %s, which has a session already", o.Satellite, v.BMC.ID))
			}
			s.sessions[v.BMC.ID] = append(s.sessions[v.BMC.ID], o)
		})
		return run(ctx, v)
	}
}

func (o *sat) run() {
	ctx, cancel := context.WithCancel(context.Background())
	visits, closeVisits := context.WithCancel(context.Background())
	var actors, behind errgroup.Group
	behind.Go(func() error { return o.Visits.Run(visits) })
	own := &actor.Own{Shared: o.Shared, Hold: 200}
	for _, check := range o.Chain {
		a := actor.New(o.Shared, check, 4, 8)
		own.Actors = append(own.Actors, a)
		actors.Go(func() error { return a.Run(ctx) })
	}
	actors.Go(func() error { return own.Run(ctx) })
	dead := &actor.Dead{Shared: o.Shared, Keep: func(m bus.Message) error {
		o.site.locked(func() { o.site.dead = append(o.site.dead, m) })
		return nil
	}}
	actors.Go(func() error { return dead.Run(ctx) })
	o.stop = sync.OnceFunc(func() {
		cancel()
		err := actors.Wait()
		closeVisits()
		if err := errors.Join(err, behind.Wait()); err != nil {
			o.site.t.Error(err)
		}
	})
}

// die ends a satellite at once: it sends nothing more, also no logout.
func (o *sat) die() {
	o.site.locked(func() { o.gone = true })
	o.wire.lose(24 * time.Hour)
	o.stop()
}

// freeze stops a satellite for d, as far as a test can: its check must hang by itself.
func (o *sat) freeze(d time.Duration) {
	o.site.locked(func() { o.frozen = true })
	o.wire.lose(d)
}

func (o *sat) thaw() { o.site.locked(func() { o.frozen = false }) }

func (s *several) end() {
	for _, one := range s.sats {
		one.stop()
	}
	for _, overlap := range s.overlaps {
		if !s.tolerant {
			s.t.Error(overlap)
		}
	}
	for id, open := range s.sessions {
		if slices.ContainsFunc(open, func(of *sat) bool { return !of.gone }) {
			s.t.Errorf("a session to %s was never closed", id)
		}
	}
}

func (s *several) task(id inventory.ID, n int, why checks.Why) checks.Task {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return checks.Task{
		Round: checks.Round{BMC: id, Due: now.Add(time.Duration(n) * time.Millisecond), Why: why},
		Rev:   s.fleet[id].Rev(), Expires: now.Add(5 * time.Minute),
	}
}

// start sends a round's first task on behalf of a satellite.
func (o *sat) start(task checks.Task) {
	o.site.t.Helper()
	if err := o.send(task); err != nil {
		o.site.t.Errorf("%s: %v", o.Satellite, err)
	}
}

func (o *sat) send(task checks.Task) error {
	first, _ := actor.Next(o.Chain, o.site.fleet[task.Round.BMC], &task)
	return o.Send(context.Background(), task, first)
}

// look is how far it got: while satellites run tests read it under the lock.
func (s *several) look(id inventory.ID) (verdicts, sessions int, lost []checks.Round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.verdicts), len(s.sessions[id]), slices.Clone(s.lost)
}

func (s *several) one() results.Verdict {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.verdicts) != 1 {
		s.t.Fatalf("%d verdicts, want 1: %+v", len(s.verdicts), s.verdicts)
	}
	return s.verdicts[0]
}

// takes is a check that takes d, or until it is cut short.
func takes(d time.Duration) func(context.Context, *checks.Visit) (checks.Finding, error) {
	return func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
		select {
		case <-time.After(d):
			return checks.Finding{}, nil
		case <-ctx.Done():
			return checks.Finding{}, fmt.Errorf("ask %s: %w", v.BMC.ID, ctx.Err())
		}
	}
}

func siteChain(tls, login, power time.Duration) checks.Chain {
	return checks.Chain{
		{Name: checks.Ping, Run: takes(10 * time.Millisecond)}, {Name: checks.TLS, Timeout: 10 * time.Second, Run: takes(tls)},
		{Name: checks.RedfishLogin, Logs: true, Timeout: 30 * time.Second, Run: takes(login)}, {Name: checks.Power, Timeout: 30 * time.Second, Run: takes(power)},
	}
}
