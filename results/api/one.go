package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/store"
)

var errWords = errors.New("want names with commas between, or all")

// Detail is a BMC with its chain and evidence.
type Detail struct {
	State results.State `json:"state"`
	// Meaning is what the reason means.
	Meaning string `json:"meaning"`
	// Code is the state in one character (results.StateCodes).
	Code results.Code `json:"code"`
	Ack  *store.Ack   `json:"ack"`
	// Incident is the one that it fails in, with its tickets; Silence is what keeps it quiet now. Null where there is none.
	Incident *Incident        `json:"incident"`
	Silence  *results.Silence `json:"silence"`
	// Labels are the inventory's, where it is known.
	Labels map[string]string `json:"labels,omitempty"`
	Facts  []results.Fact    `json:"facts"`
	// Verdict is the newest one, whole; null where none is kept.
	Verdict *results.Verdict `json:"verdict"`
	// Neighbours are the other BMCs of the rack.
	Neighbours []Neighbour `json:"neighbours"`
}

// Neighbour is a BMC of the same rack.
type Neighbour struct {
	BMC    inventory.ID  `json:"bmc"`
	Unit   float64       `json:"unit"`
	Health checks.Health `json:"health"`
	Failed checks.Name   `json:"failed"`
	Reason checks.Reason `json:"reason"`
	Since  time.Time     `json:"since,omitzero"`
}

// named is the BMC of the path.
func (s *Server) named(r *http.Request) (*follow.BMC, error) {
	id := inventory.ID(r.PathValue("bmc"))
	if b := s.Live.Get(id); b != nil {
		return b, nil
	}
	return nil, problem(http.StatusNotFound, "no BMC with the ID %.200q is known; search finds others", id)
}

// bmc answers with all that is known of one: GET /bmcs/{bmc}.
func (s *Server) bmc(w http.ResponseWriter, r *http.Request, a ask) error {
	b, err := s.named(r)
	if err != nil {
		return err
	}
	b = a.then.bmc(b)
	d := Detail{State: b.State, Meaning: b.State.Reason.Info().Meaning, Facts: orEmpty(b.Facts), Neighbours: s.neighbours(a, &b.State)}
	if err := s.lay(r, &d, a); err != nil {
		return err
	}
	switch verdict, err := a.then.newest(r.Context(), s.Store, &b.State); {
	case err == nil:
		d.Verdict = &verdict
	case !errors.Is(err, store.ErrNone):
		return fmt.Errorf("read the newest verdict of %s: %w", b.State.BMC, err)
	}
	return reply(w, d)
}

// lay adds what lies over the state, and the inventory's labels.
func (s *Server) lay(r *http.Request, d *Detail, a ask) error {
	id := d.State.BMC
	over := s.over(a, id)
	d.Ack, d.Silence, d.Code = over.ack, over.quiet, results.CodeOf(d.State.Health, d.State.Failed, d.State.Reason, over.kind())
	if s.Labels != nil {
		d.Labels = s.Labels(id)
	}
	if over.incident == "" {
		return nil
	}
	i, err := s.incidentAt(r.Context(), a, over.incident)
	if err != nil {
		return fmt.Errorf("read incident %s of %s: %w", over.incident, id, err)
	}
	shown := s.shown(i)
	d.Incident = &shown
	return nil
}

func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// neighbours are by unit; a BMC of which no rack is known has none.
func (s *Server) neighbours(a ask, of *results.State) []Neighbour {
	near := []Neighbour{}
	if of.Rack == "" {
		return near
	}
	for _, b := range s.all(a) {
		o := &b.State
		if o.Rack == of.Rack && o.Site == of.Site && o.Room == of.Room && o.Row == of.Row && o.BMC != of.BMC {
			near = append(near, neighbour(o))
		}
	}
	slices.SortFunc(near, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(b.Unit, a.Unit), strings.Compare(string(a.BMC), string(b.BMC)))
	})
	return near
}

func neighbour(o *results.State) Neighbour {
	return Neighbour{o.BMC, o.Unit, o.Health, o.Failed, o.Reason, o.Since}
}

// facts answers with what checks learned: GET /bmcs/{bmc}/facts.
func (s *Server) facts(w http.ResponseWriter, r *http.Request, _ ask) error {
	b, err := s.named(r)
	if err != nil {
		return err
	}
	return reply(w, page[results.Fact]{Items: orEmpty(b.Facts)})
}

// span reads from and to.
func (a ask) span(usual time.Duration) (from, to time.Time, err error) {
	if to, err = a.time("to", a.now); err != nil {
		return from, to, err
	}
	if from, err = a.time("from", to.Add(-usual)); err != nil {
		return from, to, err
	}
	if from.After(to) {
		return from, to, mistake("from", fmt.Errorf("%s is after to, %s", from.Format(time.RFC3339), to.Format(time.RFC3339)))
	}
	return from, to, nil
}

// History is what was, run by run.
type History struct {
	BMC   inventory.ID `json:"bmc"`
	From  time.Time    `json:"from"`
	To    time.Time    `json:"to"`
	Spans []store.Span `json:"spans"`
}

// history answers with the runs of equal verdicts, of the last day unless asked otherwise: GET /bmcs/{bmc}/history.
func (s *Server) history(w http.ResponseWriter, r *http.Request, a ask) error {
	b, err := s.named(r)
	if err != nil {
		return err
	}
	from, to, err := a.span(24 * time.Hour)
	if err != nil {
		return err
	}
	spans, err := s.Store.Spans(r.Context(), b.State.BMC, from, to)
	if err != nil {
		return fmt.Errorf("read the history of %s: %w", b.State.BMC, err)
	}
	return reply(w, History{b.State.BMC, from.UTC(), to.UTC(), orEmpty(spans)})
}

// verdicts answers with whole verdicts, newest first: GET /bmcs/{bmc}/verdicts.
func (s *Server) verdicts(w http.ResponseWriter, r *http.Request, a ask) error {
	b, err := s.named(r)
	if err != nil {
		return err
	}
	from, to, err := a.span(24 * time.Hour)
	if err != nil {
		return err
	}
	var before time.Time
	if err := a.cursor(&before); err != nil {
		return err
	}
	if !before.IsZero() {
		to = before
	}
	p := page[results.Verdict]{Items: []results.Verdict{}}
	err = s.Store.Verdicts(r.Context(), b.State.BMC, from, to, func(v results.Verdict) bool {
		switch {
		case !before.IsZero() && !v.Round.Due.Before(before): // it was on the page before
		case len(p.Items) == a.limit:
			p.Next = next(p.Items[a.limit-1].Round.Due)
			return false
		default:
			p.Items = append(p.Items, v)
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("read verdicts of %s: %w", b.State.BMC, err)
	}
	return reply(w, p)
}

// round answers with one whole verdict: GET /rounds/{round}.
func (s *Server) round(w http.ResponseWriter, r *http.Request, _ ask) error {
	round, err := checks.ParseRound(r.PathValue("round"))
	if err != nil {
		return mistake("round", err)
	}
	v, err := s.Store.Verdict(r.Context(), round)
	if errors.Is(err, store.ErrNone) {
		return problem(http.StatusNotFound, "no verdict of %s is kept: of a healthy round only the newest is", round)
	}
	if err != nil {
		return fmt.Errorf("read the verdict of %s: %w", round, err)
	}
	return reply(w, v)
}
