package audit

import (
	"math/bits"
	"slices"
	"time"

	"lamplighter/results"
)

// Where says between which tiers a round was lost.
type Where string

// The places.
const (
	NotStarted Where = "not started"
	NotJudged  Where = "started, no verdict"
	NotOnKafka Where = "judged, not on Kafka"
	// NotKnown is where the tallies are missing, or do not tell: their satellite was killed.
	NotKnown Where = "not known"
)

// sum is a set of rounds as a tally has it: how many, and the exclusive or of their hashes.
type sum struct {
	rounds int
	xor    results.Hash
}

func (s *sum) add(h results.Hash) { s.rounds++; s.xor ^= h }

// less is what s has more than other, which is part of it.
func (s sum) less(other sum) sum { return sum{s.rounds - other.rounds, s.xor ^ other.xor} }

func (s sum) with(other sum) sum { return sum{s.rounds + other.rounds, s.xor ^ other.xor} }

// minute is what is known of the rounds due in a minute.
type minute struct {
	at   time.Time
	seen sum // with a verdict on Kafka
	by   map[string]*counted
}

// counted is a minute by a satellite.
type counted struct {
	seen            sum // verdicts of this satellite on Kafka
	started, judged sum // by its tallies
	whole           bool
	parts           map[part]bool
}

type part struct {
	since int64
	tier  results.Tier
	n     int
}

func (m *minute) of(satellite string) *counted {
	c := m.by[satellite]
	if c == nil {
		c = &counted{parts: map[part]bool{}}
		m.by[satellite] = c
	}
	return c
}

func (m *minute) tally(t results.Tally) {
	c, p := m.of(t.Satellite), part{t.Since.UnixNano(), t.Tier, t.Part}
	if c.parts[p] {
		return
	}
	c.parts[p] = true
	c.whole = c.whole || !t.Since.After(m.at)
	s := sum{t.Rounds, t.Xor}
	switch t.Tier {
	case results.Started:
		c.started = c.started.with(s)
	case results.Judged:
		c.judged = c.judged.with(s)
	}
}

// locate says of each lost round of the minute where it was lost. quiet: a satellite that may have had a part in it did not
// report, so that what no tally holds may still have been there.
func (m *minute) locate(lost []results.Hash, quiet bool) []Where {
	started, startedKnown := m.startedOf(lost)
	judged, judgedKnown := m.judgedOf(lost)
	places := make([]Where, len(lost))
	for i := range lost {
		switch {
		case judged[i]:
			places[i] = NotOnKafka
		case started[i] && judgedKnown && !quiet:
			places[i] = NotJudged
		case !started[i] && startedKnown && judgedKnown && !quiet:
			places[i] = NotStarted
		default:
			places[i] = NotKnown
		}
	}
	return places
}

// startedOf says which of the lost were started, by all tallies together, or, where a round was started twice, by each alone.
func (m *minute) startedOf(lost []results.Hash) (in []bool, known bool) {
	var all sum
	for _, c := range m.by {
		all = all.with(c.started)
	}
	if in, known = which(lost, all.less(m.seen)); known {
		return in, true
	}
	return m.each(lost, func(c *counted) sum { return c.started.less(c.seen) })
}

// judgedOf says which of the lost were judged: each satellite's verdicts on Kafka are known.
func (m *minute) judgedOf(lost []results.Hash) (in []bool, known bool) {
	return m.each(lost, func(c *counted) sum { return c.judged.less(c.seen) })
}

func (m *minute) each(lost []results.Hash, left func(*counted) sum) (in []bool, known bool) {
	in, known = make([]bool, len(lost)), true
	for _, c := range m.by {
		these, ok := which(lost, left(c))
		known = known && ok
		for i := range these {
			in[i] = in[i] || these[i]
		}
	}
	return in, known
}

// mostSolved bounds the rounds among which a sum is looked for: so many hashes of 64 bits have a sum in common only by a
// chance of one in sixteen million.
const mostSolved = 40

// which finds the part of the hashes that has this sum; false when there is none, or it cannot be told.
func which(hashes []results.Hash, want sum) (in []bool, ok bool) {
	in = make([]bool, len(hashes))
	if want == (sum{}) {
		return in, true
	}
	var all sum
	for _, h := range hashes {
		all.add(h)
	}
	if want == all {
		for i := range in {
			in[i] = true
		}
		return in, true
	}
	if want.rounds <= 0 || want.rounds >= len(hashes) || len(hashes) > mostSolved {
		return in, false
	}
	made, ok := solve(hashes, want.xor)
	if !ok || bits.OnesCount64(made) != want.rounds {
		return in, false
	}
	for i := range in {
		in[i] = made>>i&1 == 1
	}
	return in, true
}

// solve finds which hashes, as a mask, have the exclusive or want: Gauss's elimination over bits.
func solve(hashes []results.Hash, want results.Hash) (mask uint64, ok bool) {
	type equation struct {
		value results.Hash
		of    uint64
	}
	var basis []equation // each has a leading bit of its own, highest first
	reduce := func(e equation) equation {
		for _, b := range basis {
			if e.value^b.value < e.value {
				e.value ^= b.value
				e.of ^= b.of
			}
		}
		return e
	}
	for i, h := range hashes {
		e := reduce(equation{h, 1 << i})
		if e.value == 0 {
			return 0, false // more than one part has the same sum
		}
		basis = append(basis, e)
		slices.SortFunc(basis, func(a, b equation) int {
			return bits.LeadingZeros64(uint64(a.value)) - bits.LeadingZeros64(uint64(b.value))
		})
	}
	left := reduce(equation{want, 0})
	return left.of, left.value == 0
}
