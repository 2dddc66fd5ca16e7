package spool

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lamplighter/inventory"
)

// A small fleet in no order, whose drain fails half way again and again, and is coalesced once: what remains is in order per BMC, nothing
// is missing, and the books are right in the end.
func TestWindowsKeepTheOrderPerBMC(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 7))
		s := open(t, Config{Dir: t.TempDir(), Segment: 2000})
		fill := map[inventory.ID]int{}
		for range 300 {
			bmc := fmt.Sprint("bmc-", random.IntN(9))
			fillWith(t, s, record(bmc, fill[inventory.ID(bmc)], fmt.Sprint(fill[inventory.ID(bmc)]/4)))
			fill[inventory.ID(bmc)]++
		}
		next, fold := map[inventory.ID]uint64{}, random.IntN(40)
		for step := 0; s.Stats().Records > 0; step++ {
			if step == fold {
				if err := s.Coalesce(noon); err != nil {
					t.Fatal(err)
				}
			}
			records, err := s.Head(1 + random.IntN(12))
			if err != nil {
				t.Fatal(err)
			}
			n := random.IntN(len(records) + 1)
			for _, r := range records[:n] {
				take(t, next, r)
			}
			if err := s.Done(n); err != nil {
				t.Fatal(err)
			}
		}
		for bmc, n := range fill {
			if next[bmc] != uint64(n) || s.Has(bmc) {
				t.Errorf("seed %d: %s: %d of %d", seed, bmc, next[bmc], n)
			}
		}
		shut(t, s)
	}
}

// take counts a record's rounds. One that was done and comes again after coalescing is passed over, as by who reads the topic.
func take(t *testing.T, next map[inventory.ID]uint64, r Record) {
	t.Helper()
	if r.Kind == Gap {
		return
	}
	var n uint64
	if _, err := fmt.Sscanf(r.ID, string(r.BMC)+"/%d", &n); err != nil {
		t.Fatal(err)
	}
	if n < next[r.BMC] {
		return
	}
	if n != next[r.BMC]+r.Rounds-1 && r.Rounds == 1 {
		t.Fatalf("%s of %d rounds comes after %d", r.ID, r.Rounds, next[r.BMC])
	}
	next[r.BMC] = n + 1
}
