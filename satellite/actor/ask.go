package actor

import (
	"context"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
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

// poisonous is how many panics of one round make its task a dead letter.
const poisonous = 5

// ask is the check's result in this stay: it is run at most once in a round, however often its task comes. An error hands
// the task back or, after too many panics, rejects it.
func (a *Actor) ask(ctx context.Context, stay *stay, task checks.Task) (checks.Result, error) {
	if r, ok := stay.results[a.Check.Name]; ok {
		return r, nil
	}
	waiting, cancel := context.WithDeadline(ctx, task.Expires)
	defer cancel()
	slot := a.slots.Acquire(waiting, task.Round.Why.Lane(), task.Round.Due)
	if slot == nil && ctx.Err() != nil {
		return checks.Result{}, ctx.Err()
	}
	var result checks.Result
	if slot == nil || !time.Now().Before(task.Expires) {
		now := time.Now()
		result = checks.NewResult(a.Check.Name, checks.Finding{}, checks.Ours(checks.SelfExpired,
			fmt.Errorf("%s: its turn did not come before it expired", task.Round)), now, now)
	} else {
		stalled := time.AfterFunc(a.patience(), func() { a.stall(slot.Stall, task.Round) })
		defer stalled.Stop()
		var panicked error
		if result, panicked = a.probe(ctx, stay.visit, task.Round); panicked != nil {
			slot.Release()
			return result, a.recovered(ctx, stay, panicked)
		}
	}
	if slot != nil {
		slot.Release()
	}
	if ctx.Err() != nil {
		return checks.Result{}, ctx.Err() // cut short by us: it proves nothing
	}
	result.Satellite = a.Satellite
	stay.results[a.Check.Name] = result
	a.observe(task.Round, result)
	return result, nil
}

func (a *Actor) stall(move func(), round checks.Round) {
	move()
	if a.Stalled != nil {
		a.Stalled(round)
	}
}

// probe runs the check, if its login may be tried, and judges whose failure it was.
func (a *Actor) probe(ctx context.Context, visit *checks.Visit, round checks.Round) (result checks.Result, panicked error) {
	start := time.Now()
	pass, err := a.admit(ctx, visit, round)
	if err != nil {
		return checks.NewResult(a.Check.Name, checks.Finding{}, err, start, time.Now()), nil
	}
	watching, cancel := context.WithCancel(ctx) // the window ends with the check, unless proof is asked for
	defer cancel()
	proof := a.watch(watching, visit.BMC)
	known := visit.Known
	finding, err, panicked := a.run(ctx, visit)
	if panicked != nil {
		return checks.Result{}, panicked // a login's intent stays as it is: nobody knows what came of it
	}
	end := time.Now()
	result = seen(checks.NewResult(a.Check.Name, finding, err, start, end), proof)
	if a.Sight != nil && checks.Answers(result) {
		a.Sight.Answered(visit.BMC, start)
	}
	if result.Outcome == checks.OK {
		a.took(end.Sub(start))
	}
	result = a.settle(pass, result, end)
	if !reflect.DeepEqual(known, visit.Known) {
		if err := a.Memory.Learn(visit.BMC.ID, visit.Known); err != nil {
			return a.ours(result, fmt.Errorf("remember what is known of %s: %w", visit.BMC.ID, err)), nil
		}
	}
	return result, nil
}

// admit asks whether probes are stopped, and the login rule where the check logs in.
func (a *Actor) admit(ctx context.Context, visit *checks.Visit, round checks.Round) (pass, error) {
	if stop := a.Memory.Stopped(); stop.On {
		return pass{}, checks.Ours(checks.SelfError, fmt.Errorf("all probes were stopped by %s at %s", stop.By, stop.At.Format(time.RFC3339)))
	}
	if !a.Check.Logs {
		return pass{}, nil
	}
	return a.Logins.admit(ctx, a.Memory, visit, round)
}

func (a *Actor) settle(p pass, result checks.Result, at time.Time) checks.Result {
	result, err := p.settle(result, at)
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
func (a *Actor) run(ctx context.Context, visit *checks.Visit) (f checks.Finding, err, panicked error) {
	if a.Check.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Check.Timeout)
		defer cancel()
	}
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Errorf("%s of %s: panic: %v\n%s", a.Check.Name, visit.BMC.ID, p, debug.Stack())
		}
	}()
	f, err = a.Check.Run(ctx, visit)
	return f, err, nil
}

// recovered closes the visit, whose connections nobody knows the state of, and hands the task back, or gives it up.
func (a *Actor) recovered(ctx context.Context, stay *stay, panicked error) error {
	a.Visits.close(ctx, stay, logoutTime)
	if a.Visits.panicked(stay) < poisonous {
		return panicked
	}
	return bus.Reject(panicked)
}

func (a *Actor) watch(ctx context.Context, bmc inventory.BMC) func() checks.Proof {
	if a.Sight == nil {
		return nil
	}
	return a.Sight.Watch(ctx, bmc)
}

// seen makes a network failure ours when nobody else was seen during the probe either.
func seen(r checks.Result, proof func() checks.Proof) checks.Result {
	if proof == nil || r.Outcome != checks.Failed || !checks.NetworkReason(r.Reason) {
		return r
	}
	switch p := proof(); {
	case p.None:
		r.Error += " (no other rack or anchor to compare with)"
	case !p.Seen:
		r.Error = fmt.Sprintf("%s: %s, but the satellite saw nobody else either: %s", r.Reason, r.Error, p.Text)
		r.Outcome, r.Reason = checks.OutcomeUnknown, checks.SelfBlind
	}
	return r
}
