package follow

import (
	"context"
	"time"

	"lamplighter/results"
)

// age lets silence become news, once verdicts have been heard for two intervals as they come: before that it may be us who
// did not listen.
func (f *Follower) age(ctx context.Context, now time.Time) {
	f.forgetGone(now)
	since := f.heard()
	if since.IsZero() || now.Sub(since) < 2*f.config.Interval {
		return
	}
	all, _ := f.live.All()
	b := f.batch(now)
	for _, bmc := range all {
		b.grow(bmc)
		if len(b.next) >= f.config.Batch {
			if b.commit(ctx) != nil {
				return
			}
			b = f.batch(now)
		}
	}
	if len(b.next) > 0 {
		_ = b.commit(ctx) // ctx ended: the next run finds the same
	}
}

// forgetGone takes BMCs that the inventory does not have any more out of their incidents.
func (f *Follower) forgetGone(now time.Time) {
	if f.config.Knows == nil {
		return
	}
	all, _ := f.live.All()
	for _, bmc := range all {
		if id := bmc.State.BMC; !f.config.Knows(id) {
			f.engine.Gone(id, now)
		}
	}
}

// grow lets one BMC become older.
func (b *batch) grow(bmc *BMC) {
	state, changes := results.Age(bmc.State, b.now, b.config.Interval)
	facts, faded := bmc.Facts, false
	if oldest := b.now.Add(-b.config.Facts); anyOlder(bmc.Facts, oldest) {
		facts, faded = results.Fade(bmc.Facts, b.now, b.config.Facts)
	}
	if faded {
		b.put.Facts[bmc.State.BMC] = facts
	}
	if faded || state.Seq != bmc.State.Seq {
		b.next[state.BMC] = &BMC{State: state, Facts: facts}
		b.put.Changes = append(b.put.Changes, changes...)
	}
}

func anyOlder(facts []results.Fact, than time.Time) bool {
	for _, fact := range facts {
		if !fact.Stale && fact.At.Before(than) {
			return true
		}
	}
	return false
}
