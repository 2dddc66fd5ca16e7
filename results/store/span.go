package store

import (
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strings"

	"lamplighter/checks"
	"lamplighter/results"
)

// SpanOf is a verdict as a span of its own.
func SpanOf(s Stored) Span {
	v := s.Verdict
	return Span{Since: v.Round.Due, Until: v.Round.Due, Health: v.Health, Failed: v.Failed, Reason: v.Reason, Rounds: max(1, s.Rounds), Open: true}
}

// Same says whether two spans are of equal verdicts.
func (s Span) Same(other Span) bool {
	return s.Health == other.Health && s.Failed == other.Failed && s.Reason == other.Reason
}

// Holds says that another span is within this one, and says the same.
func (s Span) Holds(other Span) bool {
	return s.Same(other) && !other.Since.Before(s.Since) && !other.Until.After(s.Until)
}

// Continue is the open span after a newer one of one verdict, and whether it ended s.
func (s Span) Continue(next Span) (open Span, ended bool) {
	if s.Rounds == 0 {
		return next, false
	}
	if !s.Same(next) {
		return next, true
	}
	s.Until, s.Rounds = next.Until, s.Rounds+next.Rounds
	return s, false
}

// measured are facts that differ from round to round without being news.
var measured = []string{"rtt_us", "retry_after_s"}

// Evidence is a hash of what a verdict rests on. Verdicts with the same one differ in times and measured values only.
func Evidence(v results.Verdict) uint64 {
	h := fnv.New64a()
	write := func(texts ...string) {
		for _, text := range texts {
			_, _ = io.WriteString(h, text)
			_, _ = h.Write([]byte{0})
		}
	}
	write(v.Health.String(), string(v.Failed), string(v.Reason), v.Address)
	for _, r := range v.Trail {
		write(string(r.Check), r.Outcome.String(), string(r.Reason), withoutDigits(r.Error))
		for _, note := range r.Notes {
			write(string(note))
		}
		for _, name := range slices.Sorted(maps.Keys(r.Facts)) {
			if !slices.Contains(measured, name) {
				write(name, r.Facts[name])
			}
		}
	}
	return h.Sum64()
}

// withoutDigits takes the numbers out of an error's text: a port, a duration, a request's number differ each time.
func withoutDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

// Healthy says that nothing about a verdict is worth keeping it whole for.
func Healthy(v results.Verdict) bool { return v.Health == checks.Available }
