package kafka_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/results/spool"
)

// The real Kafka: topics made and checked, verdicts before, while and after it is killed and frozen, all of it read by kcat,
// and a long outage's drain.
func TestRealKafka(t *testing.T) {
	broker := peers.StartKafka(t)
	c := config(t.TempDir(), broker.Address)
	c.Patience = 500 * time.Millisecond
	t.Run("topics", func(t *testing.T) { checkTopics(t, c) })
	restart := func() { broker.Restart(t) } // it lives as long as t, not as a part of it
	t.Run("killed", func(t *testing.T) {
		sink := run(t, c)
		sink.untilDrained(t, 30*time.Second)
		emit(t, sink, emitted{bmcs: 20, to: 10})
		if stats := sink.Stats(); stats.Direct == 0 {
			t.Errorf("all went through the spool: %+v", stats)
		}
		broker.Kill()
		emit(t, sink, emitted{bmcs: 20, from: 10, to: 15})
		restart()
		emit(t, sink, emitted{bmcs: 20, from: 15, to: 20})
		sink.untilDrained(t, 90*time.Second)
		check(t, consumed(t, kafka.VerdictTopic, broker.Address), emitted{bmcs: 20, to: 20})
	})
	t.Run("frozen", func(t *testing.T) { frozen(t, broker, c) })
	t.Run("kcat", func(t *testing.T) { readByKcat(t, broker.Address, 500) })
	t.Run("drain", func(t *testing.T) { drainRate(t, broker.Address) })
}

// frozen: a Kafka that accepts connections and says nothing holds up neither verdicts nor the end.
func frozen(t *testing.T, broker *peers.Kafka, c kafka.Config) {
	sink := run(t, c)
	sink.untilDrained(t, 30*time.Second)
	broker.Freeze(t)
	before := time.Now()
	emit(t, sink, emitted{bmcs: 20, from: 20, to: 25})
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("5 rounds took %v while Kafka was frozen", took)
	}
	before = time.Now()
	sink.stop()
	if took := time.Since(before); took > 10*time.Second {
		t.Errorf("the end took %v while Kafka was frozen", took)
	}
	broker.Thaw(t)
	again := run(t, c)
	again.untilDrained(t, 60*time.Second)
	check(t, consumed(t, kafka.VerdictTopic, broker.Address), emitted{bmcs: 20, to: 25})
}

func checkTopics(t *testing.T, c kafka.Config) {
	t.Helper()
	if differences, err := kafka.CheckTopics(c, 1); err != nil || len(differences) != 7 {
		t.Fatalf("before they are made: %v, %v", differences, err)
	}
	made, err := kafka.CreateTopics(c, 1)
	if err != nil || len(made) != 7 {
		t.Fatalf("made %v, %v", made, err)
	}
	if made, err := kafka.CreateTopics(c, 1); err != nil || len(made) != 0 {
		t.Errorf("the second time: made %v, %v", made, err)
	}
	until(t, "the topics are as they should be", 10*time.Second, func() bool {
		differences, err := kafka.CheckTopics(c, 1)
		return err == nil && len(differences) == 0
	})
	if differences, err := kafka.CheckTopics(c, 3); err != nil || !slices.Contains(differences, "bmc.state.v1: min.insync.replicas: want 2, got 1") {
		t.Errorf("for three replicas: %v, %v", differences, err)
	}
}

// readByKcat lets a consumer that nobody here wrote read key, headers and value.
func readByKcat(t *testing.T, address string, rounds int) {
	t.Helper()
	if os.Getenv(peers.RequireVariable) == "" {
		if _, err := os.Stat("/usr/bin/kcat"); err != nil {
			t.Log("NOT TESTED: kcat is missing (.ci/peers installs it)")
			return
		}
	}
	seen := map[string]bool{}
	out := peers.Kcat(t, "-b", address, "-C", "-t", kafka.VerdictTopic, "-e", "-q", "-f", `%k\t%h\t%s\n`)
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[1], "ce_specversion=1.0,ce_id="+fields[0]+"@") {
			t.Fatalf("kcat printed %q", line)
		}
		seen[fields[1]] = true
		schematest.Validate(t, "verdict.v1", []byte(fields[2]))
	}
	if len(seen) != rounds {
		t.Errorf("kcat read %d rounds, want %d", len(seen), rounds)
	}
}

// drainRate fills a spool as an outage would, and wants Kafka to have it at 5,000 a second or more.
func drainRate(t *testing.T, address string) {
	t.Helper()
	bmcs, rounds, least := 2000, 20, 5000.0
	if race {
		least = 1000
	}
	c := config(t.TempDir(), address)
	c.Satellite = "sat-b"
	fillSpool(t, c, bmcs, rounds)
	before := resident(t)
	start := time.Now()
	sink := run(t, c)
	sink.untilDrained(t, time.Minute)
	took := time.Since(start)
	rate := float64(bmcs*rounds) / took.Seconds()
	grown := resident(t) - before
	t.Logf("drained %d verdicts in %v: %.0f/s, %d MiB more resident", bmcs*rounds, took.Round(time.Millisecond), rate, grown>>20)
	if rate < least {
		t.Errorf("drained %.0f/s, want %.0f/s", rate, least)
	}
	if stats := sink.Stats(); stats.Drained < uint64(bmcs*rounds) || stats.Refused > 0 {
		t.Errorf("%+v", stats)
	}
	if limit := int64(64 << 20); grown > limit && !race {
		t.Errorf("memory grew by %d MiB, want at most 64", grown>>20)
	}
}

// The same with kfake, for machines without the real one: all is there, in order.
func TestDrainIntoKfake(t *testing.T) {
	there := cluster(t)
	c := config(t.TempDir(), there.ListenAddrs()...)
	all := emitted{bmcs: 500, to: 20}
	fillSpool(t, c, all.bmcs, all.to)
	sink := run(t, c)
	sink.untilDrained(t, time.Minute)
	check(t, consumed(t, kafka.VerdictTopic, there.ListenAddrs()...), all)
}

func fillSpool(t *testing.T, c kafka.Config, bmcs, rounds int) {
	t.Helper()
	c.Spool.Batch = time.Millisecond
	kept, err := spool.Open(c.Spool)
	if err != nil {
		t.Fatal(err)
	}
	for n := range rounds {
		var group sync.WaitGroup
		for bmc := range bmcs {
			group.Go(func() {
				r, err := spool.Of(verdict(fmt.Sprint("drain-", bmc), n))
				if err := errors.Join(err, kept.Append(r)); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
}

// resident is how much memory the process has, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", "self", "statm"))
	if err != nil {
		t.Skipf("NOT TESTED: memory: %v", err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(status), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
