package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/satellite/schedule"
)

// auditOfASite: whole minutes of rounds, with duplicates, a satellite that is killed and comes back, and a stop. Nothing is lost; then
// one verdict is, on the way to a second Kafka.
func auditOfASite(t *testing.T, x *exchange) {
	p := newPair(t, x, room(t, "audit", 40, time.Second), 10*time.Second, "")
	p.logs(t)
	copies := p.duplicate(t, 30)
	p.both(t)
	minutes := 1
	if long {
		minutes = 5
	}
	from := time.Now().Truncate(time.Minute).Add(time.Minute)
	to := from.Add(time.Duration(minutes) * time.Minute)
	at := func(after time.Duration) { time.Sleep(time.Until(from.Add(after))) }
	at(10 * time.Second)
	p.kill9(t, "sat-a")
	at(18 * time.Second)
	p.start(t, "sat-a")
	at(40 * time.Second)
	p.ask(t, exitOK, "stop")
	at(45 * time.Second)
	p.ask(t, exitOK, "go")
	time.Sleep(time.Until(to.Add(5 * time.Second)))
	p.wantAll(t, from, to, schedule.Stopped, schedule.Running, schedule.Overload, schedule.Moved)
	p.stop(t, "sat-a", "sat-b") // with their last tallies

	span := []string{"--from", from.Format(time.RFC3339), "--to", to.Format(time.RFC3339), "--settle", "1s"}
	out := lamplighter(t, append([]string{"audit", "--config", p.path("sat-a.yaml")}, span...)...)
	t.Logf("%s", out.stdout)
	if want := fmt.Sprintf("%d routine rounds of 40 BMCs", 6*40*minutes); out.code != int(exitOK) || !strings.Contains(out.stdout, want) {
		t.Errorf("exit code %d, want 0 and %q: %s%s", out.code, want, out.stdout, out.stderr)
	}
	t.Logf("%d copies of tasks", copies())
	tallies, skips := p.books(t), len(p.skips(t))
	if tallies["sat-a"] == 0 || tallies["sat-b"] == 0 || skips == 0 {
		t.Errorf("tallies %v, %d skips", tallies, skips)
	}
	p.dropOne(t, span, from, to)
}

// books counts tallies by satellite.
func (p *pair) books(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, r := range p.exchange.site(p.site) {
		var tally results.Tally
		if headerOf(r, "ce_type") != kafka.TallyType {
			continue
		}
		if err := json.Unmarshal(r.Value, &tally); err != nil {
			t.Fatal(err)
		}
		all[tally.Satellite]++
	}
	return all
}

// dropOne copies all records to another Kafka but those of one round, the last one, which nobody was killed near.
func (p *pair) dropOne(t *testing.T, span []string, from, to time.Time) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, kafka.VerdictTopic, kafka.AuditTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var victim results.Verdict
	for _, v := range p.verdicts(t) {
		if due := v.Round.Due; !due.Before(from) && due.Before(to) && v.Round.Why == "routine" && due.After(victim.Round.Due) {
			victim = v
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, r := range p.exchange.all() {
		if headerOf(r, "ce_id") != victim.Round.String() {
			again := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp}
			if err := client.ProduceSync(t.Context(), again).FirstErr(); err != nil && r.Topic != kafka.DeadTopic {
				t.Fatal(err)
			}
		}
	}
	config := filepath.Join(t.TempDir(), "second.yaml")
	text := strings.ReplaceAll(readFile(t, p.path("sat-a.yaml")), p.Address, cluster.ListenAddrs()[0])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := lamplighter(t, append([]string{"audit", "--config", config}, span...)...)
	if out.code != int(exitUnavailable) || strings.Count(out.stdout, "LOST") != 1 || strings.Contains(out.stdout, "ALARM") ||
		!strings.HasPrefix(out.stdout, "LOST   "+victim.Round.String()+": ") {
		t.Errorf("exit code %d, want only %s:\n%s%s", out.code, victim.Round, out.stdout, out.stderr)
	}
	if long && !strings.Contains(out.stdout, "judged, not on Kafka") {
		t.Errorf("it does not say where: %s", out.stdout)
	}
}
