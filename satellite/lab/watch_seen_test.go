package lab

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/satellite/bus"
)

func newWatch() *watch {
	return &watch{skipped: map[checks.Round]bool{}, open: map[checks.Round]time.Time{}, judged: map[checks.Round]bool{}}
}

// message is a task as a satellite sends it.
func message(t *testing.T, round checks.Round, check checks.Name, done ...checks.Result) bus.Message {
	t.Helper()
	body, err := json.Marshal(checks.Task{Round: round, Check: check, Done: done})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Message{ID: round.String() + "/" + string(check), Body: body}
}

// record is a record as Kafka has it.
func record(t *testing.T, topic, kind, id string, value any) *kgo.Record {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return &kgo.Record{Topic: topic, Value: text, Headers: []kgo.RecordHeader{
		{Key: "ce_id", Value: []byte(id)}, {Key: "ce_type", Value: []byte(kind)}, {Key: "ce_rounds", Value: []byte("1")},
	}}
}

func TestWhatIsSeenBecomesAHistory(t *testing.T) {
	w := newWatch()
	round := checks.Round{BMC: "a", Due: noon, Why: checks.Routine}
	late := checks.Round{BMC: "b", Due: noon, Why: checks.Routine}
	w.task("ams1@sat-a", message(t, round, checks.Ping))
	w.task("ams1@sat-b", message(t, round, checks.TLS, checks.Result{Check: checks.Ping}))
	if _, _, open := w.counts(); open != 1 || w.openSince(time.Now().Add(time.Second)) != 1 || w.openSince(noon.AddDate(-9, 0, 0)) != 0 {
		t.Errorf("%d rounds open, want 1", open)
	}
	for _, r := range []checks.Round{round, round, late} {
		w.record(record(t, kafka.VerdictTopic, "bmc.verdict.v1", r.String(), results.Verdict{Round: r, Satellite: "sat-b", Health: checks.Available}))
	}
	w.task("ams1@sat-a", message(t, late, checks.Ping)) // seen after its verdict
	w.record(record(t, kafka.AuditTopic, "bmc.skip.v1", "skip/"+late.String(), map[string]any{"round": late}))
	w.record(record(t, kafka.AuditTopic, "bmc.gap.v1", "gap", map[string]any{}))
	if _, _, open := w.counts(); open != 0 {
		t.Errorf("%d rounds open, want none", open)
	}
	var h History
	if mistakes := w.seen(&h); len(mistakes) > 0 {
		t.Errorf("mistakes: %q", mistakes)
	}
	if len(h.Tasks) != 3 || !h.Tasks[0].First || h.Tasks[1].First || h.Tasks[1].Satellite != "sat-b" || h.Tasks[1].Check != checks.TLS {
		t.Errorf("tasks: %+v", h.Tasks)
	}
	if len(h.Verdicts) != 3 || h.Verdicts[0].Satellite != "sat-b" || h.Verdicts[0].Rounds != "1" || len(h.Skipped) != 1 || !h.Skipped[late] {
		t.Errorf("verdicts: %+v; skipped: %v", h.Verdicts, h.Skipped)
	}
	w.task("ams1@sat-a", bus.Message{ID: "x", Body: []byte("{")})
	w.record(record(t, kafka.VerdictTopic, "bmc.verdict.v1", "another", results.Verdict{Round: round}))
	if mistakes := w.seen(&h); len(mistakes) != 2 {
		t.Errorf("mistakes: %q, want 2", mistakes)
	}
}
