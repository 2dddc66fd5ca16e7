package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/schematest"
	"lamplighter/results/spool"
)

// shelf keeps what books write; it may be full.
type shelf struct {
	mu      sync.Mutex // guards the following
	full    bool
	records []spool.Record
}

func (s *shelf) write(_ context.Context, r spool.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errors.New("full")
	}
	s.records = append(s.records, r)
	return nil
}

func (s *shelf) fill(full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = full
}

// tallies are those on the shelf, valid by their schema.
func (s *shelf) tallies(t *testing.T) (all []results.Tally) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[string]bool{}
	for _, r := range s.records {
		if ids[r.ID] {
			t.Errorf("%s is there twice", r.ID)
		}
		ids[r.ID] = true
		if r.Kind != spool.Tally {
			schematest.Validate(t, "skip.v1", r.Value)
			continue
		}
		schematest.Validate(t, "tally.v1", r.Value)
		var tally results.Tally
		if err := json.Unmarshal(r.Value, &tally); err != nil {
			t.Fatal(err)
		}
		all = append(all, tally)
	}
	return all
}

func due(n int, at time.Time) checks.Round {
	return checks.Round{BMC: inventory.ID(fmt.Sprint("bmc-", n)), Due: at.UTC().Truncate(time.Millisecond), Why: checks.Routine}
}

func TestBooksSayEachRoundOnceAndEveryMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{}
		b := NewBooks(Config{Site: "ams1", Satellite: "sat-a", Write: kept.write})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		began := time.Now()
		var want sum
		for n := range 10 {
			round := due(n, began)
			want.add(results.HashOf(round))
			b.Started(round)
			b.Started(round) // handed back by the bus, and sent again
			if n == 7 {
				time.Sleep(10 * time.Minute) // the rest comes late
			}
		}
		confirm := due(0, began)
		confirm.Why = checks.Confirm
		b.Started(confirm)
		b.Skipped(due(3, began.Add(time.Second)), "overload")
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		var got sum
		minutes := map[time.Time]int{}
		for _, tally := range kept.tallies(t) {
			if tally.Tier == results.Started {
				got = got.with(sum{tally.Rounds, tally.Xor})
			}
			if tally.Part == 0 {
				minutes[tally.Minute]++
			}
		}
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		for minute := began.UTC().Truncate(time.Minute); minute.Before(began.Add(10 * time.Minute)); minute = minute.Add(time.Minute) {
			if minutes[minute] != 2 {
				t.Errorf("%d first tallies of %s, want one per tier", minutes[minute], minute)
			}
		}
		if !slices.ContainsFunc(kept.records, func(r spool.Record) bool { return r.Kind == spool.Skip && r.BMC == "bmc-3" && r.State == "overload" }) {
			t.Error("the skip is not there")
		}
	})
}

func TestWhatCannotBeWrittenWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &shelf{full: true}
		b := NewBooks(Config{Site: "ams1", Satellite: "sat-a", Write: kept.write})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		for n := range 100 {
			b.Skipped(due(n, time.Now()), "running")
		}
		synctest.Wait()
		kept.fill(false)
		time.Sleep(2 * time.Minute)
		cancel()
		<-ended
		if n := len(kept.records) - len(kept.tallies(t)); n != 100 {
			t.Errorf("%d skips, want 100", n)
		}
	})
}

func TestTalliesStayInTheirBounds(t *testing.T) {
	books, now := newTallies(noon), noon
	for n := range 3 * mindMost / 2 {
		if n%100_000 == 0 {
			now = now.Add(time.Minute)
		}
		books.add(results.Started, checks.Round{BMC: inventory.ID(fmt.Sprint(n)), Due: now, Why: checks.Routine})
	}
	if books.known > mindMost {
		t.Errorf("%d rounds are known", books.known)
	}
	rounds := 0
	for _, tally := range books.close(now.Add(time.Hour)) {
		rounds += tally.Rounds
	}
	books.close(now.Add(2 * numberFor))
	if rounds != 3*mindMost/2 || books.known != 0 || len(books.pages) > 2*int(numberFor/time.Minute)+2 {
		t.Errorf("%d rounds in tallies; then %d known on %d pages", rounds, books.known, len(books.pages))
	}
}
