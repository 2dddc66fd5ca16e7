package storetest

import (
	"encoding/json"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

func changes(s *suite) {
	b := believe(Verdict("a", 0, ""), Verdict("b", 0, ""), Verdict("a", 1, checks.AuthRejected), Verdict("b", 2, checks.AuthRejected), Verdict("a", 3, ""), Verdict("a", 4, ""))
	if len(b.Changes) < 4 {
		s.Fatalf("only %d changes", len(b.Changes))
	}
	s.put(b)
	ask := func(which store.Which, most int) (found []results.Change, cursor int64) {
		s.Helper()
		s.ok(s.Changes(s.Context(), which, func(k store.Kept) bool {
			found, cursor = append(found, k.Change), k.Cursor
			return len(found) < most
		}))
		return found, cursor
	}
	all := b.Changes
	found, _ := ask(store.Which{Forward: true}, 100)
	equal(s, "oldest first", found, all)
	found, cursor := ask(store.Which{}, 2)
	equal(s, "the newest two", found, []results.Change{all[len(all)-1], all[len(all)-2]})
	found, _ = ask(store.Which{After: cursor}, 1)
	equal(s, "the one before", found, []results.Change{all[len(all)-3]})
	for name, test := range map[string]struct {
		which store.Which
		ok    func(results.Change) bool
	}{
		"of a BMC":  {store.Which{BMC: "b"}, func(c results.Change) bool { return c.BMC == "b" }},
		"of a kind": {store.Which{Kind: results.WentSilent}, func(c results.Change) bool { return c.Kind == results.WentSilent }},
		"in a time": {store.Which{From: Noon.Add(Interval), To: Noon.Add(3 * Interval)}, func(c results.Change) bool {
			return !c.At.Before(Noon.Add(Interval)) && c.At.Before(Noon.Add(3*Interval))
		}},
		"of nobody":  {store.Which{BMC: "nobody"}, func(results.Change) bool { return false }},
		"in no time": {store.Which{From: Noon.Add(time.Hour)}, func(results.Change) bool { return false }},
	} {
		var want []results.Change
		for _, c := range all {
			if test.ok(c) {
				want = append(want, c)
			}
		}
		test.which.Forward = true
		found, _ := ask(test.which, 100)
		equal(s, "changes "+name, found, want)
	}
}

func outbox(s *suite) {
	letter := func(topic, id string) store.Letter {
		return store.Letter{Topic: topic, Key: "a", ID: id, Value: []byte(id), Partition: 3, Position: 41, At: Noon}
	}
	s.put(store.Batch{Letters: []store.Letter{letter("x", "1"), letter("y", "2"), letter("x", "3")}})
	s.put(store.Batch{Letters: []store.Letter{letter("x", "4"), letter("y", "5")}})
	s.again()
	ids := func(most int) (line string, letters []store.Letter) {
		s.Helper()
		letters, err := s.Outbox(s.Context(), most)
		s.ok(err)
		for _, l := range letters {
			line += l.Topic + l.ID + " "
		}
		return line, letters
	}
	line, letters := ids(3)
	equal(s, "the first three", line, "x1 y2 x3 ")
	want := letter("y", "2")
	want.Number = letters[1].Number
	equal(s, "a letter", letters[1], want)
	s.ok(s.Drop(s.Context(), []int64{letters[1].Number}))
	line, _ = ids(10)
	equal(s, "after one was dropped", line, "x1 x3 x4 y5 ")
	s.ok(s.Sent(s.Context(), letters[2].Number))
	s.again()
	line, _ = ids(10)
	equal(s, "after three were sent", line, "x4 y5 ")
}

func newestState(s *suite) {
	about := []store.Letter{{Topic: "state", Key: "a", Position: 5}, {Topic: "state", Key: "b", Position: -1}}
	b := believe(Verdict("a", 0, ""), Verdict("b", 0, ""))
	b.Letters = about
	s.put(b)
	newer := believe(Verdict("a", 0, ""), Verdict("a", 1, ""))
	s.put(newer)
	letters, err := s.Outbox(s.Context(), 10)
	s.ok(err)
	equal(s, "letters", len(letters), 2)
	var state results.State
	s.ok(json.Unmarshal(letters[0].Value, &state))
	equal(s, "state of a", state, newer.States[0])
	equal(s, "ids and positions", []any{letters[0].ID, letters[0].Position, letters[1].ID, letters[1].Position}, []any{"a#2", int64(5), "b#1", int64(-1)})
	s.put(store.Batch{Gone: []inventory.ID{"a"}})
	letters, err = s.Outbox(s.Context(), 10)
	s.ok(err)
	if letters[0].Value != nil {
		s.Errorf("the state of who is gone: %s", letters[0].Value)
	}
}

func acks(s *suite) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	a := store.Ack{BMC: "a", Who: "ann", Note: "PSU ordered", At: now}
	b := store.Ack{BMC: "b", Who: "bob", Note: "moved", At: now, Until: now.Add(time.Hour)}
	over := store.Ack{BMC: "c", Who: "cat", At: now.Add(-time.Hour), Until: now.Add(-time.Minute)}
	for _, each := range []store.Ack{{BMC: "a", Who: "zoe", At: now}, a, b, over} {
		s.ok(s.Ack(s.Context(), each))
	}
	s.again()
	held := func() map[inventory.ID]store.Ack {
		s.Helper()
		all, err := s.Acked(s.Context())
		s.ok(err)
		return all
	}
	equal(s, "acknowledgements", held(), map[inventory.ID]store.Ack{"a": a, "b": b})
	s.put(store.Batch{Healed: []inventory.ID{"a", "x"}})
	equal(s, "after a is healthy", held(), map[inventory.ID]store.Ack{"b": b})
	for _, want := range []bool{true, false} {
		had, err := s.Unack(s.Context(), "b")
		s.ok(err)
		equal(s, "taken back", had, want)
	}
}
