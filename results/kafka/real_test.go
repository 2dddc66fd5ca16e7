package kafka_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
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
		check(t, peers.Records(t, kafka.VerdictTopic, broker.Address), emitted{bmcs: 20, to: 20})
	})
	t.Run("frozen", func(t *testing.T) { frozen(t, broker, c) })
	t.Run("kcat", func(t *testing.T) { readByKcat(t, broker.Address, 500) })
	t.Run("drain", func(t *testing.T) { drainRate(t, broker.Address, emitted{bmcs: 2000, to: 20}, false) })
	// A small fleet whose records came in no order: the same BMC again and again within a window.
	t.Run("drain in no order", func(t *testing.T) { drainRate(t, broker.Address, emitted{bmcs: 1500, to: 70}, true) })
	t.Run("drain of 20 minutes at 350 a second", func(t *testing.T) {
		if os.Getenv("LAMPLIGHTER_LONG") == "" {
			return // make long
		}
		drainRate(t, broker.Address, emitted{bmcs: 6000, to: 70}, false)
	})
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
	check(t, peers.Records(t, kafka.VerdictTopic, broker.Address), emitted{bmcs: 20, to: 25})
}

func checkTopics(t *testing.T, c kafka.Config) {
	t.Helper()
	if differences, err := kafka.CheckTopics(c, 1); err != nil || len(differences) != 9 {
		t.Fatalf("before they are made: %v, %v", differences, err)
	}
	made, err := kafka.CreateTopics(c, 1)
	if err != nil || len(made) != 9 {
		t.Fatalf("made %v, %v", made, err)
	}
	if differences, err := kafka.CheckTopics(c, 1); err != nil || len(differences) != 0 {
		t.Errorf("right after they were made: %v, %v", differences, err)
	}
	if made, err := kafka.CreateTopics(c, 1); err != nil || len(made) != 0 {
		t.Errorf("the second time: made %v, %v", made, err)
	}
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
func drainRate(t *testing.T, address string, all emitted, shuffled bool) {
	t.Helper()
	least := 5000.0
	if race {
		least = 1000
	}
	c := config(t.TempDir(), address)
	c.Satellite = "sat-b"
	fillSpool(t, c, all, shuffled)
	before := resident(t)
	start := time.Now()
	sink := run(t, c)
	sink.untilDrained(t, 3*time.Minute)
	took := time.Since(start)
	rate := float64(all.count()) / took.Seconds()
	grown := resident(t) - before
	t.Logf("drained %d verdicts in %v: %.0f/s, %d MiB more resident", all.count(), took.Round(time.Millisecond), rate, grown>>20)
	if rate < least {
		t.Errorf("drained %.0f/s, want %.0f/s", rate, least)
	}
	if stats := sink.Stats(); stats.Drained < uint64(all.count()) || stats.Refused > 0 {
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
	fillSpool(t, c, all, false)
	sink := run(t, c)
	sink.untilDrained(t, time.Minute)
	check(t, peers.Records(t, kafka.VerdictTopic, there.ListenAddrs()...), all)
}

// fillSpool fills a spool with verdicts: round by round, or in no order at all, for whoever wants only to know how long it takes.
func fillSpool(t *testing.T, c kafka.Config, all emitted, shuffled bool) {
	t.Helper()
	order := make([]int, all.count()) // of whom the next verdict is
	for i := range order {
		order[i] = i % all.bmcs
	}
	if shuffled {
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	c.Spool.Batch = time.Millisecond
	kept, err := spool.Open(c.Spool)
	if err != nil {
		t.Fatal(err)
	}
	next := map[int]int{}
	for chunk := range slices.Chunk(order, all.bmcs) {
		var group sync.WaitGroup
		for _, bmc := range chunk {
			n := next[bmc]
			next[bmc]++
			group.Go(func() {
				r, err := spool.Of(verdict(fmt.Sprint("bmc-", bmc), n))
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
