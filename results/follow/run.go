package follow

import (
	"context"
	"errors"
	"sync"
	"time"

	"lamplighter/results"
	"lamplighter/results/store"
)

const (
	// lookEvery is how often states age.
	lookEvery = 5 * time.Second
	// forgetEvery is how often what is old is removed.
	forgetEvery = time.Hour
)

// errEnded is for those whose verdict was not kept because the Follower ended.
var errEnded = errors.New("results end: the verdict was not kept")

// arrival is a verdict, or a record that is none, on its way to a batch.
type arrival struct {
	verdict results.Verdict
	rounds  int
	at      time.Time // when it was sent
	// fault and why say why it is not taken in, and body what it was.
	fault results.Fault
	why   string
	body  []byte
	// from is where it was read, next what is to be read after it there; next 0: it was not read.
	from store.Partition
	next int64
	kept chan error // nil: nobody waits
}

// hand gives an arrival to Run, and waits for the outcome where somebody asked for it.
func (f *Follower) hand(ctx context.Context, a arrival) error {
	select {
	case f.in <- a:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if a.kept == nil {
		return nil
	}
	select {
	case err := <-a.kept:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Run follows until ctx ends, and then returns nil. What it had taken in is kept by then; Emit fails from then on.
func (f *Follower) Run(ctx context.Context) error {
	if err := f.rebuild(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.config.Read {
		group.Go(func() { f.read(ctx) })
	} else {
		f.hear(time.Now())
	}
	if f.config.Kafka != nil {
		group.Go(func() { f.send(ctx) })
		group.Go(func() { f.readTickets(ctx) })
	}
	group.Go(func() { f.forget(ctx) })
	f.take(ctx)
	return nil
}

// take takes arrivals in, a batch at a time, and lets states age.
func (f *Follower) take(ctx context.Context) {
	defer f.hear(time.Time{})
	look, decide := time.NewTicker(lookEvery), time.NewTicker(decideEvery)
	defer look.Stop()
	defer decide.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = f.land()
			f.turnAway()
			return
		case <-f.landed():
			_ = f.land()
		case a := <-f.in:
			f.keep(ctx, f.gather(ctx, a))
		case now := <-look.C:
			_ = f.land()
			f.age(ctx, now)
		case now := <-decide.C:
			_ = f.land()
			f.decide(ctx, now)
		case a := <-f.acts:
			_ = f.land()
			f.act(ctx, a)
		}
	}
}

// gather waits a little for what comes with the first of a batch.
func (f *Follower) gather(ctx context.Context, first arrival) []arrival {
	all := append(make([]arrival, 0, f.config.Batch), first)
	enough := time.NewTimer(f.config.Wait)
	defer enough.Stop()
	for len(all) < f.config.Batch {
		select {
		case a := <-f.in:
			all = append(all, a)
		case <-f.landed():
			_ = f.land()
		case <-enough.C:
			return all
		case <-ctx.Done():
			return all
		}
	}
	return all
}

// turnAway tells those who wait that nobody takes their verdicts in any more.
func (f *Follower) turnAway() {
	for {
		select {
		case a := <-f.in:
			if a.kept != nil {
				a.kept <- errEnded
			}
		default:
			return
		}
	}
}

// forget removes what is old.
func (f *Follower) forget(ctx context.Context) {
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		gone, err := f.config.Store.Forget(ctx, f.config.Keep, time.Now())
		if err != nil && ctx.Err() == nil {
			f.log.Error("what is old cannot be removed", "error", err)
		} else if gone != (store.Forgotten{}) {
			f.log.Info("what is old was removed", "spans", gone.Spans, "verdicts", gone.Verdicts, "changes", gone.Changes, "incidents", gone.Incidents)
		}
		f.reportIdle(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reportIdle says which silences have matched nothing for a day.
func (f *Follower) reportIdle(now time.Time) {
	for _, s := range f.Silences() {
		if s.Idle(now) {
			f.log.Warn("a silence has matched no BMC for a day: is it written right?", "silence", s.ID, "where", s.Where, "who", s.Who, "until", s.Until)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
