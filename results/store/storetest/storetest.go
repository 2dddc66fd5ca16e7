// Package storetest is the suite that every store of the role results passes, and makes the verdicts that its tests and those of
// the follower use.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// Test runs the suite. open opens the store in a directory, which may have been opened and closed before.
func Test(t *testing.T, open func(t *testing.T, dir string) store.Store) {
	for _, each := range []struct {
		name string
		test func(*suite)
	}{
		{"an empty store has nothing", empty},
		{"what was put is there after it was closed", again},
		{"runs of equal verdicts are spans", spans},
		{"a verdict that comes twice changes nothing", twice},
		{"late verdicts find their place", late},
		{"merged records count as what they stand for", merged},
		{"what was not healthy is kept whole, and the newest of each", whole},
		{"changes come newest first, or oldest first, from a cursor, by what is asked", changes},
		{"the outbox keeps its order until it is sent", outbox},
		{"a letter of a state carries the newest", newestState},
		{"acknowledgements hold until they end", acks},
		{"incidents are kept by their newest document, with who is in them", incidents},
		{"closed incidents and silences that are over are forgotten, open ones never", forgetIncidents},
		{"silences and tickets are kept by their newest document", silences},
		{"versions grow by one, and say what is newer", versions},
		{"what is old is forgotten, by setting", forget},
		{"many read while one writes", together},
		{"a context that ended writes nothing", ended},
	} {
		t.Run(each.name, func(t *testing.T) {
			s := &suite{T: t, dir: t.TempDir(), open: open}
			s.again()
			each.test(s)
		})
	}
}

type suite struct {
	*testing.T
	dir  string
	open func(t *testing.T, dir string) store.Store
	store.Store
}

// again closes the store and opens it.
func (s *suite) again() {
	s.Helper()
	if s.Store != nil {
		s.ok(s.Store.Close())
	} else {
		s.Cleanup(func() { s.ok(s.Store.Close()) })
	}
	s.Store = s.open(s.T, s.dir)
}

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func equal[T any](s *suite, what string, got, want T) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func (s *suite) put(b store.Batch) uint64 {
	s.Helper()
	version, err := s.Put(s.Context(), b)
	s.ok(err)
	return version
}

func stored(all ...results.Verdict) (b store.Batch) {
	for _, v := range all {
		b.Verdicts = append(b.Verdicts, store.Stored{Verdict: v, Rounds: 1})
	}
	return b
}

// Line is spans as a line of text: since-until health/reason xrounds, in rounds of the suite's fleet.
func Line(spans []store.Span) (line string) {
	n := func(at time.Time) int { return int(at.Sub(Noon) / Interval) }
	for _, span := range spans {
		line += fmt.Sprintf("%d-%d %s %s x%d", n(span.Since), n(span.Until), span.Health, span.Reason, span.Rounds)
		if span.Open {
			line += " open"
		}
		line += "; "
	}
	return line
}

func (s *suite) spans(bmc string) string {
	s.Helper()
	found, err := s.Spans(s.Context(), inventory.ID(bmc), time.Time{}, time.Time{})
	s.ok(err)
	return Line(found)
}

func empty(s *suite) {
	epoch, version, err := s.Version(s.Context())
	s.ok(err)
	if epoch == "" || version != 0 {
		s.Errorf("epoch %q, version %d", epoch, version)
	}
	positions, err := s.Positions(s.Context())
	s.ok(err)
	letters, err := s.Outbox(s.Context(), 10)
	s.ok(err)
	facts, err := s.Facts(s.Context(), "a")
	s.ok(err)
	equal(s, "sizes", []int{len(positions), len(letters), len(facts), len(s.spans("a"))}, []int{0, 0, 0, 0})
	if _, err := s.Newest(s.Context(), "a"); !errors.Is(err, store.ErrNone) {
		s.Errorf("newest verdict of nobody: %v", err)
	}
	if _, err := s.Verdict(s.Context(), Verdict("a", 1, "").Round); !errors.Is(err, store.ErrNone) {
		s.Errorf("verdict of nobody: %v", err)
	}
	_, err = s.Forget(s.Context(), store.DefaultKeep, Noon)
	s.ok(err)
}

// believe applies verdicts and gives a batch with all that follows.
func believe(all ...results.Verdict) store.Batch {
	b := stored(all...)
	b.Facts = map[inventory.ID][]results.Fact{}
	states := map[inventory.ID]results.State{}
	for _, v := range all {
		state, changes := results.Apply(states[v.BMC], v, 1, false)
		states[v.BMC] = state
		b.Changes = append(b.Changes, changes...)
		b.Facts[v.BMC], _ = results.Learn(b.Facts[v.BMC], v)
	}
	for _, state := range states {
		b.States = append(b.States, state)
	}
	slices.SortFunc(b.States, func(a, b results.State) int { return int(a.BMC[0]) - int(b.BMC[0]) })
	b.Positions = store.Positions{{Topic: "bmc.verdict.v1", Number: 3}: int64(len(all)), {Topic: "bmc.verdict.v1", Number: 0}: 7}
	return b
}

func again(s *suite) {
	first := believe(Verdict("a", 0, ""), Verdict("b", 0, ""), Verdict("a", 1, checks.AuthRejected), Verdict("b", 1, ""))
	s.put(first)
	epoch, version, err := s.Version(s.Context())
	s.ok(err)
	for range 2 {
		var states []results.State
		facts := map[inventory.ID][]results.Fact{}
		s.ok(s.States(s.Context(), func(k store.Known) error {
			states, facts[k.State.BMC] = append(states, k.State), k.Facts
			equal(s, "version of a state", k.Version, version)
			return nil
		}))
		slices.SortFunc(states, func(a, b results.State) int { return int(a.BMC[0]) - int(b.BMC[0]) })
		equal(s, "states", states, first.States)
		equal(s, "facts", facts, first.Facts)
		one, err := s.Facts(s.Context(), "a")
		s.ok(err)
		equal(s, "facts of a", one, first.Facts["a"])
		positions, err := s.Positions(s.Context())
		s.ok(err)
		equal(s, "positions", positions, first.Positions)
		equal(s, "spans", s.spans("a"), "0-0 available  x1; 1-1 unavailable auth.rejected x1 open; ")
		s.again()
		epochNow, versionNow, err := s.Version(s.Context())
		s.ok(err)
		equal(s, "version", fmt.Sprint(epochNow, versionNow), fmt.Sprint(epoch, version))
	}
	gone := errors.New("enough")
	if err := s.States(s.Context(), func(store.Known) error { return gone }); !errors.Is(err, gone) {
		s.Errorf("States ended with %v", err)
	}
	s.put(store.Batch{Gone: []inventory.ID{"a"}})
	left := 0
	s.ok(s.States(s.Context(), func(store.Known) error { left++; return nil }))
	equal(s, "states left", left, 1)
	equal(s, "spans of who is gone", s.spans("a"), "0-0 available  x1; 1-1 unavailable auth.rejected x1 open; ")
}

func versions(s *suite) {
	equal(s, "first", s.put(believe(Verdict("a", 0, ""))), 1)
	equal(s, "second", s.put(believe(Verdict("b", 0, ""))), 2)
	s.again()
	equal(s, "third", s.put(store.Batch{}), 3)
	found := map[inventory.ID]uint64{}
	s.ok(s.States(s.Context(), func(k store.Known) error { found[k.State.BMC] = k.Version; return nil }))
	equal(s, "versions", found, map[inventory.ID]uint64{"a": 1, "b": 2})
}

func ended(s *suite) {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.Put(ctx, believe(Verdict("a", 0, ""))); !errors.Is(err, context.Canceled) {
		s.Errorf("put: %v", err)
	}
	equal(s, "spans", s.spans("a"), "")
}
