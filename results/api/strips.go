package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/store"
)

// A strip is a day in so many parts.
const (
	day        = 24 * time.Hour
	stripParts = 48
	stripStep  = day / stripParts
	mostStrips = 1000    // BMCs
	mostTurns  = 500_000 // kept; of a day with more the newest
	// stripsHold is for how long the same is answered, and mostMade how much of that is kept.
	stripsHold = 20 * time.Second
	mostMade   = 64
)

// turn is a change of what a BMC looks like.
type turn struct {
	at       time.Time
	bmc      inventory.ID
	from, to results.Code
}

// past is what changed within a day: read once, and then only what is new, so that a page costs no query a BMC.
type past struct {
	mu    sync.Mutex
	turns []turn // oldest first
	last  int64  // cursor of the newest change that was read
	made  map[string]Strips
}

// since are the changes of a day, oldest first. Nobody writes to them.
func (p *past) since(ctx context.Context, history store.History, now time.Time) ([]turn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	which := store.Which{Forward: true, After: p.last}
	if p.last == 0 {
		which.From = now.Add(-day)
	}
	var news []turn
	err := history.Changes(ctx, which, func(k store.Kept) bool {
		c := k.Change
		p.last = k.Cursor
		t := turn{c.At, c.BMC, results.CodeOf(c.From.Health, c.From.Failed, c.From.Reason, ""), results.CodeOf(c.To.Health, c.To.Failed, c.To.Reason, "")}
		if t.from != t.to {
			news = append(news, t)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read what changed within a day: %w", err)
	}
	if len(news) > 0 { // a new slice: others read the one before
		all := slices.Concat(p.turns, news)
		slices.SortStableFunc(all, func(a, b turn) int { return a.at.Compare(b.at) })
		p.turns = all[max(0, len(all)-mostTurns):]
	}
	first, _ := slices.BinarySearchFunc(p.turns, now.Add(-day), func(t turn, at time.Time) int { return t.at.Compare(at) })
	p.turns = p.turns[first:]
	return p.turns, nil
}

// Strips are days of sites, or of BMCs.
type Strips struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	StepS int       `json:"step_s"`
	Items []Strip   `json:"items"`
}

// Strip is a day of a site or of a BMC, a character for each part of it, oldest first.
type Strip struct {
	Site string       `json:"site"`
	BMC  inventory.ID `json:"bmc,omitempty"`
	// Looks, of a BMC, is what was worst in each part; of a site ? or a digit: the more of it failed at once, the larger; ? where none
	// failed, and something was not known.
	Looks string `json:"looks"`
	// Total is how many BMCs there are now, Worst how many failed at once at most, and WorstAt when.
	Total   int       `json:"total"`
	Worst   int       `json:"worst"`
	WorstAt time.Time `json:"worst_at,omitzero"`
}

// strips answers with the last day of what matches, site by site or BMC by BMC: GET /strips.
func (s *Server) strips(w http.ResponseWriter, r *http.Request, a ask) error {
	by, err := a.choice("by", "site", "bmc")
	if err != nil {
		return err
	}
	key := by + " " + a.filter.String()
	if known, ok := s.past.known(key, a.now); ok {
		return reply(w, known)
	}
	t := tape{until: a.now, lines: map[string]*line{}, of: map[inventory.ID]*line{}, looks: map[inventory.ID]results.Code{}}
	s.matching(a, func(b *follow.BMC) bool {
		key, id := b.State.Site, inventory.ID("")
		if by == "bmc" {
			id = b.State.BMC
			key = string(id)
		}
		t.add(key, Strip{Site: b.State.Site, BMC: id}, &b.State)
		return len(t.lines) <= mostStrips
	})
	if len(t.lines) > mostStrips {
		return mistake("where", errors.New("more than 1,000 match; want fewer"))
	}
	turns, err := s.past.since(r.Context(), s.Store, a.now)
	if err != nil {
		return err
	}
	made := Strips{a.now.Add(-day).UTC(), a.now.UTC(), int(stripStep.Seconds()), t.wind(turns)}
	s.past.keep(key, made)
	return reply(w, made)
}

// known is what was made of late, so that many who open a page cost no more than one.
func (p *past) known(key string, now time.Time) (Strips, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	made, ok := p.made[key]
	return made, ok && now.Sub(made.Until) < stripsHold
}

func (p *past) keep(key string, made Strips) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made == nil || len(p.made) >= mostMade {
		p.made = map[string]Strips{}
	}
	p.made[key] = made
}

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

// wind winds back to a day ago.
func (t *tape) wind(turns []turn) []Strip {
	at := len(turns) - 1
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
