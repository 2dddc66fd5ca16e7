package results_test

import (
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// naive is what Apply and Age should do, written down another way: it keeps every round that it ever took in, and looks back
// over them to decide. It counts nothing.
type naive struct {
	findings []results.Belief // what each round found that found something out
	due, at  time.Time        // of the newest of them
	heard    time.Time        // due of the newest round that was heard of
	heardAt  time.Time
	blind    []string // the words of the newest rounds where they all are Unknown
	blindAt  time.Time
	known    results.Belief // what is believed by findings
	hidden   results.Belief // Unknown, where it hides what is known
	flapping bool
	said     results.Belief // what was told last
	saidFlap bool
	behind   bool // late rounds changed what was told
}

func (m *naive) shown() results.Belief {
	if m.hidden.Reason != "" {
		return m.hidden
	}
	return m.known
}

// tries is the table of how often each finding must be seen.
var tries = map[string]int{"good": 1, "weak": 1, "soon": 1, "slow": 2, "net": 3, "tls": 3, "api": 2, "auth": 1, "full": 2}

func (m *naive) take(e event) string {
	if e.word == "" {
		return m.look(e.at)
	}
	b := findings[e.word]
	shows, counts := false, b.Health != checks.Unknown && e.word != "vague"
	switch {
	case counts && e.v.Round.Due.After(m.due):
		for range e.rounds {
			shows = m.find(e.word, b)
		}
		m.due, m.at = e.v.Round.Due, e.v.At
		if shows {
			m.hidden = results.Belief{}
		}
		if m.due.After(m.heard) {
			m.blind = nil
		}
	case !counts && e.v.Round.Due.After(m.heard):
		if m.blind == nil {
			m.blindAt = e.v.At
		}
		m.blind = append(m.blind, e.word)
		if m.hidden.Reason != "" {
			m.hidden = results.Belief{Reason: ours(e.word)}
		}
		shows = m.shown().Health == checks.Unknown
	default:
		return ""
	}
	if e.v.Round.Due.After(m.heard) {
		m.heard, m.heardAt = e.v.Round.Due, e.v.At
	}
	return m.tell(shows && !e.late(), counts && !e.late())
}

// find takes in one round, and says whether it found what is then believed.
func (m *naive) find(word string, b results.Belief) bool {
	m.findings = append(m.findings, b)
	same := 0
	for _, past := range slices.Backward(m.findings) {
		if past == m.known || kind(m.known, past) != kind(m.known, b) {
			break
		}
		same++
	}
	enough := tries[word]
	if m.known.Failed != "" && b.Failed == "" || m.known.Health == checks.Degraded && b.Health == checks.Available {
		enough = 2
	}
	if same >= enough {
		m.known = b
	}
	m.shake()
	return m.known == b
}

// ours is the reason of an Unknown round.
func ours(word string) checks.Reason {
	if word == "vague" {
		return checks.SelfError
	}
	return findings[word].Reason
}

func kind(known, b results.Belief) string {
	switch {
	case b.Failed != "":
		return "failed"
	case known.Failed != "":
		return "went through"
	}
	return b.Health.String()
}

func (m *naive) shake() {
	share, whole := 0.0, 0.0
	for age := range 20 {
		weight := 1.18 - 0.02*float64(age)
		whole += weight
		if i := len(m.findings) - 1 - age; i > 0 && m.findings[i].Health != m.findings[i-1].Health {
			share += weight
		}
	}
	switch share /= whole; {
	case share > 0.3-1e-9:
		m.flapping = true
	case share < 0.25+1e-9:
		m.flapping = false
	}
}

// look looks at the clock.
func (m *naive) look(now time.Time) string {
	if m.heardAt.IsZero() {
		return ""
	}
	last := m.at
	if last.IsZero() {
		last = m.blindAt
	}
	if now.Sub(last) <= 2*interval {
		return ""
	}
	if now.Sub(m.heardAt) > 2*interval || len(m.blind) == 0 {
		m.hidden.Reason = checks.SelfSilent
	} else {
		m.hidden.Reason = ours(m.blind[len(m.blind)-1])
	}
	return m.tell(true, false)
}

// tell says what is news, in the words of told.
func (m *naive) tell(health, flapping bool) string {
	var all []string
	mark := ""
	if m.behind {
		mark = "!"
	}
	if now := m.shown(); health {
		if text := name(now); text != name(m.said) {
			all = append(all, text+mark)
		}
		m.said = now
	}
	if flapping && m.flapping != m.saidFlap {
		all = append(all, map[bool]string{true: "flapping", false: "stopped_flapping"}[m.flapping]+mark)
		m.saidFlap = m.flapping
	}
	m.behind = m.said != m.shown() || m.flapping != m.saidFlap
	return strings.Join(all, ", ")
}

func name(b results.Belief) string {
	switch {
	case b.Health != checks.Unknown:
		return word(b)
	case b.Reason == "":
		return "nothing"
	case b.Reason == checks.SelfSilent:
		return "silent"
	}
	return "unknown"
}
