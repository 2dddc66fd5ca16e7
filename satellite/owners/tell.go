package owners

import (
	"context"
	"errors"
	"time"

	"lamplighter/inventory"
)

// speak tells a hello every Period, sooner when there is news or the last one did not come back.
func (o *Owners) speak(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	failed := 0
	for {
		select {
		case <-timer.C:
		case <-o.nudge:
		case <-ctx.Done():
			return
		}
		err := o.tell(ctx, false)
		if failed++; err == nil {
			failed = 0
		}
		if failed == worrying && ctx.Err() == nil {
			o.Log.WarnContext(ctx, "hellos not told", "error", err)
		}
		if err := o.rest(ctx, timer); err != nil {
			return
		}
	}
}

// rest waits a moment, so that news that come together make one hello, and sets the timer for the next one.
func (o *Owners) rest(ctx context.Context, timer *time.Timer) error {
	pause := time.NewTimer(tick / 5)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	next := Period
	if !o.view.heardBack(o.told.Seq) {
		next = repeat
	}
	timer.Reset(next - tick/5)
	return nil
}

func (o *Owners) leave(ctx context.Context) {
	if err := o.tell(ctx, true); err != nil {
		o.Log.WarnContext(ctx, "no leave taken", "error", err)
	}
}

func (o *Owners) tell(ctx context.Context, leaving bool) error {
	held, stopped, frontier := o.holding(), o.Stopped != nil && o.Stopped(), time.Time{}
	if o.Frontier != nil {
		frontier = o.Frontier().UTC()
	}
	o.mu.Lock()
	o.told = hello{Holds: o.foreign(held), Frontier: frontier, Stopped: stopped, Leaving: leaving, word: o.told.word}
	o.told.word, o.told.Sees = o.view.tell(o.told.Seq+1, time.Now())
	body, err := o.told.encode()
	o.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("the bus did not take it in time"))
	defer cancel()
	return o.Air.Tell(ctx, body)
}

// gained says whether we are busy with a BMC of another that we did not tell of. o.mu is held.
func (o *Owners) gained(held []inventory.ID) bool {
	told := make(map[inventory.ID]bool, len(o.told.Holds))
	for _, bmc := range o.told.Holds {
		told[bmc] = true
	}
	for _, bmc := range o.foreign(held) {
		if !told[bmc] {
			return true
		}
	}
	return false
}

// foreign are those of the BMCs that others own. o.mu is held.
func (o *Owners) foreign(held []inventory.ID) (foreign []inventory.ID) {
	for _, bmc := range held {
		if m := o.view.owner(bmc); m == nil || m.Name != o.Name {
			foreign = append(foreign, bmc)
		}
	}
	return foreign[:min(len(foreign), maxHolds)]
}

func (o *Owners) holding() []inventory.ID {
	if o.Holding == nil {
		return nil
	}
	return o.Holding()
}
