package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/spool"
)

func TestARoundIsWrittenInTheBooksOfTheSiteWhereItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := new(inventory.Fleet)
		set := func(site string) {
			if _, err := fleet.Set([]inventory.BMC{{ID: "a", Site: site, Address: netip.MustParseAddr("10.0.0.1")}}); err != nil {
				t.Fatal(err)
			}
		}
		set("ams1")
		var mu sync.Mutex
		written := map[string]int{} // by site and tier
		s := newShelf(audit.Config{Satellite: "sat", Write: func(_ context.Context, r spool.Record) error {
			var tally results.Tally
			if err := json.Unmarshal(r.Value, &tally); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			written[tally.Site+" "+string(tally.Tier)] += tally.Rounds
			return nil
		}}, fleet)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = s.Run(ctx) })
		round := func(n int) checks.Round {
			return checks.Round{BMC: "a", Due: time.Now().Add(time.Duration(n) * time.Minute), Why: checks.Routine}
		}
		s.Started(round(1))
		set("fra1") // moved while a round is under way
		s.Judged(round(1))
		s.Started(round(2))
		s.Judged(round(2))
		time.Sleep(5 * time.Minute)
		cancel()
		group.Wait()
		for what, want := range map[string]int{"ams1 started": 1, "ams1 judged": 1, "fra1 started": 1, "fra1 judged": 1} {
			if written[what] != want {
				t.Errorf("%s: %d, want %d (%v)", what, written[what], want, written)
			}
		}
	})
}
