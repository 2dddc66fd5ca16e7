package actor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

// logoutTime is how long a visit may take to log out, lateLogoutTime the same where a login's answer is still missing: checks
// wait 30 s for that.
const (
	logoutTime     = 5 * time.Second
	lateLogoutTime = 35 * time.Second
)

// remembered is how many rounds of a BMC are remembered as over, for copies of their tasks that come late.
const remembered = 8

// Visits are the satellite's live connections, one visit per BMC at most: whoever comes for another round of the same BMC
// waits until the running one has its verdict, and a copy of a running task finds what its twin did. How many rounds run at
// once is bounded where they start, by the scheduler.
type Visits struct {
	// Open begins a visit; it sends nothing.
	Open   func(inventory.BMC, checks.Known) *checks.Visit
	Memory *memory.Memory
	// Idle is how long a stay waits for its round's next task, bus.SpillAfter where tasks spill: then the task went to another
	// satellite, and the visit logs out. 0: until the round expires.
	Idle time.Duration
	// Lost, if any, is told of each round whose stay ended so.
	Lost func(checks.Round)

	closed func(*checks.Visit) // for tests: told after a visit was closed; may be nil

	mu    sync.Mutex // guards the following
	doors map[inventory.ID]*door
	over  map[inventory.ID][]checks.Round // the last rounds of each BMC that have their verdict
}

// Holding are the BMCs that this satellite visits or has tasks of, in no order.
func (v *Visits) Holding() []inventory.ID {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Collect(maps.Keys(v.doors))
}

// Holds says whether this satellite visits a BMC or has a task of it.
func (v *Visits) Holds(bmc inventory.ID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.doors[bmc] != nil
}

// fresh says that nothing was asked in this visit yet.
func (s *stay) fresh() bool { return len(s.results) == 0 }

// open begins the visit of a stay; whoever is in calls it.
func (v *Visits) open(s *stay, bmc inventory.BMC) {
	if s.visit == nil {
		s.visit = v.Open(bmc, v.Memory.Known(bmc.ID))
	}
}

// close logs out, on a context of its own: also when the round was cancelled. It takes at most as long as said, and from
// the end of ctx on no more than logoutTime. The results stay.
func (v *Visits) close(round context.Context, s *stay, most time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(round), most)
	defer cancel()
	defer context.AfterFunc(round, func() { time.AfterFunc(logoutTime, cancel) })()
	defer func() { _ = recover() }() // a visit is also closed after a panic, in whatever state that left it
	if s.visit != nil {
		_ = s.visit.Close(ctx) // a session that could not be closed is left to time out
		if v.closed != nil {
			v.closed(s.visit)
		}
	}
}

// running is the context of a check in a stay; done must follow. It ends when probes are stopped and when the satellite stops
// (life), and soon after the task's message was lost (ctx), in time for the visit to log out before the taker logs in.
func (v *Visits) running(ctx, life context.Context, s *stay) (running context.Context, done func()) {
	running, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	v.mu.Lock()
	s.cancel = cancel
	v.mu.Unlock()
	living := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	held := context.AfterFunc(ctx, func() { time.AfterFunc(bus.SpillAfter, func() { cancel(context.Cause(ctx)) }) })
	return running, func() {
		living()
		held()
		v.mu.Lock()
		s.cancel = nil
		v.mu.Unlock()
		cancel(nil)
	}
}

// errStopped is why a check ended that ran when all probes were stopped.
var errStopped = errors.New("all probes were stopped")

// obey cancels what runs when all probes are stopped, until ctx ends.
func (v *Visits) obey(ctx context.Context) {
	for {
		changed := v.Memory.Changed()
		if v.Memory.Stopped().On {
			v.cancelAll()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (v *Visits) cancelAll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range v.doors {
		if d.stay != nil && d.stay.cancel != nil {
			d.stay.cancel(errStopped)
		}
	}
}

// Run ends what runs when all probes are stopped, and closes visits whose task went elsewhere or whose deadline passed. When
// ctx ends it closes all: the actors must have ended before.
func (v *Visits) Run(ctx context.Context) error {
	var behind sync.WaitGroup
	defer behind.Wait()
	behind.Go(func() { v.obey(ctx) })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			v.closeIdle(ctx, &behind, v.lost, func(s *stay) bool {
				return now.After(s.deadline) || v.Idle > 0 && now.Sub(s.left) >= v.Idle
			})
		case <-ctx.Done():
			v.closeIdle(ctx, &behind, func(checks.Round) {}, func(*stay) bool { return true })
			return nil
		}
	}
}

// closeIdle has those stays closed that nobody is in, and tells of each. It does not wait: a BMC that is slow to log out must
// not keep another's session open.
func (v *Visits) closeIdle(ctx context.Context, behind *sync.WaitGroup, tell func(checks.Round), which func(*stay) bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range v.doors {
		if s := d.stay; s != nil && !s.busy && which(s) {
			s.busy = true
			behind.Go(func() {
				v.drop(ctx, s)
				tell(s.round)
			})
		}
	}
}

// drop closes a stay whose round is not over, and lets the next in; whoever is in calls it.
func (v *Visits) drop(ctx context.Context, s *stay) {
	v.close(ctx, s, logoutTime)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.remove(s)
}

func (v *Visits) lost(round checks.Round) {
	if v.Lost != nil {
		v.Lost(round)
	}
}
