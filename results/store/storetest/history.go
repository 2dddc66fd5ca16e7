package storetest

import (
	"errors"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/store"
)

func spans(s *suite) {
	for n := range 12 {
		reason := checks.Reason("")
		if n >= 4 && n < 7 {
			reason = checks.NetTimeout
		}
		s.put(stored(Verdict("a", n, reason), Verdict("b", n, "")))
		if n == 8 {
			s.again()
		}
	}
	s.put(stored(Unknown("a", 12)))
	want := "0-3 available  x4; 4-6 unavailable net.timeout x3; 7-11 available  x5; 12-12 unknown self.blind x1 open; "
	equal(s, "spans of a", s.spans("a"), want)
	equal(s, "spans of b", s.spans("b"), "0-11 available  x12 open; ")
	found, err := s.Spans(s.Context(), "a", Noon.Add(5*Interval), Noon.Add(8*Interval))
	s.ok(err)
	equal(s, "spans that touch a time", Line(found), "4-6 unavailable net.timeout x3; 7-11 available  x5; ")
}

func twice(s *suite) {
	all := []results.Verdict{Verdict("a", 0, ""), Verdict("a", 1, checks.NetTimeout), Verdict("a", 2, checks.NetTimeout), Verdict("a", 3, ""), Verdict("a", 4, "")}
	b := believe(all...)
	s.put(b)
	want := "0-0 available  x1; 1-2 unavailable net.timeout x2; 3-4 available  x2 open; "
	equal(s, "spans", s.spans("a"), want)
	s.put(b)
	s.put(stored(all[1], all[0], all[3], all[2]))
	equal(s, "spans after all came again", s.spans("a"), want)
	count := 0
	s.ok(s.Verdicts(s.Context(), "a", Noon, Noon.Add(time.Hour), func(results.Verdict) bool { count++; return true }))
	equal(s, "whole verdicts", count, 2)
	count = 0
	s.ok(s.Changes(s.Context(), store.Which{}, func(store.Kept) bool { count++; return true }))
	equal(s, "changes", count, len(b.Changes))
}

func late(s *suite) {
	s.put(stored(Verdict("a", 0, ""), Verdict("a", 1, "")))
	s.put(stored(Verdict("a", 8, checks.NetTimeout), Verdict("a", 9, checks.NetTimeout)))
	s.put(stored(Verdict("a", 2, ""), Verdict("a", 3, checks.TLSTimeout), Verdict("a", 4, checks.TLSTimeout)))
	equal(s, "spans", s.spans("a"), "0-2 available  x3; 3-4 unavailable tls.timeout x2; 8-9 unavailable net.timeout x2 open; ")
	s.put(stored(Verdict("a", 8, checks.NetTimeout), Verdict("a", 1, ""), Verdict("a", 4, checks.TLSTimeout)))
	equal(s, "spans after they came again", s.spans("a"), "0-2 available  x3; 3-4 unavailable tls.timeout x2; 8-9 unavailable net.timeout x2 open; ")
	s.put(stored(Verdict("b", 0, ""), Verdict("b", 9, ""), Verdict("b", 4, checks.TLSTimeout), Verdict("b", 5, checks.TLSTimeout), Verdict("b", 5, checks.TLSTimeout)))
	equal(s, "an outage within a span", s.spans("b"), "0-9 available  x2 open; 4-4 unavailable tls.timeout x1; 5-5 unavailable tls.timeout x1; ")
}

func merged(s *suite) {
	s.put(store.Batch{Verdicts: []store.Stored{{Verdict: Verdict("a", 0, ""), Rounds: 1}, {Verdict: Verdict("a", 40, ""), Rounds: 40}, {Verdict: Verdict("a", 41, checks.NetTimeout)}}})
	equal(s, "spans", s.spans("a"), "0-40 available  x41; 41-41 unavailable net.timeout x1 open; ")
}

func whole(s *suite) {
	all := []results.Verdict{Verdict("a", 0, ""), Verdict("a", 1, checks.NetTimeout), Verdict("a", 2, checks.NetTimeout), Unknown("a", 3), Verdict("a", 4, ""), Verdict("a", 5, "")}
	s.put(stored(all...))
	var found []results.Verdict
	s.ok(s.Verdicts(s.Context(), "a", Noon, Noon.Add(time.Hour), func(v results.Verdict) bool { found = append(found, v); return true }))
	equal(s, "whole verdicts", found, []results.Verdict{all[3], all[2], all[1]})
	found = nil
	s.ok(s.Verdicts(s.Context(), "a", Noon, Noon.Add(2*Interval), func(v results.Verdict) bool { found = append(found, v); return false }))
	equal(s, "the first of those in a time", found, []results.Verdict{all[2]})
	for _, v := range []results.Verdict{all[1], all[3], all[5]} {
		got, err := s.Verdict(s.Context(), v.Round)
		s.ok(err)
		equal(s, "by its round", got, v)
	}
	newest, err := s.Newest(s.Context(), "a")
	s.ok(err)
	equal(s, "the newest", newest, all[5])
	if _, err := s.Verdict(s.Context(), all[4].Round); !errors.Is(err, store.ErrNone) {
		s.Errorf("a healthy one: %v", err)
	}
}

func forget(s *suite) {
	b := store.Batch{}
	for n := range 100 {
		reason := checks.Reason("")
		if n >= 20 && n < 50 || n >= 70 && n < 90 {
			reason = checks.NetTimeout
		}
		b.Verdicts = append(b.Verdicts, store.Stored{Verdict: Verdict("a", n, reason), Rounds: 1})
	}
	b.Changes = believe(Verdict("a", 0, ""), Verdict("a", 30, checks.AuthRejected), Verdict("a", 80, checks.AuthRejected)).Changes
	s.put(b)
	now := Noon.Add(100 * Interval)
	count := func() (n int) {
		s.Helper()
		s.ok(s.Verdicts(s.Context(), "a", Noon, now, func(results.Verdict) bool { n++; return true }))
		return n
	}
	equal(s, "whole verdicts", count(), 50)
	gone, err := s.Forget(s.Context(), store.Keep{Repeats: 25 * Interval}, now)
	s.ok(err)
	equal(s, "forgotten repeats", gone, store.Forgotten{Verdicts: 29 + 4})
	if _, err := s.Verdict(s.Context(), Verdict("a", 20, checks.NetTimeout).Round); err != nil {
		s.Errorf("the first of the repeats: %v", err)
	}
	equal(s, "spans", s.spans("a"), "0-19 available  x20; 20-49 unavailable net.timeout x30; 50-69 available  x20; 70-89 unavailable net.timeout x20; 90-99 available  x10 open; ")
	gone, err = s.Forget(s.Context(), store.Keep{History: 40 * Interval, Changes: 40 * Interval}, now)
	s.ok(err)
	equal(s, "forgotten history", gone, store.Forgotten{Spans: 2, Verdicts: 1, Changes: 2})
	equal(s, "spans left", s.spans("a"), "50-69 available  x20; 70-89 unavailable net.timeout x20; 90-99 available  x10 open; ")
	gone, err = s.Forget(s.Context(), store.Keep{}, now.Add(1000*time.Hour))
	s.ok(err)
	equal(s, "without a setting", gone, store.Forgotten{})
}

// together puts while others read all there is to read.
func together(s *suite) {
	var group sync.WaitGroup
	defer group.Wait()
	done := make(chan struct{})
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				found, err := s.Spans(s.Context(), "a", time.Time{}, time.Time{})
				if err != nil {
					s.Error(err)
					return
				}
				for i := 1; i < len(found); i++ {
					if !found[i-1].Until.Before(found[i].Since) || found[i-1].Open {
						s.Errorf("half of a batch: %s", Line(found))
						return
					}
				}
			}
		})
	}
	for n := range 60 {
		reason := checks.Reason("")
		if n/2%2 == 1 {
			reason = checks.NetTimeout
		}
		if _, err := s.Put(s.Context(), stored(Verdict("a", n, reason))); err != nil {
			s.Error(err)
			break
		}
	}
	close(done)
}
