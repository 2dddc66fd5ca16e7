package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/incident"
	"lamplighter/results/kafka"
	"lamplighter/results/store"
)

// decideEvery is how often incidents are decided about.
const decideEvery = time.Second

// loadIncidents tells the engine what was decided before, and what is believed.
func (f *Follower) loadIncidents(ctx context.Context) error {
	f.engine = incident.New(f.config.Incidents)
	var all []results.Incident
	var members []results.Member
	which := store.WhichIncidents{Open: true, Closed: time.Now().Add(-max(shownFor, f.config.Incidents.Reopen))}
	err := f.config.Store.Incidents(ctx, which, func(k store.KeptIncident) bool { all = append(all, k.Incident); return true })
	again := time.Now().Add(-f.config.Incidents.Reopen)
	for _, i := range all {
		if i.Status == results.Resolved && i.ClosedAt.Before(again) {
			continue
		}
		found, failed := f.config.Store.Members(ctx, i.ID)
		if members = append(members, found...); failed != nil {
			err = failed
		}
	}
	if err != nil {
		return fmt.Errorf("load incidents: %w", err)
	}
	f.engine.Load(all, members)
	if err := f.desk.load(ctx, f.config.Store, all, members); err != nil {
		return fmt.Errorf("load silences and tickets: %w", err)
	}
	for _, s := range f.Silences() {
		if err := f.engine.Silence(s); err != nil {
			f.log.Error("a silence cannot be read", "silence", s.ID, "error", err)
		}
	}
	bmcs, _ := f.live.All()
	for _, b := range bmcs {
		if f.config.Knows == nil || f.config.Knows(b.State.BMC) {
			f.engine.See(f.asSeen(b, said{}))
		}
	}
	return nil
}

// asSeen is a BMC as the engine sees it.
func (f *Follower) asSeen(b *BMC, said said) incident.BMC {
	seen := incident.BMC{State: &b.State, Facts: b.Facts, Said: said.text, Second: said.second}
	if f.config.Record != nil {
		if record := f.config.Record(b.State.BMC); record != nil {
			seen.Login, seen.Labels = record.Login, record.Labels
		}
	}
	return seen
}

// said is what the check that ended a round said, and who was asked for a second opinion.
type said struct{ text, second string }

func saidBy(v results.Verdict) (s said) {
	if len(v.Trail) == 0 {
		return s
	}
	last := v.Trail[len(v.Trail)-1]
	if last.Outcome != checks.OK && last.Error != "" {
		where := string(last.Check) + " " + v.Address + ": "
		s.text = where + strings.TrimPrefix(last.Error, where)
	}
	s.second, _, _ = strings.Cut(last.Facts["second_opinion"], ":")
	return s
}

// judge lets the engine see what the batch changes, and decide when it is time to.
func (b *batch) judge() {
	for id, bmc := range b.next {
		if b.config.Knows == nil || b.config.Knows(id) {
			b.engine.See(b.asSeen(bmc, b.said[id]))
		}
	}
	for _, id := range b.put.Gone {
		b.engine.Gone(id, b.now)
	}
	if b.now.Sub(b.decided) < decideEvery && b.now.After(b.decided) {
		return
	}
	b.decided = b.now
	b.engine.Listen(b.heard())
	outcome := b.engine.Decide(b.now)
	b.put.Incidents, b.put.Members = append(b.put.Incidents, outcome.Incidents...), append(b.put.Members, outcome.Members...)
	b.put.Silences = append(b.put.Silences, outcome.Silences...)
}

// decide lets the engine decide while nothing comes.
func (f *Follower) decide(ctx context.Context, now time.Time) {
	if now.Sub(f.decided) < decideEvery {
		return
	}
	b := f.batch(now)
	if err := b.complete(); err != nil {
		f.log.Error("incidents cannot be decided about", "error", err)
		return
	}
	if len(b.put.Incidents)+len(b.put.Members)+len(b.put.Silences) > 0 {
		_ = b.finish(ctx) // ctx ended: the next run decides the same
	}
}

// tellIncidents writes the letters of incidents and silences.
func (b *batch) tellIncidents() error {
	for _, i := range b.put.Incidents {
		if err := b.write(kafka.IncidentTopic, i.ID, i.Seq, i.UpdatedAt, i); err != nil {
			return err
		}
	}
	for _, s := range b.put.Silences {
		if err := b.write(kafka.SilenceTopic, s.ID, s.Seq, b.now, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) write(topic, id string, seq uint64, at time.Time, document any) error {
	doc, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode %s: %w", id, err)
	}
	b.put.Letters = append(b.put.Letters, store.Letter{Topic: topic, Key: id, ID: id + "/" + strconv.FormatUint(seq, 10), Value: doc, Position: -1, At: at})
	return nil
}
