package follow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lamplighter/results/kafka"
	"lamplighter/results/store"
)

const (
	// window is how many letters are taken from the outbox at once.
	window = 1000
	// settleBack is how much before a letter was written it may be on Kafka, by another clock.
	settleBack = 5 * time.Minute
)

// schemas of what is sent, by topic.
var schemas = map[string]string{
	kafka.StateTopic:  "urn:lamplighter:state:v1",
	kafka.ChangeTopic: "urn:lamplighter:change:v1",
	kafka.DeadTopic:   "urn:lamplighter:dead:v1",

	kafka.IncidentTopic: "urn:lamplighter:incident:v1",
	kafka.SilenceTopic:  "urn:lamplighter:silence:v1",
}

// send empties the outbox until ctx ends.
func (f *Follower) send(ctx context.Context) {
	config := *f.config.Kafka
	config.Satellite = f.config.Name
	post := &kafka.Post{Config: config}
	defer post.Close()
	unsure := true // whether Kafka has some of what is in the outbox
	for tries := 0; ctx.Err() == nil; {
		sent, err := f.sendSome(ctx, post, unsure)
		if err != nil && ctx.Err() == nil {
			f.log.Warn("states and changes wait for kafka", "error", err)
			unsure, tries = true, tries+1
			wait(ctx, min(5*time.Second, 100*time.Millisecond<<min(tries, 6)))
			continue
		}
		unsure, tries = false, 0
		if sent == 0 {
			select {
			case <-f.post:
			case <-ctx.Done():
			}
		}
	}
}

// sendSome sends the oldest letters: changes first, and once Kafka has them the states. So whoever finds a state there finds
// the changes that led to it.
func (f *Follower) sendSome(ctx context.Context, post *kafka.Post, unsure bool) (int, error) {
	if unsure {
		if err := f.settle(ctx); err != nil {
			return 0, err
		}
	}
	letters, err := f.config.Store.Outbox(ctx, window)
	f.waiting.Store(uint64(len(letters)))
	if err != nil || len(letters) == 0 {
		return 0, err
	}
	news, states := sorted(letters)
	for _, part := range [][]store.Letter{news, states} {
		if err := f.sendAll(ctx, post, part); err != nil {
			return 0, err
		}
	}
	return len(letters), f.config.Store.Sent(ctx, letters[len(letters)-1].Number)
}

// sorted parts news from states; of the states of a BMC, which all are the newest, the first goes.
func sorted(letters []store.Letter) (news, states []store.Letter) {
	seen := map[string]bool{}
	for _, l := range letters {
		if l.Topic != kafka.StateTopic {
			news = append(news, l)
		} else if !seen[l.Key] {
			seen[l.Key] = true
			states = append(states, l)
		}
	}
	return news, states
}

// sendAll sends letters in order. One that Kafka will never take is left out, and said.
func (f *Follower) sendAll(ctx context.Context, post *kafka.Post, letters []store.Letter) error {
	for len(letters) > 0 {
		out := make([]kafka.Letter, len(letters))
		for i, l := range letters {
			out[i] = kafka.Letter{Topic: l.Topic, Key: l.Key, ID: l.ID, Schema: schemas[l.Topic], At: l.At, Value: l.Value}
			if l.Position >= 0 {
				out[i].Position = fmt.Sprintf("%d@%d", l.Partition, l.Position)
			}
		}
		n, err := post.Send(ctx, out)
		if err == nil {
			return nil
		}
		if !errors.Is(err, kafka.ErrRefused) {
			return err
		}
		f.log.Error("a record is left out", "id", letters[n].ID, "error", err)
		letters = letters[n+1:]
	}
	return nil
}

// settle forgets the changes, incidents and dead letters in the outbox that Kafka has already: they were sent, and we did not come to note it.
func (f *Follower) settle(ctx context.Context) error {
	unsure, topics, oldest := map[string]int64{}, map[string]bool{}, time.Now()
	letters, err := f.config.Store.Outbox(ctx, window)
	for _, l := range letters {
		if l.Topic != kafka.StateTopic {
			unsure[l.ID], topics[l.Topic] = l.Number, true
			if l.At.Before(oldest) {
				oldest = l.At
			}
		}
	}
	if err != nil || len(unsure) == 0 {
		return err
	}
	var had []int64
	err = kafka.Read(ctx, *f.config.Kafka, kafka.Reading{Topics: slices.Sorted(maps.Keys(topics)), From: oldest.Add(-settleBack), See: func(r kafka.Record) error {
		if number, ok := unsure[r.Header("ce_id")]; ok {
			had = append(had, number)
		}
		return nil
	}})
	if err != nil || len(had) == 0 {
		return err
	}
	return f.config.Store.Drop(ctx, had)
}
