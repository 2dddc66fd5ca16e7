package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

// tape is wound back from what is now, change by change.
type tape struct {
	until time.Time
	lines map[string]*line
	of    map[inventory.ID]*line
	looks map[inventory.ID]results.Code
}

// line is a strip that is being made.
type line struct {
	Strip
	failing, unknown int
	code             results.Code // of one BMC
	parts            [stripParts]part
}

// part is what was worst in a part of a day.
type part struct {
	failing, unknown int
	code             results.Code
}

func (t *tape) add(key string, of Strip, st *results.State) {
	l := t.lines[key]
	if l == nil {
		l = &line{Strip: of}
		t.lines[key] = l
	}
	l.Total++
	t.of[st.BMC] = l
	t.turn(st.BMC, l, results.CodeOf(st.Health, st.Failed, st.Reason, ""))
}

// turn makes a BMC look like something.
func (t *tape) turn(id inventory.ID, l *line, code results.Code) {
	l.count(t.looks[id], -1)
	l.count(code, 1)
	t.looks[id], l.code = code, code
}

// forget makes all unknown, in a part of the day and before it.
func (t *tape) forget(n int, at time.Time) {
	for id, l := range t.of {
		t.turn(id, l, results.CodeUnknown)
	}
	for _, l := range t.lines {
		l.see(n, at)
	}
}

func (l *line) count(code results.Code, n int) {
	switch rank := codeRank(code); {
	case rank == codeRank("P"):
		l.failing += n
	case rank == codeRank(results.CodeUnknown):
		l.unknown += n
	}
}

// codeRanks are the ranks of codes by their character.
var codeRanks = func() (ranks [128]int) {
	for _, line := range results.StateCodes {
		ranks[line.Code[0]] = line.Rank
	}
	return ranks
}()

// codeRank is a code's rank; of none it is the last.
func codeRank(code results.Code) int {
	if code == "" {
		return 9
	}
	return codeRanks[code[0]]
}

// see keeps what is so now for a part of the day.
func (l *line) see(n int, at time.Time) {
	p := &l.parts[n]
	p.failing, p.unknown = max(p.failing, l.failing), max(p.unknown, l.unknown)
	if codeRank(l.code) < codeRank(p.code) || p.code == "" {
		p.code = l.code
	}
	if l.failing > l.Worst {
		l.Worst, l.WorstAt = l.failing, at.UTC()
	}
}

// wind winds back to a day ago; what was before from is not known.
func (t *tape) wind(turns []turn, from time.Time) []Strip {
	at, known := len(turns)-1, true
	for n := stripParts - 1; n >= 0; n-- {
		begin := t.until.Add(-time.Duration(stripParts-n) * stripStep)
		for _, l := range t.lines {
			l.see(n, begin.Add(stripStep))
		}
		for ; at >= 0 && !turns[at].at.Before(begin); at-- {
			if l := t.of[turns[at].bmc]; l != nil {
				l.see(n, turns[at].at)
				t.turn(turns[at].bmc, l, turns[at].from)
				l.see(n, turns[at].at)
			}
		}
		if known && begin.Before(from) {
			known = false
			t.forget(n, from)
		}
	}
	all := []Strip{}
	for _, l := range t.lines {
		l.Looks = l.text()
		all = append(all, l.Strip)
	}
	slices.SortFunc(all, func(a, b Strip) int {
		return cmp.Or(strings.Compare(a.Site, b.Site), strings.Compare(string(a.BMC), string(b.BMC)))
	})
	return all
}

// shares are from which percent on a part of a site's day has which digit, from 1 on.
var shares = []float64{0, 1, 2, 5, 10, 20, 40, 60, 80}

func (l *line) text() string {
	var text strings.Builder
	for _, p := range l.parts {
		switch {
		case l.BMC != "":
			text.WriteString(string(p.code))
		case p.failing > 0:
			share := 100 * float64(p.failing) / float64(l.Total)
			level := 1
			for level < len(shares) && share >= shares[level] {
				level++
			}
			fmt.Fprint(&text, level)
		case p.unknown > 0:
			text.WriteString(string(results.CodeUnknown))
		default:
			text.WriteString("0")
		}
	}
	return text.String()
}
