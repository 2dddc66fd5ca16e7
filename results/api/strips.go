package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"lamplighter/checks"
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
	making chan struct{} // holds a token while strips are made: who opens a page at the same time waits for those

	mu    sync.Mutex // guards the following
	turns []turn     // oldest first
	from  time.Time  // what was before is not known: there was too much of it
	last  int64      // cursor of the newest change that was read
	made  map[string]Strips
}

// since are the changes of a day, oldest first, and from when on they are all of them. Nobody writes to them.
func (p *past) since(ctx context.Context, history store.History, now time.Time) ([]turn, time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, which := p.last, store.Which{Forward: true, After: p.last}
	if p.last == 0 {
		which.From = now.Add(-day)
	}
	var news []turn
	err := history.Changes(ctx, which, func(k store.Kept) bool {
		last = k.Cursor
		if t := turnOf(k.Change); t.from != t.to {
			news = append(news, t)
		}
		return true
	})
	if err != nil { // what was read is read again
		return nil, p.from, fmt.Errorf("read what changed within a day: %w", err)
	}
	p.last = last
	if len(news) > 0 { // a new slice: others read the one before
		all := slices.Concat(p.turns, news)
		slices.SortStableFunc(all, func(a, b turn) int { return a.at.Compare(b.at) })
		if p.turns = all[max(0, len(all)-mostTurns):]; len(p.turns) < len(all) {
			p.from = p.turns[0].at
		}
	}
	first, _ := slices.BinarySearchFunc(p.turns, now.Add(-day), func(t turn, at time.Time) int { return t.at.Compare(at) })
	p.turns = p.turns[first:]
	return p.turns, p.from, nil
}

// turnOf is what a change does to the look of a BMC. It is unknown from when nothing was found out on, and not only since that was noticed.
func turnOf(c results.Change) turn {
	at := c.At
	if c.To.Health == checks.Unknown && !c.Since.IsZero() && c.Since.Before(at) {
		at = c.Since
	}
	return turn{at, c.BMC, results.CodeOf(c.From.Health, c.From.Failed, c.From.Reason, ""), results.CodeOf(c.To.Health, c.To.Failed, c.To.Reason, "")}
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
	all, err := s.past.once(r.Context(), by+" "+a.filter.String(), a.now, func() (Strips, error) { return s.makeStrips(r.Context(), a, by) })
	if err != nil {
		return err
	}
	return reply(w, all)
}

func (s *Server) makeStrips(ctx context.Context, a ask, by string) (Strips, error) {
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
		return Strips{}, mistake("where", errors.New("more than 1,000 match; want fewer"))
	}
	turns, from, err := s.past.since(ctx, s.Store, a.now)
	if err != nil {
		return Strips{}, err
	}
	return Strips{a.now.Add(-day).UTC(), a.now.UTC(), int(stripStep.Seconds()), t.wind(turns, from)}, nil
}

// once is what was made of late, or is made now, by one at a time.
func (p *past) once(ctx context.Context, key string, now time.Time, fresh func() (Strips, error)) (Strips, error) {
	if known, ok := p.known(key, now); ok {
		return known, nil
	}
	select {
	case p.making <- struct{}{}:
		defer func() { <-p.making }()
	case <-ctx.Done():
		return Strips{}, fmt.Errorf("wait for strips that are made: %w", ctx.Err())
	}
	if known, ok := p.known(key, now); ok {
		return known, nil
	}
	all, err := fresh()
	if err == nil {
		p.keep(key, all)
	}
	return all, err
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
