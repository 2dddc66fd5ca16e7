package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/checks/peers"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/results/spool"
)

// onAll puts a record of each kind on Kafka, and all it emits.
func onAll(t *testing.T, sink *running, e emitted) {
	t.Helper()
	emit(t, sink, e)
	round := verdict("bmc-0", 99).Round
	for _, made := range []struct {
		record spool.Record
		err    error
	}{
		pair(spool.OfSkip(results.Skip{Schema: results.SkipSchema, Site: "ams1", Satellite: "sat-a", BMC: round.BMC, Round: round, Why: "overload", At: noon})),
		pair(spool.OfTally(results.Tally{Schema: results.TallySchema, Site: "ams1", Satellite: "sat-a", Since: noon, Tier: results.Judged, Minute: noon, Xor: results.HashOf(round), Rounds: 1, At: noon})),
		pair(spool.OfDeadLetter(results.DeadLetter{Schema: results.DeadLetterSchema, Site: "ams1", Satellite: "sat-a", ID: "x", Why: "no JSON", Body: make([]byte, 300<<10), At: noon})),
	} {
		if err := errors.Join(made.err, sink.Record(t.Context(), made.record)); err != nil {
			t.Fatal(err)
		}
	}
	sink.untilDrained(t, 30*time.Second)
}

func pair(r spool.Record, err error) (made struct {
	record spool.Record
	err    error
}) {
	made.record, made.err = r, err
	return made
}

var everyTopic = []string{kafka.VerdictTopic, kafka.AuditTopic, kafka.DeadTopic}

// schemas by ce_type.
var schemas = map[string]string{kafka.VerdictType: "verdict.v1", kafka.GapType: "gap.v1", kafka.SkipType: "skip.v1", kafka.TallyType: "tally.v1", kafka.DeadType: "dead.v1"}

func readsAll(t *testing.T, brokers ...string) {
	t.Helper()
	sink := run(t, config(t.TempDir(), brokers...))
	sink.untilDrained(t, 30*time.Second)
	onAll(t, sink, emitted{bmcs: 50, to: 40})
	kinds, next := map[string]int{}, map[string]int{}
	err := kafka.Read(t.Context(), config(t.TempDir(), brokers...), kafka.Reading{Topics: everyTopic, See: func(r kafka.Record) error {
		kind, key := r.Header("ce_type"), string(r.Key)
		kinds[kind]++
		schematest.Validate(t, schemas[kind], r.Value)
		site, satellite, ok := r.Source()
		if !ok || site != "ams1" || satellite != "sat-a" || r.Header("ce_id") == "" || (r.Header("ce_rounds") == "") != (kind == kafka.TallyType || kind == kafka.DeadType) {
			t.Errorf("%s: site %q, satellite %q, id %q", kind, site, satellite, r.Header("ce_id"))
		}
		if kind == kafka.VerdictType && r.Header("ce_id") != verdict(key, next[key]).Round.String() {
			t.Errorf("%s is out of order", r.Header("ce_id"))
		}
		if kind == kafka.VerdictType {
			next[key]++
		}
		return nil
	}})
	if want := "map[bmc.dead.v1:1 bmc.skip.v1:1 bmc.tally.v1:1 bmc.verdict.v1:2000]"; err != nil || fmt.Sprint(kinds) != want {
		t.Errorf("read %v, %v; want %s", kinds, err, want)
	}
	err = kafka.Read(t.Context(), config(t.TempDir(), brokers...), kafka.Reading{Topics: everyTopic, From: time.Now().Add(time.Hour), See: func(r kafka.Record) error {
		return fmt.Errorf("read %s, which is too old", r.Header("ce_id"))
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestReadFromKfake(t *testing.T) {
	t.Parallel()
	readsAll(t, cluster(t).ListenAddrs()...)
}

func TestReadFromRealKafka(t *testing.T) {
	broker := peers.StartKafka(t)
	if _, err := kafka.CreateTopics(config(t.TempDir(), broker.Address), 1); err != nil {
		t.Fatal(err)
	}
	readsAll(t, broker.Address)
}

func TestFollowSeesWhatComesLater(t *testing.T) {
	t.Parallel()
	there := cluster(t)
	sink := run(t, config(t.TempDir(), there.ListenAddrs()...))
	sink.untilDrained(t, 30*time.Second)
	emit(t, sink, emitted{bmcs: 5, to: 5})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	seen, more := 0, false
	err := kafka.Read(ctx, config(t.TempDir(), there.ListenAddrs()...), kafka.Reading{Topics: []string{kafka.VerdictTopic},
		See: func(kafka.Record) error {
			if seen++; seen == 50 {
				cancel()
			}
			return nil
		},
		Follow: func(time.Time) error {
			if !more && seen == 25 {
				more = true
				emit(t, sink, emitted{bmcs: 5, from: 5, to: 10})
			}
			return nil
		}})
	if !errors.Is(err, context.Canceled) || seen != 50 {
		t.Errorf("%d seen, %v", seen, err)
	}
}

func TestWhatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	there := cluster(t, kfake.NumBrokers(1))
	sink := run(t, config(t.TempDir(), there.ListenAddrs()...))
	emit(t, sink, emitted{bmcs: 1, to: 1})
	sink.untilDrained(t, 30*time.Second)
	stop := errors.New("enough")
	see := func(kafka.Record) error { return stop }
	for name, test := range map[string]struct {
		config kafka.Config
		topic  string
		want   string
	}{
		"nobody is there":        {config(t.TempDir(), "127.0.0.1:1"), kafka.VerdictTopic, "kafka at 127.0.0.1:1"},
		"there is no such topic": {config(t.TempDir(), there.ListenAddrs()...), "bmc.nothing.v1", "topic bmc.nothing.v1"},
		"who reads has enough":   {config(t.TempDir(), there.ListenAddrs()...), kafka.VerdictTopic, "enough"},
	} {
		t.Run(name, func(t *testing.T) {
			err := kafka.Read(t.Context(), test.config, kafka.Reading{Topics: []string{test.topic}, See: see})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
