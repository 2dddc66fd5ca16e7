package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lamplighter/checks/peers"
	"lamplighter/results/kafka"
	"lamplighter/results/spool"
)

func produce(err *kerr.Error, count int) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: count}
}

// The library hands back what it cannot deliver: whatever Kafka does, nothing that was acknowledged to the actor is missing.
func TestFaultsOfKafkaLoseNothing(t *testing.T) {
	for name, inject := range map[string]func(c *kfake.Cluster){
		"the leader is another":                      func(c *kfake.Cluster) { c.Fault(produce(kerr.NotLeaderForPartition, 8)) },
		"no answer, after it was appended":           func(c *kfake.Cluster) { c.Fault(produce(kerr.RequestTimedOut, 8)) },
		"not enough replicas":                        func(c *kfake.Cluster) { c.Fault(produce(kerr.NotEnoughReplicas, 40)) },
		"not enough replicas after the append":       func(c *kfake.Cluster) { c.Fault(produce(kerr.NotEnoughReplicasAfterAppend, 8)) },
		"a sequence that the broker does not expect": func(c *kfake.Cluster) { c.Fault(produce(kerr.OutOfOrderSequenceNumber, 2)) },
		"a producer that the broker forgot":          func(c *kfake.Cluster) { c.Fault(produce(kerr.UnknownProducerID, 2)) },
		"an error that nobody expects":               func(c *kfake.Cluster) { c.Fault(produce(kerr.UnknownServerError, 5)) },
		"every leader moves":                         func(c *kfake.Cluster) { c.ShufflePartitionLeaders() },
		"a broker goes":                              func(c *kfake.Cluster) { _ = c.RemoveNode(0) },
		"a broker goes and another comes":            func(c *kfake.Cluster) { _ = c.RemoveNode(1); _, _, _ = c.AddNode(7, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster(t)
			sink := run(t, config(t.TempDir(), c.ListenAddrs()...))
			sink.untilDrained(t, 60*time.Second)
			all := emitted{bmcs: 20, to: 15}
			var injected sync.WaitGroup
			injected.Go(func() {
				until(t, "some are on Kafka", 60*time.Second, func() bool { return sink.Stats().Direct > 40 })
				inject(c)
			})
			emit(t, sink, all)
			injected.Wait()
			sink.untilDrained(t, 60*time.Second)
			stats := sink.Stats()
			duplicates := check(t, peers.Records(t, kafka.VerdictTopic, c.ListenAddrs()...), all)
			t.Logf("%d direct, %d spooled, %d duplicates dropped by ce_id", stats.Direct, stats.Spooled, duplicates)
		})
	}
}

// Kafka is away before the satellite starts, then there, away, and there again: nobody waits for it longer than patience.
func TestKafkaComesAndGoes(t *testing.T) {
	t.Parallel()
	dir, data := t.TempDir(), t.TempDir()
	first := cluster(t, kfake.NumBrokers(1), kfake.DataDir(data))
	brokers := first.ListenAddrs()
	first.Close()
	c := config(dir, brokers...)
	c.Patience = 300 * time.Millisecond
	sink := run(t, c)
	start := func() *kfake.Cluster {
		var port int
		if _, err := fmt.Sscanf(brokers[0], "127.0.0.1:%d", &port); err != nil {
			t.Fatal(err)
		}
		return cluster(t, kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(data))
	}
	emit(t, sink, emitted{bmcs: 10, to: 5}) // away
	if stats := sink.Stats(); stats.Live || stats.Spooled != 50 {
		t.Errorf("%+v", stats)
	}
	there := start()
	sink.untilDrained(t, 60*time.Second)
	emit(t, sink, emitted{bmcs: 10, from: 5, to: 10})
	if stats := sink.Stats(); stats.Direct == 0 {
		t.Errorf("all went through the spool: %+v", stats)
	}
	there.Close()
	before := time.Now()
	emit(t, sink, emitted{bmcs: 10, from: 10, to: 15})
	if took := time.Since(before); took > 30*time.Second {
		t.Errorf("5 rounds took %v while Kafka was away", took)
	}
	start()
	emit(t, sink, emitted{bmcs: 10, from: 15, to: 20})
	sink.untilDrained(t, 60*time.Second)
	check(t, peers.Records(t, kafka.VerdictTopic, brokers...), emitted{bmcs: 10, to: 20})
}

// Where the disk takes nothing either, Emit fails and the bus keeps the task; once Kafka is back, it works again.
func TestAFullSpoolDoesNotHideThatKafkaIsBack(t *testing.T) {
	t.Parallel()
	there := cluster(t)
	config := config(t.TempDir(), there.ListenAddrs()...)
	config.Spool.Limits.Bytes, config.Patience = 1, 200*time.Millisecond
	sink := run(t, config)
	sink.untilDrained(t, 20*time.Second)
	away := there.Fault(produce(kerr.NotLeaderForPartition, -1))
	if err := sink.Emit(t.Context(), verdict("bmc-0", 0)); !errors.Is(err, spool.ErrFull) {
		t.Fatalf("got %v, want %v", err, spool.ErrFull)
	}
	away.Remove()
	until(t, "taken again", 30*time.Second, func() bool { return sink.Emit(t.Context(), verdict("bmc-0", 0)) == nil })
	check(t, peers.Records(t, kafka.VerdictTopic, there.ListenAddrs()...), emitted{bmcs: 1, to: 1})
}

// A satellite that stops, or is killed, leaves its spool to the next.
func TestTheNextSatelliteDrainsTheSpool(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	away, err := kafka.Open(config(dir, "127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	emit(t, away, emitted{bmcs: 10, to: 10})
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	c := cluster(t)
	sink := run(t, config(dir, c.ListenAddrs()...))
	emit(t, sink, emitted{bmcs: 10, from: 10, to: 20}) // must not overtake
	sink.untilDrained(t, 30*time.Second)
	check(t, peers.Records(t, kafka.VerdictTopic, c.ListenAddrs()...), emitted{bmcs: 10, to: 20})
}

func TestAnEndedContextDoesNotLoseTheVerdict(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	sink := run(t, config(t.TempDir(), c.ListenAddrs()...))
	sink.untilDrained(t, 20*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sink.Emit(ctx, verdict("bmc-0", 0)); err != nil {
		t.Fatal(err)
	}
	sink.untilDrained(t, 20*time.Second)
	check(t, peers.Records(t, kafka.VerdictTopic, c.ListenAddrs()...), emitted{bmcs: 1, to: 1})
}

func TestARecordThatKafkaRefusesForGoodKeepsNobodyBack(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	sink := run(t, config(t.TempDir(), c.ListenAddrs()...))
	sink.untilDrained(t, 20*time.Second)
	huge := verdict("bmc-1", 0)
	huge.Trail[0].Error = strings.Repeat("x", 300<<10)
	if err := sink.Emit(t.Context(), huge); err != nil {
		t.Fatal(err)
	}
	emit(t, sink, emitted{bmcs: 1, to: 3})
	sink.untilDrained(t, 20*time.Second)
	if stats := sink.Stats(); stats.Refused != 1 {
		t.Errorf("%+v", stats)
	}
	check(t, peers.Records(t, kafka.VerdictTopic, c.ListenAddrs()...), emitted{bmcs: 1, to: 3})
}

func TestCoalescedVerdictsSayHowManyRoundsTheyStandFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := config(dir, "127.0.0.1:1")
	away, err := kafka.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	emit(t, away, emitted{bmcs: 5, to: 30})
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := spool.Open(spool.Config{Dir: dir, Limits: c.Spool.Limits, Site: "ams1", Satellite: "sat-a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Coalesce(noon); err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	there := cluster(t)
	sink := run(t, config(dir, there.ListenAddrs()...))
	sink.untilDrained(t, 30*time.Second)
	checkCoalesced(t, peers.Records(t, kafka.VerdictTopic, there.ListenAddrs()...), peers.Records(t, kafka.AuditTopic, there.ListenAddrs()...), 150)
}
