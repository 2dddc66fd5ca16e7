package actor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/slots"
)

// Patience is how long a check may wait at most before it makes room for others.
const Patience = time.Second

// patience is how long a check may wait: four times as long as it takes where a BMC answers, for then this one is silent. Where
// BMCs are slow, or this satellite is, that is longer, so that their slowness does not let in more and more at once.
func (a *Actor) patience() time.Duration {
	enough := 4 * time.Duration(a.usual.Load())
	if enough == 0 {
		enough = a.Check.Timeout / 30
	}
	return min(max(enough, Patience/10), Patience)
}

// took counts how long an answered check took; of two at the same moment one may be lost.
func (a *Actor) took(d time.Duration) {
	usual := a.usual.Load()
	if usual == 0 {
		a.usual.Store(max(1, int64(d)))
		return
	}
	a.usual.Store(max(1, usual+(int64(d)-usual)/8))
}

// ask is the check's result in this stay: it is run at most once in a round, however often its task comes. An error that is
// no panic hands the task back.
func (a *Actor) ask(ctx, life context.Context, stay *stay, task checks.Task) (checks.Result, error) {
	if r, ok := stay.results[a.Check.Name]; ok {
		return r, nil
	}
	running, done := a.Visits.running(ctx, life, stay)
	defer done()
	result, err := a.turn(ctx, running, stay, task)
	switch {
	case errors.Is(err, errCut) && errors.Is(context.Cause(running), errStopped):
		result = a.stopped()
	case errors.Is(err, errAway):
		a.Visits.drop(ctx, stay)
		a.Visits.lost(task.Round)
		return result, err
	case err != nil:
		return result, err
	}
	result.Satellite = a.Satellite
	stay.results[a.Check.Name] = result
	a.observe(task.Round, result)
	return result, nil
}

var (
	// errCut says that a check did not end by itself: it proves nothing.
	errCut = errors.New("the check was cut short")
	// errAway says that others may have taken this satellite's rounds over.
	errAway = errors.New("this satellite did not hear itself for too long, others may have taken over")
)

func (a *Actor) away() bool { return a.Alive != nil && !a.Alive() }

// deafness is how long a task waits for its satellite to hear itself: a broker that comes back lets none hear at once, and a task
// that all hand back waits longer each time.
const deafness = 5 * time.Second

// heard waits until others count on this satellite. If they do not for too long, the task is theirs; one that has expired is
// nobody's.
func (a *Actor) heard(ctx, life context.Context, task checks.Task) error {
	if !a.away() {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, deafness)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	tick := time.NewTicker(deafness / 50)
	defer tick.Stop()
	for a.away() && time.Now().Before(task.Expires) {
		select {
		case <-tick.C:
		case <-waiting.Done():
			a.Visits.lost(task.Round)
			return errAway
		}
	}
	return nil
}

// turn waits for the check's turn and runs it.
func (a *Actor) turn(ctx, running context.Context, stay *stay, task checks.Task) (checks.Result, error) {
	slot := a.wait(ctx, running, stay, task)
	if slot != nil {
		defer slot.Release()
	}
	switch {
	case ctx.Err() != nil || running.Err() != nil:
		return checks.Result{}, errCut
	case slot == nil || !time.Now().Before(task.Expires):
		now := time.Now()
		return checks.NewResult(a.Check.Name, checks.Finding{}, checks.Ours(checks.SelfExpired,
			fmt.Errorf("%s: its turn did not come before it expired", task.Round)), now, now), nil
	case a.away():
		return checks.Result{}, errAway
	}
	stalled := time.AfterFunc(a.patience(), func() { a.stall(slot.Stall, task.Round) })
	defer stalled.Stop()
	result, err := a.probe(running, stay.visit, task.Round)
	if err == nil && a.away() {
		err = errAway
	}
	return result, err
}

// wait waits until the stay may log in, where the check does, and then for a slot; nil: it expired, or was cut short.
func (a *Actor) wait(ctx, running context.Context, stay *stay, task checks.Task) *slots.Slot {
	waiting, cancel := context.WithDeadline(ctx, task.Expires)
	defer cancel()
	defer context.AfterFunc(running, cancel)()
	if left := time.Until(stay.loginAfter); a.Check.Logs && left > 0 {
		a.stall(func() {}, task.Round)
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-waiting.Done():
			return nil
		}
	}
	return a.slots.Acquire(waiting, task.Round.Why.Lane(), task.Round.Due)
}

// stopped is the result of a check that was cut short because all probes were stopped.
func (a *Actor) stopped() checks.Result {
	now := time.Now()
	return checks.NewResult(a.Check.Name, checks.Finding{}, stopFault(a.Memory.Stopped()), now, now)
}

func stopFault(stop memory.Stop) error {
	return checks.Ours(checks.SelfStopped, fmt.Errorf("all probes were stopped by %s at %s", stop.By, stop.At.Format(time.RFC3339)))
}

func (a *Actor) stall(move func(), round checks.Round) {
	move()
	if a.Stalled != nil {
		a.Stalled(round)
	}
}

// probe runs the check, if its login may be tried, and judges whose failure it was. The error is a panic, or errCut. Where a BMC refuses a
// credential that is being changed, the next one is tried at once: nobody is told of a refusal that was to be expected.
func (a *Actor) probe(ctx context.Context, visit *checks.Visit, round checks.Round) (checks.Result, error) {
	result, next, err := a.try(ctx, visit, round)
	if err == nil && next && result.Reason == checks.AuthRejected { // not of an account that is locked: it refuses everything
		result, _, err = a.try(ctx, visit, round)
	}
	return result, err
}

// try is one probe. next says that there is another version of the credential to try.
func (a *Actor) try(ctx context.Context, visit *checks.Visit, round checks.Round) (result checks.Result, next bool, err error) {
	start := time.Now()
	pass, err := a.admit(ctx, visit, round)
	if err != nil && ctx.Err() != nil {
		return result, false, errCut
	}
	if err != nil {
		return checks.NewResult(a.Check.Name, checks.Finding{}, err, start, time.Now()), false, nil
	}
	watching, cancel := context.WithCancel(ctx) // the window ends with the check, unless proof is asked for
	defer cancel()
	proof := a.watch(watching, visit.BMC)
	known := visit.Known
	finding, bug, failed := a.run(ctx, visit)
	if bug != nil {
		return checks.Result{}, false, bug // a login's intent stays as it is: nobody knows what came of it
	}
	end, cut := time.Now(), ctx.Err() != nil
	result = checks.NewResult(a.Check.Name, finding, failed, start, end)
	if !cut {
		result = checks.Proven(result, proof)
		a.answered(visit.BMC, result, start, end)
	}
	if !cut || outcome(result) != memory.None { // of a login that was cut short nobody knows what the BMC decided, unless it said
		result = a.settle(ctx, pass, result, end)
	}
	if !reflect.DeepEqual(known, visit.Known) {
		if err := a.Memory.Learn(context.WithoutCancel(ctx), visit.BMC.ID, visit.Known); err != nil {
			result = a.ours(result, fmt.Errorf("remember what is known of %s: %w", visit.BMC.ID, err))
		}
	}
	if cut {
		return result, false, errCut
	}
	result, err = a.second(ctx, visit.BMC, result)
	return result, pass.next, err
}

// second asks for another opinion before a network failure is believed. Its error is errCut.
func (a *Actor) second(ctx context.Context, bmc inventory.BMC, r checks.Result) (checks.Result, error) {
	if a.Second == nil || !checks.NetworkFailure(r) {
		return r, nil
	}
	r.Satellite = a.Satellite
	r = a.Second(ctx, bmc.ID, r)
	if ctx.Err() != nil {
		return r, errCut
	}
	return r, nil
}

// answered learns from an answer that this satellite sees, and how long such a check takes.
func (a *Actor) answered(bmc inventory.BMC, result checks.Result, start, end time.Time) {
	if a.Sight != nil && checks.Answers(result) {
		a.Sight.Answered(bmc, start)
	}
	if result.Outcome == checks.OK {
		a.took(end.Sub(start))
	}
}

// admit asks whether probes are stopped, and the login rule where the check logs in.
func (a *Actor) admit(ctx context.Context, visit *checks.Visit, round checks.Round) (pass, error) {
	if stop := a.Memory.Stopped(); stop.On {
		return pass{}, stopFault(stop)
	}
	if !a.Check.Logs {
		return pass{}, nil
	}
	return a.Logins.admit(ctx, a.Memory, visit, round)
}

func (a *Actor) settle(ctx context.Context, p pass, result checks.Result, at time.Time) checks.Result {
	result, err := p.settle(context.WithoutCancel(ctx), result, at)
	if err != nil {
		return a.ours(result, err)
	}
	return result
}

// ours keeps what was learned, but the round cannot go on: what must be remembered was not.
func (a *Actor) ours(result checks.Result, err error) checks.Result {
	result.Outcome, result.Reason = checks.OutcomeUnknown, checks.SelfError
	result.Error = strings.TrimPrefix(result.Error+"; "+err.Error(), "; ")
	return result
}

// run asks the question, with a deadline, and survives a panic.
func (a *Actor) run(ctx context.Context, visit *checks.Visit) (f checks.Finding, bug *panicked, err error) {
	if a.Check.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Check.Timeout)
		defer cancel()
	}
	defer func() {
		if value := recover(); value != nil {
			bug = caught(value)
		}
	}()
	f, err = a.Check.Run(ctx, visit)
	return f, nil, err
}

func (a *Actor) watch(ctx context.Context, bmc inventory.BMC) func() checks.Proof {
	if a.Sight == nil {
		return nil
	}
	return a.Sight.Watch(ctx, bmc)
}
