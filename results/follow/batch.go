package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/store"
)

// confirmEvery is how often facts are written that only are confirmed.
const confirmEvery = time.Hour

// batch is what a number of arrivals makes of what is believed. Nobody is told of it before it is kept; only the next batch rests on it
// already, and is not kept without it.
type batch struct {
	*Follower
	now  time.Time
	next map[inventory.ID]*BMC
	of   map[inventory.ID]store.Partition // where a BMC's verdicts are read
	put  store.Batch
	said map[inventory.ID]said

	late, known uint64
	refused     map[results.Fault]int
}

func (f *Follower) batch(now time.Time) *batch {
	return &batch{Follower: f, now: now, next: map[inventory.ID]*BMC{}, said: map[inventory.ID]said{}, of: map[inventory.ID]store.Partition{},
		put: store.Batch{Facts: map[inventory.ID][]results.Fact{}, Positions: store.Positions{}}, refused: map[results.Fault]int{}}
}

// add takes in one arrival by rule: what is no verdict becomes a dead letter, what is of no BMC is only counted.
func (b *batch) add(a *arrival) {
	if a.next > 0 {
		b.put.Positions[a.from] = a.next
	}
	if a.fault == "" {
		var refused *results.Refused
		if err := results.Admit(a.verdict, b.now); errors.As(err, &refused) {
			a.fault, a.why = refused.Fault, refused.Why
		} else if b.config.Knows != nil && !b.config.Knows(a.verdict.BMC) {
			a.fault = results.UnknownBMC
		}
	}
	if a.fault != "" {
		b.bury(a)
		return
	}
	b.apply(a)
}

func (b *batch) apply(a *arrival) {
	v := a.verdict
	if a.next > 0 {
		b.of[v.BMC] = a.from
	}
	before := b.bmc(v.BMC)
	late := results.Late(v, b.now, b.config.Interval)
	state, changes := results.Apply(before.State, v, a.rounds, late)
	if late {
		b.late++
	}
	if state.Seq == before.State.Seq {
		b.known++
	}
	b.put.Verdicts = append(b.put.Verdicts, store.Stored{Verdict: v, Rounds: a.rounds, Doc: a.body})
	b.put.Changes = append(b.put.Changes, changes...)
	b.said[v.BMC] = saidBy(v)
	facts, learned := results.Learn(before.Facts, v)
	if learned {
		b.learn(v.BMC, before.Facts, facts)
	}
	if learned || state.Seq != before.State.Seq {
		b.next[v.BMC] = &BMC{State: state, Facts: facts}
	}
	if b.config.Seen != nil {
		b.config.Seen(&a.verdict, a.rounds, facts, state.Seq != before.State.Seq)
	}
}

// bmc is a BMC as the batch has made it so far.
func (b *batch) bmc(id inventory.ID) *BMC {
	if found := b.next[id]; found != nil {
		return found
	}
	if b.flying != nil {
		if found := b.flying.next[id]; found != nil {
			return found
		}
	}
	if found := b.live.Get(id); found != nil {
		return found
	}
	return &BMC{}
}

// learn keeps facts when one has another value, or was confirmed after a long time.
func (b *batch) learn(id inventory.ID, before, facts []results.Fact) {
	_, writing := b.put.Facts[id]
	if writing || !sameFacts(before, facts) || newestOf(facts).Sub(b.kept[id]) >= confirmEvery {
		b.put.Facts[id] = facts
	}
}

func sameFacts(a, b []results.Fact) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value != b[i].Value || a[i].Stale != b[i].Stale {
			return false
		}
	}
	return true
}

// mostBody is how much of what was no verdict is kept.
const mostBody = 128 << 10

// bury counts what is not taken in. What somebody should look at becomes a dead letter.
func (b *batch) bury(a *arrival) {
	b.refused[a.fault]++
	if b.config.Kafka == nil || a.next == 0 || a.fault == results.UnknownBMC {
		return
	}
	id := fmt.Sprintf("%s/%d@%d", a.from.Topic, a.from.Number, a.next-1)
	letter := results.DeadLetter{Schema: results.DeadLetterSchema, Satellite: b.config.Name, ID: id, At: b.now.UTC(),
		Why: string(a.fault) + ": " + a.why, Body: a.body[:min(len(a.body), mostBody)]}
	doc, err := json.Marshal(letter)
	if err != nil {
		b.log.Error("a dead letter cannot be written", "id", id, "error", err)
		return
	}
	b.put.Letters = append(b.put.Letters, store.Letter{Topic: kafka.DeadTopic, Key: b.config.Name, ID: "dead/" + id, Value: doc, Position: -1, At: b.now})
}

// commit completes the batch and keeps it, however long that takes: until then nothing else is taken in. No other may be on its way.
func (b *batch) commit(ctx context.Context) error {
	if err := b.complete(); err != nil {
		return err
	}
	return b.finish(ctx)
}

// finish keeps the batch as it is.
func (b *batch) finish(ctx context.Context) error {
	version, err := b.insist(ctx)
	if err != nil {
		return err
	}
	b.tell(version)
	return nil
}

// tell tells everybody of a batch that is kept.
func (b *batch) tell(version uint64) {
	d := Delta{Version: version, Changes: b.put.Changes, Gone: b.put.Gone,
		Incidents: b.put.Incidents, Members: b.put.Members, Silences: b.put.Silences, Tickets: b.put.Tickets}
	for _, bmc := range b.next {
		bmc.Version = version
		d.BMCs = append(d.BMCs, bmc)
	}
	for id, facts := range b.put.Facts {
		b.kept[id] = newestOf(facts)
	}
	b.desk.take(d)
	b.live.publish(d)
	b.count()
	if len(b.put.Letters) > 0 {
		select {
		case b.post <- struct{}{}:
		default:
		}
	}
}

// complete writes the letters: changes before the states that rest on them, so that whoever has a state has its changes.
func (b *batch) complete() error {
	b.judge()
	for _, bmc := range b.next {
		b.put.States = append(b.put.States, bmc.State)
	}
	for _, c := range b.put.Changes {
		if c.Kind == results.HealthChanged && c.To.Health == checks.Available {
			b.put.Healed = append(b.put.Healed, c.BMC)
		}
	}
	if b.config.Kafka == nil {
		b.put.Letters = nil
		return nil
	}
	for _, c := range b.put.Changes {
		doc, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("encode change %s: %w", c.ID, err)
		}
		b.put.Letters = append(b.put.Letters, store.Letter{Topic: kafka.ChangeTopic, Key: string(c.BMC), ID: c.ID, Value: doc, Position: -1, At: c.At})
	}
	if err := b.tellIncidents(); err != nil {
		return err
	}
	for _, s := range b.put.States {
		b.put.Letters = append(b.put.Letters, b.stateLetter(s))
	}
	return nil
}

// stateLetter says, too, how far the BMC's partition was read: who has lost the store goes on there.
func (b *batch) stateLetter(s results.State) store.Letter {
	l := store.Letter{Topic: kafka.StateTopic, Key: string(s.BMC), Position: -1, At: s.UpdatedAt}
	if p, ok := b.of[s.BMC]; ok {
		l.Partition, l.Position = p.Number, b.put.Positions[p]
	}
	return l
}

// insist puts the batch until it is kept, or ctx ends.
func (b *batch) insist(ctx context.Context) (uint64, error) {
	for tries := 0; ; tries++ {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx) // also for a batch that rests on one that was not kept
		}
		version, err := b.config.Store.Put(ctx, b.put)
		if err == nil {
			if b.full.Swap(false) || tries > 0 {
				b.log.Info("verdicts are kept again")
			}
			return version, nil
		}
		if ctx.Err() != nil {
			return 0, err // it ends
		}
		b.full.Store(errors.Is(err, store.ErrFull))
		if tries%30 == 0 {
			b.log.Error("nothing is taken in until it can be kept", "error", err)
		}
		if wait(ctx, min(time.Second, 50*time.Millisecond<<min(tries, 5))); ctx.Err() != nil {
			return 0, err
		}
	}
}

// count moves the numbers, once for each batch that is kept.
func (b *batch) count() {
	b.verdicts.Add(uint64(len(b.put.Verdicts)))
	b.changes.Add(uint64(len(b.put.Changes)))
	b.Follower.late.Add(b.late)
	b.Follower.known.Add(b.known)
	b.mu.Lock()
	defer b.mu.Unlock()
	for fault, n := range b.refused {
		b.Follower.refused[fault] += uint64(n)
	}
}
