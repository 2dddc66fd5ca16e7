package incident

import (
	"strings"
	"time"

	"lamplighter/results"
	"lamplighter/results/query"
)

// silence is one that is not over.
type silence struct {
	results.Silence
	filter  query.Filter
	holds   bool // as of the last decision
	matched bool // since MatchedAt was written down
}

// noteMatches is how often it is written down that a silence matches.
const noteMatches = time.Hour

// Silence takes in a silence that is new, or has changed. It is not a word about what was decided before: See and Decide follow.
func (e *Engine) Silence(s results.Silence) error {
	filter, err := query.Parse(s.Where)
	if err != nil {
		return err
	}
	known := e.silences[s.ID]
	if known == nil {
		known = &silence{}
		e.silences[s.ID] = known
	}
	known.Silence, known.filter = s, filter
	return nil
}

// turnSilences begins and ends silences at their time, and writes down which ones match something.
func (e *Engine) turnSilences(now time.Time) {
	turned := false
	for id, s := range e.silences {
		if holds := s.Holds(now); holds != s.holds {
			s.holds, turned = holds, true
		}
		if !s.holds && !now.Before(s.Over()) {
			delete(e.silences, id)
		}
	}
	if turned {
		for _, b := range e.fleet.bmcs {
			e.hush(b)
		}
	}
	for _, s := range e.silences {
		if s.matched && now.Sub(s.MatchedAt) >= noteMatches {
			s.MatchedAt, s.Seq, s.matched = now.UTC(), s.Seq+1, false
			e.quiet = append(e.quiet, s.Silence)
		}
	}
}

// hush finds the silence that keeps a BMC quiet: of several the one that ends last.
func (e *Engine) hush(b *bmc) {
	var found *silence
	for _, s := range e.silences {
		if !s.holds || !s.filter.Match(b.subject, time.Time{}) {
			continue
		}
		s.matched = true
		if found == nil || s.Until.After(found.Until) || s.Until.Equal(found.Until) && s.ID < found.ID {
			found = s
		}
	}
	if b.silence != found {
		b.silence = found
		e.seen[b] = true
	}
}

// hushed says of an incident whether all of its BMCs are silenced: then it is, until the first of those silences ends.
func (e *Engine) hushed(a *affair, now time.Time) {
	if len(e.silences) == 0 && a.Silenced == nil || a.Status == results.Resolved {
		return
	}
	var first *silence
	for b := range a.members {
		if b.silence == nil {
			first = nil
			break
		}
		if first == nil || b.silence.Until.Before(first.Until) || b.silence.Until.Equal(first.Until) && b.silence.ID < first.ID {
			first = b.silence
		}
	}
	switch {
	case first == nil && a.Silenced != nil:
		a.Silenced = nil
		e.touched[a] = true
	case first != nil && (a.Silenced == nil || a.Silenced.Silence != first.ID || !a.Silenced.Until.Equal(first.Until)):
		a.Silenced = &results.Silenced{Silence: first.ID, Kind: first.Kind, Until: first.Until}
		e.touched[a] = true
	}
}

// subject answers a silence's filter, in which no field changes with time.
func (b *bmc) subject(field string) string {
	if label, ok := strings.CutPrefix(field, query.LabelPrefix); ok {
		return b.Labels[label]
	}
	return results.Field(b.State, b.Facts, field, time.Time{})
}
