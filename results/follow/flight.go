package follow

import (
	"context"
	"time"
)

// keep applies arrivals and begins to keep what follows: the next are applied meanwhile. What they became is told once it is kept.
func (f *Follower) keep(ctx context.Context, all []arrival) {
	b := f.batch(time.Now())
	for i := range all {
		b.add(&all[i])
	}
	err := b.complete()
	if before := f.land(); before != nil {
		err = before // what b rests on was not kept
	}
	if err != nil {
		answer(all, err)
		return
	}
	f.flying = launch(ctx, b, all)
}

// flight is a batch that is being kept.
type flight struct {
	*batch
	all  []arrival
	done chan struct{} // closed when the following are set
	as   uint64
	err  error
}

func launch(ctx context.Context, b *batch, all []arrival) *flight {
	f := &flight{batch: b, all: all, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.as, f.err = b.insist(ctx)
	}()
	return f
}

// landed is closed when the batch that is being kept is kept; nil where there is none.
func (f *Follower) landed() <-chan struct{} {
	if f.flying == nil {
		return nil
	}
	return f.flying.done
}

// land waits until the batch that is being kept is kept, and tells everybody. It fails only when Run ends.
func (f *Follower) land() error {
	flight := f.flying
	if flight == nil {
		return nil
	}
	<-flight.done
	f.flying = nil
	if flight.err == nil {
		flight.tell(flight.as)
	}
	answer(flight.all, flight.err)
	return flight.err
}

// answer tells those who wait whether their verdicts are kept.
func answer(all []arrival, err error) {
	for _, a := range all {
		if a.kept != nil {
			a.kept <- err
		}
	}
}
