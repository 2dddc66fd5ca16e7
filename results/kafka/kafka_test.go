package kafka_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/results/spool"
)

// noon is not long ago: what is older than the spool's limit would be coalesced.
var noon = time.Now().UTC().Truncate(time.Minute).Add(-time.Hour)

// verdict is the nth of a BMC, by the code that makes them.
func verdict(bmc string, n int) results.Verdict {
	round := checks.Round{BMC: inventory.ID(bmc), Due: noon.Add(time.Duration(n) * 5 * time.Minute), Why: checks.Routine}
	task := checks.Task{Round: round, Check: checks.Power}
	for _, check := range checks.Default() {
		if check.Name == checks.IPMILogin {
			continue
		}
		facts := checks.Facts{"version": "TLS 1.2", "sha256": "0f5e0b6ac1d2a1c0b25f9d8ad6b04ec1c3f1b2d8f3f79b35a3e0d4c7c1a2b3c4", "product": "Integrated Dell Remote Access Controller"}
		task.Done = append(task.Done, checks.NewResult(check.Name, checks.Finding{Facts: facts}, nil, round.Due, round.Due.Add(time.Second)))
	}
	if n/10%2 == 1 {
		last := &task.Done[len(task.Done)-1]
		last.Outcome, last.Reason, last.Error = checks.Failed, checks.PowerUnreadable, "get https://127.0.0.2/redfish/v1/Systems/1: PowerState is null"
	}
	record := inventory.BMC{ID: round.BMC, Address: netip.MustParseAddr("127.0.0.2"), Site: "ams1", Room: "r", Row: "1", Rack: "r1", Unit: 4, Vendor: "Dell", Model: "R750"}
	return results.Judge(task, record, checks.Default(), "sat-a", round.Due.Add(3*time.Second))
}

// cluster starts kfake: three brokers of a Kafka that is not one, for faults that a real one does not make on demand.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(24, kafka.VerdictTopic, kafka.AuditTopic, kafka.DeadTopic)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func config(dir string, brokers ...string) kafka.Config {
	return kafka.Config{
		Brokers: brokers, Site: "ams1", Satellite: "sat-a",
		Spool: spool.Config{Dir: dir, Limits: spool.Limits{Bytes: 2 << 30, Age: 24 * time.Hour}, Batch: 5 * time.Millisecond},
	}
}

// running is a sink that runs.
type running struct {
	*kafka.Sink
	stop func()
}

func run(t *testing.T, c kafka.Config) *running {
	t.Helper()
	if testing.Verbose() {
		c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return runAs(t, c)
}

// runAs runs a sink by c as it is.
func runAs(t *testing.T, c kafka.Config) *running {
	t.Helper()
	sink, err := kafka.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := sink.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r := &running{sink, sync.OnceFunc(func() {
		cancel()
		group.Wait()
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})}
	t.Cleanup(r.stop)
	return r
}

// until waits for a condition.
func until(t *testing.T, what string, within time.Duration, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(within); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

func (r *running) untilDrained(t *testing.T, within time.Duration) {
	t.Helper()
	until(t, "live and the spool empty", within, func() bool { s := r.Stats(); return s.Live && s.Spool.Records == 0 })
}

// emitted is which BMC's rounds were emitted.
type emitted struct{ bmcs, from, to int }

func (e emitted) count() int { return e.bmcs * (e.to - e.from) }

// emit emits e, all BMCs at once, each in order, and wants each to be taken.
func emit(t *testing.T, sink results.Sink, e emitted) {
	t.Helper()
	var group sync.WaitGroup
	for bmc := range e.bmcs {
		group.Go(func() {
			for n := e.from; n < e.to; n++ {
				if err := sink.Emit(t.Context(), verdict(fmt.Sprint("bmc-", bmc), n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// check wants every verdict of e on Kafka, once after duplicates are dropped by ce_id, in order per BMC, valid by its schema.
func check(t *testing.T, records []*kgo.Record, e emitted) (duplicates int) {
	t.Helper()
	next, seen := map[string]int{}, map[string]bool{}
	for _, r := range records {
		id := header(r, "ce_id")
		if seen[id] {
			duplicates++
			continue
		}
		seen[id] = true
		schematest.Validate(t, "verdict.v1", r.Value)
		bmc := string(r.Key)
		if _, ok := next[bmc]; !ok {
			next[bmc] = e.from
		}
		if want := verdict(bmc, next[bmc]).Round.String(); id != want {
			t.Fatalf("got %s, want %s: out of order, or missing", id, want)
		}
		next[bmc]++
	}
	if len(seen) != e.count() {
		t.Errorf("%d verdicts are on Kafka, want %d", len(seen), e.count())
	}
	return duplicates
}

func TestAVerdictOnKafka(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	sink := run(t, config(t.TempDir(), c.ListenAddrs()...))
	until(t, "live", 20*time.Second, func() bool { return sink.Stats().Live })
	v := verdict("rack 1/bmc@2", 3)
	if err := sink.Emit(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	records := peers.Records(t, "bmc.verdict.v1", c.ListenAddrs()...)
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	r := records[0]
	want, _ := json.Marshal(v)
	if string(r.Value) != string(want) || string(r.Key) != "rack 1/bmc@2" {
		t.Errorf("key %s, value %s", r.Key, r.Value)
	}
	got := map[string]string{}
	for _, h := range r.Headers {
		got[h.Key] = string(h.Value)
	}
	for name, want := range map[string]string{
		"ce_specversion": "1.0", "ce_id": v.Round.String(), "ce_type": "bmc.verdict.v1",
		"ce_source": "/site/ams1/satellite/sat-a", "ce_time": v.At.Format(time.RFC3339), "ce_subject": "rack 1/bmc@2",
		"ce_dataschema": "urn:lamplighter:verdict:v1", "ce_rounds": "1", "content-type": "application/json",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	if stats := sink.Stats(); stats.Direct != 1 || stats.Spooled != 0 {
		t.Errorf("%+v", stats)
	}
}
