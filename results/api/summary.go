package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/follow"
)

// Summary is the fleet in one look.
type Summary struct {
	At      time.Time `json:"at"`
	Epoch   string    `json:"epoch"`
	Version uint64    `json:"version"`
	// Sentence says the most important in words.
	Sentence  string         `json:"sentence"`
	Incidents IncidentCounts `json:"incidents"`
	Silences  SilenceCounts  `json:"silences"`
	Count
}

// IncidentCounts say how many incidents are not closed; where a filter asks, those in which one of its BMCs fails.
type IncidentCounts struct {
	Total        int `json:"total"`
	Open         int `json:"open"` // nobody is on it
	Acknowledged int `json:"acknowledged"`
	Silenced     int `json:"silenced"`
	Page         int `json:"page"` // worth waking somebody
	// Causes are what they look like, the most frequent first.
	Causes []CauseCount `json:"causes"`
}

// CauseCount is how many incidents look like a cause, and how many BMCs fail in them.
type CauseCount struct {
	Cause   results.CauseKind `json:"cause"`
	Count   int               `json:"count"`
	Failing int               `json:"failing"`
}

// SilenceCounts say how many silences hold.
type SilenceCounts struct {
	Holding     int `json:"holding"`
	Maintenance int `json:"maintenance"`
	// Idle is how many of them matched no BMC for a day.
	Idle int `json:"idle"`
}

func countIncidents(all []results.Incident) IncidentCounts {
	c := IncidentCounts{Total: len(all), Causes: []CauseCount{}}
	by := map[results.CauseKind]CauseCount{}
	for _, i := range all {
		for _, one := range []struct {
			is bool
			n  *int
		}{{i.Status == results.Open, &c.Open}, {i.Status == results.Acknowledged, &c.Acknowledged}, {i.Silenced != nil, &c.Silenced}, {i.Page, &c.Page}} {
			if one.is {
				*one.n++
			}
		}
		cause := by[i.Cause.Kind]
		by[i.Cause.Kind] = CauseCount{i.Cause.Kind, cause.Count + 1, cause.Failing + i.Failing}
	}
	c.Causes = slices.SortedFunc(maps.Values(by), func(a, b CauseCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(string(a.Cause), string(b.Cause)))
	})
	c.Causes = orEmpty(c.Causes)
	return c
}

func countSilences(all []results.Silence, now time.Time) (c SilenceCounts) {
	for _, s := range all {
		if !s.Holds(now) {
			continue
		}
		c.Holding++
		if s.Kind == results.Maintenance {
			c.Maintenance++
		}
		if s.Idle(now) {
			c.Idle++
		}
	}
	return c
}

// summary answers with the fleet in one look: GET /summary.
func (s *Server) summary(w http.ResponseWriter, _ *http.Request, a ask) error {
	sum := Summary{At: a.now.UTC(), Silences: countSilences(s.silencesAt(a), a.now)}
	sum.Epoch, sum.Version = s.Live.Version()
	l, racks := s.lens(a), map[string]int{}
	s.matching(a, func(b *follow.BMC) bool {
		sum.add(&b.State, l.overlay(b))
		if b.State.Health == checks.Unavailable {
			racks[strings.Trim(b.State.Site+"/"+b.State.Rack, "/")]++
		}
		return true
	})
	sum.close()
	open := s.openOnes(a, wanted{})
	sum.Incidents = countIncidents(open)
	sum.Sentence = sum.sentence(open, racks) + idleWords(sum.Silences.Idle)
	return reply(w, sum)
}

// sentence is what somebody should know within five seconds.
func (sum Summary) sentence(open []results.Incident, racks map[string]int) string {
	c := sum.Count
	switch {
	case c.Total == 0:
		return "no BMC is known, or none matches"
	case len(open) == 0 && c.Unavailable == 0 && c.Unknown == 0:
		return fmt.Sprintf("no incident, all %s BMCs can be reached; %s degraded", grouped(c.Total), grouped(c.Degraded))
	}
	text := incidentWords(sum.Incidents) + fmt.Sprintf(", %s of %s BMCs failing", grouped(c.Unavailable), grouped(c.Total))
	if c.Unknown > 0 {
		text += fmt.Sprintf(", %s unknown", grouped(c.Unknown))
	}
	if worst := worstOf(open, racks); worst != "" {
		text += ", worst: " + worst
	}
	return text
}

// idleWords report silences that are written wrongly, or whose BMCs are gone.
func idleWords(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "; 1 silence has matched no BMC for a day"
	}
	return fmt.Sprintf("; %s silences have matched no BMC for a day", grouped(n))
}

func incidentWords(c IncidentCounts) string {
	text := grouped(c.Total) + " incidents"
	if c.Total == 1 {
		text = "1 incident"
	}
	var of []string
	for _, one := range []struct {
		n    int
		word string
	}{{c.Acknowledged, "acknowledged"}, {c.Silenced, "silenced"}} {
		if one.n > 0 {
			of = append(of, fmt.Sprintf("%s %s", grouped(one.n), one.word))
		}
	}
	if len(of) > 0 {
		text += " (" + strings.Join(of, ", ") + ")"
	}
	return text
}

// worstOf is the most important incident with what was counted of it; where there is none, the rack with the most that fail.
func worstOf(open []results.Incident, racks map[string]int) string {
	if len(open) > 0 {
		worst := open[0]
		counted, _, _ := strings.Cut(worst.Counted, ";")
		if worst.Cause.Kind == results.CauseBMC {
			counted = strings.TrimSuffix(fmt.Sprintf("%s at %s", worst.Reason, worst.Failed), " at ") // a warning failed at no check
		}
		return fmt.Sprintf("%s (%s)", worst.Cause.Name, cmp.Or(counted, worst.Title))
	}
	if len(racks) == 0 {
		return ""
	}
	names := slices.Sorted(maps.Keys(racks))
	most := slices.MaxFunc(names, func(a, b string) int { return racks[a] - racks[b] })
	return fmt.Sprintf("%s with %s", cmp.Or(most, "an unnamed rack"), grouped(racks[most]))
}

// grouped writes a number as people read it: 98,410.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
