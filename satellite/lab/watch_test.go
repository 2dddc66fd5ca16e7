package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/satellite/bus"
)

// tapName is the queue in which the lab keeps what is sent to own mailboxes.
const tapName = "lamplighter.tap"

// watch is what the lab sees at the broker and on Kafka.
type watch struct {
	site *site

	mu       sync.Mutex
	tasks    []Task
	verdicts []Judged
	skipped  map[checks.Round]bool
	mistakes []string
	open     map[checks.Round]time.Time // when those were started that have no verdict
	judged   map[checks.Round]bool
	broker   int // messages that the tap has shown
}

// watch looks on until the test ends. It returns once nothing that is sent to an own mailbox can escape it.
func (s *site) watch(ctx context.Context, t *testing.T) *watch {
	t.Helper()
	w := &watch{site: s, skipped: map[checks.Round]bool{}, open: map[checks.Round]time.Time{}, judged: map[checks.Round]bool{}}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Address), kgo.ConsumeTopics(kafka.VerdictTopic, kafka.AuditTopic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond), kgo.RetryTimeout(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	b := s.bus(t)
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Tap(watching, tapName, own(), w.task); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		for watching.Err() == nil {
			client.PollFetches(watching).EachRecord(w.record)
		}
	})
	t.Cleanup(func() { stop(); running.Wait(); client.Close() })
	s.tapped(ctx, t)
	return w
}

// tapped waits until the tap is bound to all own mailboxes.
func (s *site) tapped(ctx context.Context, t *testing.T) {
	t.Helper()
	last := string(own()[len(names)-1])
	if !until(ctx, time.Minute, func() bool {
		bindings, err := s.rabbit.Ask("GET", "/queues/"+s.vhost+"/"+tapName+"/bindings", nil)
		return err == nil && strings.Contains(string(bindings), last)
	}) {
		t.Fatal("the tap does not come up")
	}
}

// task notes what was sent to an own mailbox.
func (w *watch) task(box bus.Mailbox, m bus.Message) {
	now := time.Now()
	var task checks.Task
	err := json.Unmarshal(m.Body, &task)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broker++
	if err != nil || m.ID != task.Round.String()+"/"+string(task.Check) {
		w.mistakes = append(w.mistakes, fmt.Sprintf("message %q in %s: %.200s (%v)", m.ID, box, m.Body, err))
		return
	}
	_, satellite, _ := strings.Cut(string(box), "@")
	first := len(task.Done) == 0
	w.tasks = append(w.tasks, Task{At: now, Satellite: satellite, Round: task.Round, Check: task.Check, First: first})
	if _, known := w.open[task.Round]; first && !known && !w.judged[task.Round] {
		w.open[task.Round] = now
	}
}

// record notes what came to Kafka.
func (w *watch) record(r *kgo.Record) {
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.Topic == kafka.VerdictTopic:
		w.verdict(headers, r.Value)
	case strings.Contains(headers["ce_type"], "skip"):
		var skip struct{ Round checks.Round }
		if json.Unmarshal(r.Value, &skip) == nil {
			w.skipped[skip.Round] = true
		}
	}
}

// verdict is about a verdict; w.mu is held.
func (w *watch) verdict(headers map[string]string, value []byte) {
	var v results.Verdict
	if err := json.Unmarshal(value, &v); err != nil || headers["ce_id"] != v.Round.String() {
		w.mistakes = append(w.mistakes, fmt.Sprintf("record %q: %.200s (%v)", headers["ce_id"], value, err))
		return
	}
	w.verdicts = append(w.verdicts, Judged{
		At: time.Now(), Round: v.Round, Satellite: v.Satellite, Health: v.Health, Reason: v.Reason, Rounds: headers["ce_rounds"],
	})
	w.judged[v.Round] = true
	delete(w.open, v.Round)
}

// counts are how many messages and verdicts were seen, and how many rounds are open.
func (w *watch) counts() (tasks, verdicts, open int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broker, len(w.verdicts), len(w.open)
}

// openSince is how many rounds that were started before a time have no verdict.
func (w *watch) openSince(start time.Time) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.open {
		if at.Before(start) {
			n++
		}
	}
	return n
}

// seen fills a history.
func (w *watch) seen(h *History) (mistakes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h.Tasks, h.Verdicts, h.Skipped = slices.Clone(w.tasks), slices.Clone(w.verdicts), maps.Clone(w.skipped)
	return slices.Clone(w.mistakes)
}
