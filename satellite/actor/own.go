package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/satellite/bus"
)

// TakeoverWait is how long a satellite that takes a round over waits before it logs in: until the task of the satellite that had
// it has spilled, its visit has logged out, and a little more.
const TakeoverWait = bus.SpillAfter + logoutTime + 2*time.Second

// Own receives from the satellite's own mailbox and hands each task to the actor of its check.
type Own struct {
	*Shared
	Actors []*Actor
	// Hold is how many tasks wait here by urgency: all that there can be. What the satellite does not hold goes to others.
	Hold int
}

// Run handles tasks until ctx ends, and hands back what it could not finish.
func (o *Own) Run(ctx context.Context) error {
	handle := func(held context.Context, m bus.Message) error { return o.handle(held, ctx, m) }
	return o.Bus.Receive(ctx, o.Shared.Own, o.Hold, o.Hold, o.guarded("own", handle))
}

func (o *Own) handle(ctx, life context.Context, m bus.Message) error {
	var to struct {
		Check checks.Name `json:"check"`
	}
	if err := json.Unmarshal(m.Body, &to); err != nil {
		return bus.Reject(fmt.Errorf("%s: decode task: %w", m.ID, err))
	}
	for _, a := range o.Actors {
		if a.Check.Name == to.Check {
			return a.handle(ctx, life, m, false)
		}
	}
	return bus.Reject(fmt.Errorf("%s: no actor for %q in %s", m.ID, to.Check, o.Shared.Own))
}
