package follow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/results/store/storetest"
)

func document(t *testing.T, v results.Verdict) string {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// Bad records between good ones: each ends by its rule, and what comes after it in the partition is taken in.
func TestBadRecordsHoldUpNobodyAndAreFoundAgain(t *testing.T) {
	broker := peers.StartKafka(t)
	where := kafkaConfig(t.TempDir(), broker.Address)
	if _, err := kafka.CreateTopics(where, 1); err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	at := func(ago time.Duration, reason checks.Reason) results.Verdict {
		return storetest.VerdictOf("a", int(ago.Seconds()), now.Add(-ago), reason)
	}
	future, other, unproven := at(-time.Hour, ""), at(time.Second, ""), at(50*time.Second, checks.NetTimeout)
	other.Schema, unproven.Trail = "lamplighter.verdict.v9", nil
	var letters []kafka.Letter
	for i, doc := range []string{
		document(t, at(90*time.Second, "")), `{"schema":`, document(t, future), "", document(t, other), document(t, unproven), `[]`,
		`{"schema":"lamplighter.verdict.v1"}`, document(t, at(80*time.Second, "")), document(t, at(80*time.Second, "")), document(t, at(90*time.Second, "")),
		document(t, at(70*time.Second, checks.AuthRejected)),
	} {
		letters = append(letters, kafka.Letter{Topic: kafka.VerdictTopic, Key: "a", ID: fmt.Sprint(i), At: now, Value: []byte(doc)})
	}
	letters = append(letters, kafka.Letter{Topic: kafka.VerdictTopic, Key: "b", ID: "key", At: now, Value: []byte(document(t, at(60*time.Second, "")))})
	post := &kafka.Post{Config: where}
	defer post.Close()
	if _, err := post.Send(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
	r := start(t, t.TempDir(), follow.Config{Kafka: &where, Read: true})
	want := map[results.Fault]uint64{results.Broken: 3, results.FromFuture: 1, results.OtherForm: 1, results.Unproven: 1, results.Nameless: 2}
	refused := func() (n uint64) {
		for _, count := range r.Stats().Refused {
			n += count
		}
		return n
	}
	until(t, "all is read", func() bool { return r.Stats().Verdicts == 5 && refused() == 8 })
	if s := r.Stats(); !maps.Equal(s.Refused, want) || s.Known != 2 {
		t.Errorf("got %+v, want refused %v and 2 known", s, want)
	}
	if got := r.Live().Get("a"); got.State.Health != checks.Unavailable || got.State.Rounds != 3 {
		t.Errorf("believed: %+v", got.State)
	}
	until(t, "all is sent", func() bool {
		waiting, err := r.store.Outbox(context.Background(), 1)
		return err == nil && len(waiting) == 0
	})
	dead := peers.Records(t, kafka.DeadTopic, broker.Address)
	if len(dead) != 8 {
		t.Errorf("%d dead letters, want 8", len(dead))
	}
	for _, d := range dead {
		schematest.Validate(t, "dead.v1", d.Value)
	}
}
