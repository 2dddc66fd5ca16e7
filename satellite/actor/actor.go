// Package actor runs the chain: one actor per check takes tasks from the check's mailbox, runs the check, and sends the task
// on to the next mailbox or the verdict to the sink.
//
// The scheduler sends the first task of a round; bus carries it from actor to actor; results judges how it ended. An actor
// owns no state beyond its slots: the task carries the round's history, and visits hold the connections.
package actor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/slots"
)

// Shared is what all actors of a satellite work with.
type Shared struct {
	Satellite string
	// Prefix begins the names of the mailboxes: local.ping.
	Prefix string
	// Own is this satellite's own mailbox, which all tasks of its rounds wait in, whatever the check; empty: it serves its site
	// alone, and they wait in the mailboxes of their checks.
	Own   bus.Mailbox
	Chain checks.Chain
	// Lookup is the satellite's own inventory; a task names the BMC by ID only.
	Lookup func(inventory.ID) (inventory.BMC, bool)
	Bus    bus.Bus
	Sink   results.Sink
	Visits *Visits
	Logins Logins
	Memory *memory.Memory
	// Sight may be nil: network failures are then taken as the BMC's.
	Sight Sight
	// Second is asked about each network failure before it is believed: it returns the result, or what another satellite's answer
	// makes of it. nil: nobody is asked.
	Second func(context.Context, inventory.ID, checks.Result) checks.Result
	// LoginAfter says, when a stay begins, when its first login may go out: the satellite that had the BMC before may have left a
	// session. nil: at once.
	LoginAfter func(inventory.ID) time.Time
	// Alive says whether others still count on this satellite. While they do not, its tasks go back and its results are thrown
	// away: another has taken over. nil: always.
	Alive func() bool
	// Buried, if any, is told of each dead letter; nil once it has it for good.
	Buried func(context.Context, results.DeadLetter) error
	// Observe, if any, is called with each result as it comes, concurrently for different BMCs.
	Observe func(checks.Round, checks.Result)
	// Ended, if any, is called once a round's verdict is durable and its visit closed; Judged before, when the verdict is
	// durable but closing takes long; Stalled when a check waits longer than patience.
	Ended   func(results.Verdict)
	Judged  func(results.Verdict)
	Stalled func(checks.Round)
	// Log may be nil.
	Log *slog.Logger
}

// Sight proves that the satellite sees the network while a probe fails; *checks.Sight in the product. Actors call both
// methods concurrently.
type Sight interface {
	// Watch begins a probe's window; proof ends it.
	Watch(ctx context.Context, bmc inventory.BMC) (proof func() checks.Proof)
	// Answered says that a BMC answered.
	Answered(bmc inventory.BMC, at time.Time)
}

// Actor runs one check.
type Actor struct {
	*Shared
	Check checks.Check
	// Hold is how many tasks wait here by urgency; the rest waits in the mailbox.
	Hold  int
	slots *slots.Slots
	usual atomic.Int64 // how long the check takes where a BMC answers, in nanoseconds; 0: not known yet
}

// New makes the actor of a check that runs at most limit at once, not counting those that wait longer than patience.
func New(shared *Shared, check checks.Check, limit, hold int) *Actor {
	return &Actor{Shared: shared, Check: check, Hold: hold, slots: slots.New(limit)}
}

// Mailbox is where the tasks of a check wait.
func Mailbox(prefix string, check checks.Name) bus.Mailbox {
	return bus.Mailbox(prefix + "." + string(check))
}

// Run handles tasks of the check's mailbox until ctx ends, and hands back what it could not finish. With an own mailbox these are
// other satellites' tasks, to take over.
func (a *Actor) Run(ctx context.Context) error {
	handle := func(held context.Context, m bus.Message) error { return a.handle(held, ctx, m, a.Own != "") }
	return a.Bus.Receive(ctx, Mailbox(a.Prefix, a.Check.Name), a.Hold, a.Hold, a.guarded(a.Check.Name, handle))
}

// handle is what an actor does with a message, whole. ctx ends when the message is no longer ours, life when the satellite stops.
func (a *Actor) handle(ctx, life context.Context, m bus.Message, takeover bool) error {
	came := time.Now()
	task, err := a.decode(m.Body)
	if err != nil {
		return bus.Reject(fmt.Errorf("%s: %w", m.ID, err))
	}
	task.Failures += max(0, m.Delivery-1)
	if err := a.heard(ctx, life, task); err != nil {
		return err
	}
	bmc, known := a.Lookup(task.Round.BMC)
	stay, err := a.Visits.enter(ctx, task)
	switch {
	case errors.Is(err, errOver):
		return nil // a copy of a task whose round has its verdict
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return a.refuse(ctx, task, bmc, nil, checks.SelfExpired, err)
	}
	defer a.Visits.leave(ctx, stay)
	a.begin(stay, came, takeover)
	if !known || bmc.Rev() != task.Rev {
		return a.refuse(ctx, task, bmc, stay, checks.SelfInventory, errors.New("the satellite knows another record of this BMC, or none"))
	}
	if stay.fresh() && len(task.Done) > 0 {
		return a.rewind(ctx, task, bmc)
	}
	a.Visits.open(stay, bmc)
	result, err := a.ask(ctx, life, stay, task)
	if bug := new(panicked); errors.As(err, &bug) {
		return a.recover(ctx, task, bmc, stay, bug)
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err // a result that came too late stays, should the message come back
	}
	return a.send(ctx, task, bmc, stay, result)
}

// begin says when the first login of a stay may go out: of a round that was another's, not while its session may be open. That
// counts from when its task came, for by then the other had lost it; it may have waited at the BMC's door since.
func (s *Shared) begin(stay *stay, came time.Time, takeover bool) {
	if stay.begun {
		return
	}
	stay.begun = true
	if takeover {
		stay.loginAfter = came.Add(TakeoverWait)
	}
	if s.LoginAfter == nil {
		return
	}
	if at := s.LoginAfter(stay.round.BMC); at.After(stay.loginAfter) {
		stay.loginAfter = at
	}
}

// decode reads a task and refuses what no actor or scheduler sends.
func (a *Actor) decode(body []byte) (checks.Task, error) {
	var task checks.Task
	if err := json.Unmarshal(body, &task); err != nil {
		return task, fmt.Errorf("decode task: %w", err)
	}
	if task.Check != a.Check.Name || task.Round.BMC == "" || task.Failures < 0 {
		return task, fmt.Errorf("decode task: %s for %q came to %s", task.Round, task.Check, a.Check.Name)
	}
	for _, r := range task.Done {
		if r.Outcome != checks.OK {
			return task, fmt.Errorf("decode task: %s goes on although %s ended %s", task.Round, r.Check, r.Outcome)
		}
	}
	return task, nil
}

// rewind starts the round again: the connections and the login that its results rest on were another visit's.
func (a *Actor) rewind(ctx context.Context, task checks.Task, bmc inventory.BMC) error {
	task.Done = nil
	first, more := Next(a.Chain, bmc, &task)
	if !more {
		return bus.Reject(fmt.Errorf("%s: no check applies", task.Round))
	}
	return a.sendUntil(ctx, task, first)
}

// send ends the task: as the next check's task, or as a verdict.
func (a *Actor) send(ctx context.Context, task checks.Task, bmc inventory.BMC, stay *stay, result checks.Result) error {
	task.Done = append(task.Done, result)
	if next, more := Next(a.Chain, bmc, &task); more {
		return a.sendUntil(ctx, task, next)
	}
	return a.emit(ctx, task, bmc, stay)
}

// refuse ends a task without a packet, as Unknown. stay is nil where its round could not enter.
func (a *Actor) refuse(ctx context.Context, task checks.Task, bmc inventory.BMC, stay *stay, why checks.Reason, err error) error {
	now := time.Now()
	result := checks.NewResult(a.Check.Name, checks.Finding{}, checks.Ours(why, err), now, now)
	result.Satellite = a.Satellite
	a.observe(task.Round, result)
	task.Done = append(task.Done, result)
	return a.emit(ctx, task, bmc, stay)
}

// emit ends a round: it logs out first, so that when the last verdict is out no session is open. Only where a login's answer
// is still missing the verdict does not wait for that; the BMC stays locked until the session, should it come, is ended.
func (s *Shared) emit(ctx context.Context, task checks.Task, bmc inventory.BMC, stay *stay) error {
	late := stay != nil && s.lateLogin(task)
	if stay != nil && !late {
		s.Visits.close(ctx, stay, logoutTime)
	}
	v := results.Judge(task, bmc, s.Chain, s.Satellite, time.Now())
	if err := s.Sink.Emit(ctx, v); err != nil {
		return fmt.Errorf("emit verdict of %s: %w", task.Round, err)
	}
	if late {
		s.judged(v)
		s.Visits.close(ctx, stay, lateLogoutTime)
	}
	s.Visits.end(task.Round, stay)
	s.ended(v)
	return nil
}

// lateLogin says whether the BMC may still answer a login that the check gave up.
func (s *Shared) lateLogin(task checks.Task) bool {
	last := task.Done[len(task.Done)-1]
	check, _ := s.Chain.Check(last.Check)
	return check.Logs && last.Reason == checks.APITimeout
}

func (s *Shared) ended(v results.Verdict) {
	if s.Ended != nil {
		s.Ended(v)
	}
}

func (s *Shared) judged(v results.Verdict) {
	if s.Judged != nil {
		s.Judged(v)
	}
}

func (s *Shared) observe(round checks.Round, r checks.Result) {
	if s.Observe != nil {
		s.Observe(round, r)
	}
}

// Next is the check that task asks next; results that are carried over take the place of their checks on the way.
func Next(chain checks.Chain, bmc inventory.BMC, task *checks.Task) (checks.Check, bool) {
	for {
		check, more := chain.After(bmc, task.Done)
		if !more {
			return checks.Check{}, false
		}
		carried, ok := find(task.Carried, check.Name)
		if !ok {
			return check, true
		}
		task.Done = append(task.Done, carried)
	}
}

func find(all []checks.Result, name checks.Name) (checks.Result, bool) {
	for _, r := range all {
		if r.Check == name {
			return r, true
		}
	}
	return checks.Result{}, false
}
