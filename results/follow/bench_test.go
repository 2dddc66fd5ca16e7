package follow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/kafka"
	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
	"lamplighter/results/store/storetest"
)

// BenchmarkEmit is a verdict of this process: applied, kept in SQLite on the disk, told; a batch at a time.
func BenchmarkEmit(b *testing.B) {
	kept, err := sqlite.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	f, err := follow.Open(b.Context(), follow.Config{Store: kept, Interval: 100 * time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { _ = f.Run(ctx) })
	const fleet = 10_000
	from := time.Now().Add(-100 * time.Hour)
	all := make(chan results.Verdict, 1000)
	var emitters sync.WaitGroup
	for range 1000 {
		emitters.Go(func() {
			for v := range all {
				if err := f.Emit(ctx, v); err != nil {
					b.Error(err)
				}
			}
		})
	}
	made := make([]results.Verdict, b.N)
	for n := range b.N {
		made[n] = verdictOfFleet(from, n%fleet, n/fleet)
	}
	used := peers.UsedCPU(b)
	b.ResetTimer()
	for _, v := range made {
		all <- v
	}
	close(all)
	emitters.Wait()
	used.Report(b, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verdicts/s")
}

// verdictOfFleet is a fleet of which 1 % of the rounds change something.
func verdictOfFleet(from time.Time, bmc, round int) results.Verdict {
	reason := checks.Reason("")
	if (bmc*7+round)%200 == 0 {
		reason = checks.AuthRejected
	}
	return storetest.VerdictOf(fmt.Sprintf("ams1-%06d", bmc), round, from.Add(time.Duration(round)*5*time.Minute).Truncate(time.Second).UTC(), reason)
}

// BenchmarkOpen is the start with 100,000 BMCs.
func BenchmarkOpen(b *testing.B) {
	const fleet = 100_000
	dir := b.TempDir()
	fillStore(b, dir, fleet)
	b.ReportAllocs()
	for b.Loop() {
		kept, err := sqlite.Open(b.Context(), dir)
		if err != nil {
			b.Fatal(err)
		}
		f, err := follow.Open(b.Context(), follow.Config{Store: kept, Interval: 5 * time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		if all, _ := f.Live().All(); len(all) != fleet {
			b.Fatalf("%d BMCs", len(all))
		}
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		b.ReportMetric(float64(memory.HeapAlloc)/(1<<20), "MiB")
		runtime.KeepAlive(f)
		if err := kept.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func fillStore(b *testing.B, dir string, fleet int) {
	b.Helper()
	kept, err := sqlite.Open(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	const at = 5000
	for first := 0; first < fleet; first += at {
		batch := store.Batch{Facts: map[inventory.ID][]results.Fact{}}
		for bmc := first; bmc < first+at; bmc++ {
			v := verdictOfFleet(time.Now().Add(-time.Hour), bmc, 1)
			state, _ := results.Apply(results.State{}, v, 1, false)
			batch.Verdicts, batch.States = append(batch.Verdicts, store.Stored{Verdict: v}), append(batch.States, state)
			batch.Facts[v.BMC], _ = results.Learn(nil, v)
		}
		if _, err := kept.Put(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFollow is the whole way: read from a real Kafka, applied, kept in SQLite, states and changes sent to Kafka. The first round of
// the fleet, in which each BMC is new, is told apart from those that follow.
func BenchmarkFollow(b *testing.B) {
	broker := peers.StartKafka(b)
	where := kafkaConfig(b.TempDir(), broker.Address)
	if _, err := kafka.CreateTopics(where, 1); err != nil {
		b.Fatal(err)
	}
	const fleet = 10_000
	all := fleet + b.N
	from := time.Now().Add(-time.Duration(all/fleet+1) * 5 * time.Minute)
	post := &kafka.Post{Config: where}
	defer post.Close()
	var letters []kafka.Letter
	for n := range all {
		v := verdictOfFleet(from, n%fleet, n/fleet)
		doc, err := json.Marshal(v)
		if err != nil {
			b.Fatal(err)
		}
		letters = append(letters, kafka.Letter{Topic: kafka.VerdictTopic, Key: string(v.BMC), ID: v.Round.String(), At: v.At, Value: doc})
		if len(letters) == 1000 || n == all-1 {
			if _, err := post.Send(b.Context(), letters); err != nil {
				b.Fatal(err)
			}
			letters = nil
		}
	}
	kept, err := sqlite.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	f, err := follow.Open(b.Context(), follow.Config{Store: kept, Interval: 100 * time.Hour, Kafka: &where, Read: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { _ = f.Run(ctx) })
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	until := func(done func() bool) {
		for !done() {
			<-tick.C
		}
	}
	began := time.Now()
	until(func() bool { return f.Stats().Verdicts >= fleet })
	fresh := fleet / time.Since(began).Seconds()
	before := f.Stats().Verdicts
	used := peers.UsedCPU(b)
	b.ResetTimer()
	until(func() bool { return f.Stats().Verdicts >= uint64(all) })
	rest := float64(uint64(all) - before)
	b.ReportMetric(rest/b.Elapsed().Seconds(), "verdicts/s")
	b.ReportMetric(fresh, "new/s")
	b.ReportMetric(float64(f.Stats().Waiting), "waiting")
	until(func() bool { letters, err := kept.Outbox(ctx, 1); return err != nil || len(letters) == 0 })
	b.ReportMetric(rest/b.Elapsed().Seconds(), "sent/s")
	used.Report(b, int(rest))
}
