package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
	"lamplighter/results/store/storetest"
)

// month is how many rounds 30 days have at 5 minutes.
const month = 30 * 24 * 12

// failing: each BMC fails for 5 of 200 rounds, so 1 % of the rounds change something.
func failing(bmc, round int) checks.Reason {
	if (bmc*37+round)%200 < 5 {
		return checks.AuthRejected
	}
	return ""
}

// fill puts 30 days of a fleet, each verdict, with states, changes and facts, and forgets what is old each day.
func fill(b *testing.B, s store.Store, fleet int, forget bool) {
	b.Helper()
	states, facts := make([]results.State, fleet), make([][]results.Fact, fleet)
	for round := range month {
		batch := store.Batch{Facts: map[inventory.ID][]results.Fact{}}
		for bmc := range fleet {
			v := storetest.Verdict(fmt.Sprintf("ams1-%06d", bmc), round, failing(bmc, round))
			var changes []results.Change
			states[bmc], changes = results.Apply(states[bmc], v, 1, false)
			batch.Verdicts = append(batch.Verdicts, store.Stored{Verdict: v, Rounds: 1})
			batch.Changes = append(batch.Changes, changes...)
			batch.States = append(batch.States, states[bmc])
			if facts[bmc], _ = results.Learn(facts[bmc], v); round%12 == 0 {
				batch.Facts[v.BMC] = facts[bmc]
			}
		}
		if _, err := s.Put(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if forget && round%288 == 287 {
			if _, err := s.Forget(b.Context(), store.DefaultKeep, storetest.Noon.Add(time.Duration(round)*storetest.Interval)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkMonth is 30 days of a BMC: what they take on the disk, and how long it takes to load them.
func BenchmarkMonth(b *testing.B) {
	const fleet = 100
	for _, forget := range []bool{false, true} {
		name := map[bool]string{false: "repeats for ever", true: "repeats for two days"}[forget]
		dir := b.TempDir()
		s := reopen(b, nil, dir)
		fill(b, s, fleet, forget)
		s = reopen(b, s, dir) // what is in the log, at most 64 MiB however large the fleet, goes into the file
		defer s.Close()
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				if got := load(b, s, inventory.ID(fmt.Sprintf("ams1-%06d", n%fleet))); got < 200 {
					b.Fatalf("only %d", got)
				}
				n++
			}
			size, err := s.Size()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(size)/fleet, "B/BMC")
			b.ReportMetric(float64(size)/fleet*100_000/(1<<30), "GiB/100,000BMCs")
		})
	}
}

func reopen(b *testing.B, s store.Store, dir string) store.Store {
	b.Helper()
	if s != nil {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	s, err := sqlite.Open(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// load loads all there is of a BMC's 30 days.
func load(b *testing.B, s store.Store, bmc inventory.ID) (count int) {
	b.Helper()
	spans, err := s.Spans(b.Context(), bmc, time.Time{}, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Changes(b.Context(), store.Which{BMC: bmc}, func(store.Kept) bool { count++; return true }); err != nil {
		b.Fatal(err)
	}
	if err := s.Verdicts(b.Context(), bmc, time.Time{}, time.Time{}, func(results.Verdict) bool { count++; return true }); err != nil {
		b.Fatal(err)
	}
	return count + len(spans)
}
