package actor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
)

// poisonous is how many tries of a task make it a dead letter when the last was a panic.
const poisonous = 5

// panicked is a panic as an error. Its text goes into dead letters, so it says where the bug is and not what was in memory.
type panicked struct {
	what, where string
	stack       []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %s (stack %s)", p.what, p.where) }

// caught makes an error of what recover returned; it must be called by the deferred function.
func caught(value any) *panicked {
	p := &panicked{what: fmt.Sprintf("%T", value), where: stackHash(), stack: debug.Stack()}
	if fault, ok := value.(runtime.Error); ok {
		p.what = fault.Error()
	}
	return p
}

// stackHash names the place of a panic: the same for the same way there, whatever the addresses and line numbers.
func stackHash() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	sum := sha256.New()
	for more := true; more; {
		var frame runtime.Frame
		frame, more = frames.Next()
		_, _ = io.WriteString(sum, frame.Function+"\n")
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:4])
}

// recover begins the round again after a panic, in this satellite: handed back, it might go on in two places. It closes the visit,
// whose connections nobody knows the state of.
func (a *Actor) recover(ctx context.Context, task checks.Task, bmc inventory.BMC, stay *stay, bug *panicked) error {
	a.Visits.close(ctx, stay, logoutTime)
	stay.visit, stay.results = nil, map[checks.Name]checks.Result{}
	stay.panics++
	task.Failures = max(task.Failures+1, stay.panics)
	err := give(fmt.Errorf("%s of %s: %w", a.Check.Name, task.Round.BMC, bug), task.Failures)
	if bus.Rejected(err) {
		return err
	}
	a.log(ctx, a.Check.Name, bus.Message{ID: task.Round.String(), Delivery: task.Failures}, err)
	if err := pause(ctx, bus.Backoff(task.Failures+1)); err != nil {
		return err
	}
	return a.rewind(ctx, task, bmc)
}

// guarded survives a panic of h, gives up a message that made it panic again and again, and logs why a message was not done: the
// bus takes the error no further.
func (s *Shared) guarded(check checks.Name, h bus.Handler) bus.Handler {
	return func(ctx context.Context, m bus.Message) (err error) {
		defer func() {
			if value := recover(); value != nil {
				err = give(caught(value), m.Delivery)
			}
			s.log(ctx, check, m, err)
		}()
		return h(ctx, m)
	}
}

// give hands a message back that made somebody panic, or gives it up.
func give(err error, tries int) error {
	if tries < poisonous {
		return err
	}
	return bus.Reject(err)
}

func (s *Shared) log(ctx context.Context, check checks.Name, m bus.Message, err error) {
	if err == nil || ctx.Err() != nil || s.Log == nil {
		return
	}
	more := []any{"check", check, "task", m.ID, "delivery", m.Delivery, "rejected", bus.Rejected(err), "error", err}
	if p := new(panicked); errors.As(err, &p) {
		more = append(more, "stack_hash", p.where, "stack", string(p.stack))
	}
	level := slog.LevelError
	if errors.Is(err, errAway) {
		level = slog.LevelDebug // owners say so, once
	}
	s.Log.Log(ctx, level, "task not done", more...)
}
