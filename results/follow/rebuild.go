package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/store"
)

// rebuild fills an empty store with the states, incidents and silences that Kafka has, and goes on where states were written.
func (f *Follower) rebuild(ctx context.Context) error {
	if f.config.Kafka == nil || f.version > 0 {
		return nil
	}
	for tries := 0; ctx.Err() == nil; tries++ {
		found, err := f.believed(ctx)
		if err == nil {
			return f.restore(ctx, found)
		}
		f.log.Warn("states cannot be read from kafka", "error", err)
		wait(ctx, min(5*time.Second, 200*time.Millisecond<<min(tries, 5)))
	}
	return context.Cause(ctx)
}

// beliefs are what the topic of states says.
type beliefs struct {
	states    map[string]results.State
	incidents map[string]results.Incident
	silences  map[string]results.Silence
	positions store.Positions
	odd       int // records that are no states
}

func (f *Follower) believed(ctx context.Context) (beliefs, error) {
	found := beliefs{map[string]results.State{}, map[string]results.Incident{}, map[string]results.Silence{}, store.Positions{}, 0}
	topics := []string{kafka.StateTopic, kafka.IncidentTopic, kafka.SilenceTopic}
	err := kafka.Read(ctx, *f.config.Kafka, kafka.Reading{Topics: topics, See: func(r kafka.Record) error {
		found.see(r)
		return nil
	}})
	return found, err
}

// see takes in a record; those of a key come in order.
func (b *beliefs) see(r kafka.Record) {
	switch r.Topic {
	case kafka.IncidentTopic:
		if i, ok := document(r, results.IncidentSchema, func(i results.Incident) (string, string) { return i.Schema, i.ID }); ok {
			b.incidents[i.ID] = i
		}
		return
	case kafka.SilenceTopic:
		if s, ok := document(r, results.SilenceSchema, func(s results.Silence) (string, string) { return s.Schema, s.ID }); ok {
			b.silences[s.ID] = s
		}
		return
	}
	if r.Value == nil {
		delete(b.states, string(r.Key))
		return
	}
	var s results.State
	if err := json.Unmarshal(r.Value, &s); err != nil || s.Schema != results.StateSchema || string(s.BMC) != string(r.Key) {
		b.odd++
		return
	}
	b.states[string(r.Key)] = s
	var p store.Partition
	var next int64
	if n, _ := fmt.Sscanf(r.Header("ce_position"), "%d@%d", &p.Number, &next); n != 2 || next < 0 {
		return
	}
	p.Topic = kafka.VerdictTopic
	b.positions[p] = max(b.positions[p], next)
}

// document reads one whose key is its ID.
func document[T any](r kafka.Record, schema string, of func(T) (schema, id string)) (read T, ok bool) {
	if err := json.Unmarshal(r.Value, &read); err != nil {
		return read, false
	}
	found, id := of(read)
	return read, found == schema && id == string(r.Key)
}

// restore keeps them, all at once: what is half restored would be taken for whole.
func (f *Follower) restore(ctx context.Context, found beliefs) error {
	if len(found.states) == 0 {
		return nil
	}
	b := f.batch(time.Now())
	for _, s := range found.states {
		b.next[s.BMC] = &BMC{State: s}
		b.put.States = append(b.put.States, s)
	}
	b.put.Positions = found.positions
	for _, id := range slices.Sorted(maps.Keys(found.incidents)) {
		i := found.incidents[id]
		b.put.Incidents = append(b.put.Incidents, i)
		for _, child := range i.Children { // the engine finds those that the document does not name
			b.put.Members = append(b.put.Members, results.Member{Incident: i.ID, Child: child})
		}
	}
	b.put.Silences = slices.Collect(maps.Values(found.silences))
	f.log.Info("the store was empty; states come from kafka", "bmcs", len(found.states), "incidents", len(found.incidents), "odd", found.odd)
	if err := b.finish(ctx); err != nil {
		return err
	}
	f.begun = found.positions
	return f.loadIncidents(ctx)
}
