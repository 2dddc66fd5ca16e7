package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/results/kafka"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/canary"
)

// TestNoSecretIsLeftInASite runs a site at debug level, with right and refused logins, kills it in mid-work with Kafka away, and
// looks for the passwords of the fleet in everything that was sent or kept anywhere.
func TestNoSecretIsLeftInASite(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: secrets in a site, with -short")
	}
	peers.Need(t, peers.RabbitMQ)
	peers.Need(t, peers.KafkaPeer)
	ctx := t.Context()
	plan := fleetPlan(60)
	plan.Secret = canary.Right
	s := newSite(ctx, t, plan, 3*time.Second, "debug")
	t.Cleanup(func() { s.logs(t) })
	if _, err := s.Set("*-u01", bmcsim.WrongPassword); err != nil {
		t.Fatal(err)
	}
	b := s.bus(t)
	s.keepTasks(ctx, t)
	for _, sat := range s.satellites {
		sat.start(t)
	}
	records := s.records(t, func() bool { return s.Counters().Total.OwnSecrets > 3*60 })
	s.kafka.Kill()
	since := s.Counters().Total.Attempts
	if !until(ctx, 30*time.Second, func() bool { return s.Counters().Total.Attempts > since+60 }) {
		t.Error("no logins while Kafka is away")
	}
	for _, sat := range s.satellites {
		sat.process.Kill()
	}
	found := &findings{TB: t, sizes: map[string]int{}}
	found.queues(s)
	found.streams(ctx, b)
	found.files(s.dir)
	s.kafka.Restart(t)
	for _, r := range append(records, s.records(t, nil)...) {
		found.record(r)
	}
	for _, found := range found.found {
		t.Error(found)
	}
	t.Logf("searched bytes: %v; passwords received: %+v", found.sizes, s.Counters().Total)
	for _, where := range []string{"queues", "definitions", "streams", "spool", "memory", "log", "Kafka"} {
		if found.sizes[where] < 50 {
			t.Errorf("%d bytes in %s: there was nothing to search", found.sizes[where], where)
		}
	}
	if c := s.Counters().Total; c.OwnSecrets < 100 || c.Refused == 0 || c.ForeignSecrets != 0 {
		t.Errorf("passwords received: %+v; want many right ones and some refused", c)
	}
}

func TestTheSearchOfASiteBites(t *testing.T) {
	f, dir := &findings{TB: t, sizes: map[string]int{}}, t.TempDir()
	for name, text := range map[string]string{
		"sat-a.log": "password " + canary.Right, "sat-a.memory": fmt.Sprintf("%x", canary.Wrong), "sat-a.yaml": peers.RabbitPassword,
		"sat-b.log": "nothing", "keyring.yaml": canary.Right, passwordFile: peers.RabbitPassword,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.files(dir)
	f.record(&kgo.Record{Topic: kafka.AuditTopic, Headers: []kgo.RecordHeader{{Key: "ce_id", Value: []byte(canary.Right)}}})
	messages, err := json.Marshal([]map[string]string{{"payload": fmt.Sprintf("%q", canary.Right)}})
	if err != nil {
		t.Fatal(err)
	}
	f.search("queues", "ams1.ping", unescaped(messages))
	if len(f.found) != 5 {
		t.Errorf("found %q, want all 5 that were planted", f.found)
	}
}

// keepTasks has the broker keep a copy of every task: in the queue of a tap that nobody reads.
func (s *site) keepTasks(ctx context.Context, t *testing.T) {
	t.Helper()
	b := s.bus(t)
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = b.Tap(ctx, tapName, own(), func(bus.Mailbox, bus.Message) {}) })
	s.tapped(ctx, t)
	stop()
	running.Wait()
}

// records reads all topics to their ends, or until enough says so.
func (s *site) records(t *testing.T, enough func() bool) (all []*kgo.Record) {
	t.Helper()
	var topics []string
	for _, topic := range kafka.Topics(1) {
		topics = append(topics, topic.Name)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Address), kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for idle := 0; ctx.Err() == nil && (enough == nil && idle < 3 || enough != nil && !enough()); {
		poll, end := context.WithTimeout(ctx, time.Second)
		records := client.PollFetches(poll).Records()
		end()
		idle++
		if len(records) > 0 {
			all, idle = append(all, records...), 0
		}
	}
	if ctx.Err() != nil {
		t.Errorf("read Kafka: not done within a minute; %+v", s.Counters().Total)
	}
	return all
}

// findings are what was found, and how much was searched where.
type findings struct {
	testing.TB
	sizes map[string]int
	found []string
}

func (f *findings) search(where, name string, text []byte) {
	f.Helper()
	f.sizes[where] += len(text)
	if bytes.Contains(text, []byte(peers.RabbitPassword)) {
		f.found = append(f.found, fmt.Sprintf("%s: %s holds the password of the broker", where, name))
	}
	if found := canary.Leaks(name + string(text)); found != nil {
		f.found = append(f.found, fmt.Sprintf("%s: %s holds a secret: %v", where, name, found))
	}
}

// queues searches the broker's definitions and every message that a queue holds.
func (f *findings) queues(s *site) {
	f.Helper()
	ask := func(method, path string, body any) []byte {
		text, err := s.rabbit.Ask(method, path, body)
		if err != nil {
			f.Error(err)
		}
		return text
	}
	f.search("definitions", "all", ask("GET", "/definitions", nil))
	f.search("definitions", "of the site", ask("GET", "/definitions/"+s.vhost, nil))
	var queues []struct{ Name, Type string }
	if err := json.Unmarshal(ask("GET", "/queues/"+s.vhost, nil), &queues); err != nil {
		f.Fatal(err)
	}
	for _, q := range queues {
		if q.Type == "stream" {
			continue // it is followed
		}
		get := map[string]any{"count": 100_000, "ackmode": "ack_requeue_true", "encoding": "auto"}
		f.search("queues", q.Name, unescaped(ask("POST", "/queues/"+s.vhost+"/"+q.Name+"/get", get)))
	}
}

// unescaped adds to the API's JSON the payloads that stand in it as strings.
func unescaped(text []byte) []byte {
	var messages []struct{ Payload string }
	if json.Unmarshal(text, &messages) == nil {
		for _, m := range messages {
			text = append(append(text, '\n'), m.Payload...)
		}
	}
	return text
}

// streams searches the site's memory.
func (f *findings) streams(ctx context.Context, b bus.Bus) {
	f.Helper()
	log, ok := b.(bus.Log)
	if !ok {
		f.Error("the bus has no log to search")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // nobody writes any more
	defer cancel()
	var mu sync.Mutex
	err := log.Follow(ctx, siteName+".memory", 0, func(_ int64, record []byte) error {
		mu.Lock()
		defer mu.Unlock()
		f.search("streams", siteName+".memory", record)
		return nil
	})
	if err != nil {
		f.Error(err)
	}
}

// files searches what the satellites wrote: logs, memories, spools.
func (f *findings) files(dir string) {
	f.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "keyring.yaml" || entry.Name() == passwordFile {
			return err
		}
		text, err := os.ReadFile(path)
		where := "other files"
		for _, kind := range []string{"spool", "memory", "log"} {
			if strings.Contains(strings.TrimPrefix(path, dir), "."+kind) {
				where = kind
			}
		}
		f.search(where, path, text)
		return err
	})
	if err != nil {
		f.Error(err)
	}
}

// record searches a record of Kafka's with its key and headers.
func (f *findings) record(r *kgo.Record) {
	f.Helper()
	text := [][]byte{r.Key, r.Value}
	for _, h := range r.Headers {
		text = append(text, []byte(h.Key), h.Value)
	}
	f.search("Kafka", r.Topic, bytes.Join(text, []byte("\n")))
}
