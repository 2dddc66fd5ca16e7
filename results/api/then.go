package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

const (
	// mostWound is how many changes are taken back at most to see what was.
	mostWound = 200_000
	// mostBegun is of how many BMCs it is read since when it had been so: of more that would take longer than a page waits.
	mostBegun = 20_000
	// thensHeld is how many moments are kept, and thenHolds for how long: who looks at one asks for page after page of it.
	thensHeld = 4
	thenHolds = 20 * time.Second
)

// then is what was believed at a time that is past. Which BMCs there are, where they stand, their facts and labels are those of now.
// A nil then is now.
type then struct {
	at time.Time
	// was are the BMCs that were believed to be otherwise.
	was map[inventory.ID]earlier
	// open are the incidents that were not closed, the most important first, and of says in which of them a BMC failed.
	open  []results.Incident
	of    map[inventory.ID]string
	quiet []quiet // the silences that held
}

// earlier is what was believed of a BMC, and how it has changed since.
type earlier struct {
	belief results.Belief
	since  time.Time // zero: longer than changes are kept
	// flapping says whether it was, where it began or ended to since.
	flapping *bool
	// believed: another health, reason or check is believed now.
	believed bool
}

// thens are the moments that were asked for of late.
type thens struct {
	making sync.Mutex // one at a time is made: who looks at the same moment waits for it
	held   []*then    // newest last; guarded by making
	made   []time.Time
}

// then is what was at a time.
func (s *Server) then(ctx context.Context, at, now time.Time) (*then, error) {
	switch {
	case at.After(now):
		return nil, mistake("at", fmt.Errorf("%s is not past yet", at.UTC().Format(time.RFC3339)))
	case s.Kept > 0 && at.Before(now.Add(-s.Kept)):
		return nil, mistake("at", fmt.Errorf("%s: what changed is kept for %s (results.keep_changes)", at.UTC().Format(time.RFC3339), s.Kept))
	}
	s.thens.making.Lock()
	defer s.thens.making.Unlock()
	for i, t := range s.thens.held {
		if t.at.Equal(at) && now.Sub(s.thens.made[i]) < thenHolds {
			return t, nil
		}
	}
	t, err := s.windBack(ctx, at)
	if err != nil {
		return nil, err
	}
	s.thens.held, s.thens.made = append(s.thens.held, t), append(s.thens.made, now)
	if drop := len(s.thens.held) - thensHeld; drop > 0 {
		s.thens.held, s.thens.made = slices.Clone(s.thens.held[drop:]), slices.Clone(s.thens.made[drop:])
	}
	return t, nil
}

var errTooMuch = errors.New("too much has changed since then; ask for a later time")

// windBack takes back what changed since a time.
func (s *Server) windBack(ctx context.Context, at time.Time) (*then, error) {
	t := &then{at: at, was: map[inventory.ID]earlier{}, of: map[inventory.ID]string{}}
	wound := 0
	err := s.Store.Changes(ctx, store.Which{From: at.Add(time.Millisecond)}, func(k store.Kept) bool {
		t.takeBack(k.Change)
		wound++
		return wound <= mostWound
	})
	if err != nil {
		return nil, fmt.Errorf("read what changed since %s: %w", at.UTC().Format(time.RFC3339), err)
	}
	if wound > mostWound {
		return nil, mistake("at", errTooMuch)
	}
	for id, was := range t.was {
		if len(t.was) > mostBegun {
			break
		}
		if was.since, err = s.begunBefore(ctx, id, at); err != nil {
			return nil, err
		}
		t.was[id] = was
	}
	if err := t.recall(ctx, s.Store); err != nil {
		return nil, fmt.Errorf("read which incidents and silences there were at %s: %w", at.UTC().Format(time.RFC3339), err)
	}
	return t, nil
}

// takeBack takes one change back. They come newest first.
func (t *then) takeBack(c results.Change) {
	was := t.was[c.BMC]
	switch c.Kind {
	case results.StartedFlapping, results.StoppedFlapping:
		before := c.Kind == results.StoppedFlapping
		was.flapping = &before
	default:
		was.belief, was.believed = c.From, true
	}
	t.was[c.BMC] = was
}

// begunBefore is since when what was believed of a BMC at a time had been so.
func (s *Server) begunBefore(ctx context.Context, id inventory.ID, at time.Time) (since time.Time, err error) {
	err = s.Store.Changes(ctx, store.Which{BMC: id, To: at.Add(time.Millisecond)}, func(k store.Kept) bool {
		if k.Change.Kind == results.StartedFlapping || k.Change.Kind == results.StoppedFlapping {
			return true
		}
		since = k.Change.Since
		return false
	})
	if err != nil {
		return since, fmt.Errorf("read what changed of %s before %s: %w", id, at.UTC().Format(time.RFC3339), err)
	}
	return since, nil
}

// recall reads which incidents were open, and what was kept quiet.
func (t *then) recall(ctx context.Context, from store.Incidents) error {
	var all []results.Incident
	err := from.Incidents(ctx, store.WhichIncidents{Open: true, Closed: t.at, To: t.at.Add(time.Millisecond)}, func(k store.KeptIncident) bool {
		all = append(all, k.Incident)
		return true
	})
	if err != nil {
		return err
	}
	for _, i := range all {
		members, err := from.Members(ctx, i.ID)
		if err != nil {
			return err
		}
		if i = t.asOf(i, members); i.Failing > 0 {
			t.open = append(t.open, i)
		}
	}
	slices.SortFunc(t.open, follow.ByImportance)
	silences, err := from.Silences(ctx)
	for _, one := range silences {
		if filter, wrong := query.Parse(one.Where); wrong == nil && !t.at.Before(one.From) && t.at.Before(one.Over()) {
			one.EndedAt = time.Time{} // it had not been ended yet
			t.quiet = append(t.quiet, quiet{one, filter})
		}
	}
	return err
}

// asOf is an incident as it was. Its title and what was counted of it are its newest.
func (t *then) asOf(i results.Incident, members []results.Member) results.Incident {
	i.Total, i.Failing = 0, 0
	for _, m := range members {
		if m.Since.After(t.at) {
			continue
		}
		i.Total++
		if m.Left.IsZero() || m.Left.After(t.at) {
			i.Failing++
			t.of[m.BMC] = i.ID
		}
	}
	if i.Ack != nil && i.Ack.At.After(t.at) {
		i.Ack = nil
	}
	i.Status, i.ClosedAt, i.Closed, i.Into, i.Silenced = results.Open, time.Time{}, "", "", nil
	if i.Ack != nil {
		i.Status = results.Acknowledged
	}
	return i
}

// bmc is a BMC as it was. What is only known of its newest round is left out.
func (t *then) bmc(b *follow.BMC) *follow.BMC {
	if t == nil || b == nil {
		return b
	}
	s := b.State
	s.Soft, s.Missed, s.Found, s.Untold = nil, nil, nil, nil
	s.LastAt, s.LoginAt, s.PowerAt, s.FailedAt, s.UpdatedAt, s.LastRound = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, checks.Round{}
	if s.LastGoodAt.After(t.at) {
		s.LastGoodAt = time.Time{}
	}
	was, changed := t.was[s.BMC]
	if changed && was.believed {
		info := was.belief.Reason.Info()
		s.Health, s.Failed, s.Reason, s.Owner, s.NextStep = was.belief.Health, was.belief.Failed, was.belief.Reason, info.Owner, info.NextStep
		s.Since, s.LastKnown = was.since, nil
	}
	switch {
	case was.flapping != nil && *was.flapping:
		s.Flapping = &results.Flapping{}
	case was.flapping != nil:
		s.Flapping = nil
	}
	return &follow.BMC{State: s, Facts: b.Facts, Version: b.Version}
}

// all are all BMCs, as what is asked for sees them.
func (s *Server) all(a ask) []*follow.BMC {
	all, _ := s.Live.All()
	if a.then == nil {
		return all
	}
	was := make([]*follow.BMC, len(all))
	for i, b := range all {
		was[i] = a.then.bmc(b)
	}
	return was
}

// over is what lay over a BMC. Of acknowledgements only those that still hold are known.
func (t *then) over(s *Server, id inventory.ID) (o overlay) {
	if ack := s.hub.over(id, t.at).ack; ack != nil && !ack.At.After(t.at) {
		o.ack = ack
	}
	o.incident = t.of[id]
	if b := t.bmc(s.Live.Get(id)); b != nil {
		inside := lens{func(inventory.ID) overlay { return overlay{ack: o.ack, incident: o.incident} }, s.Labels, t.at}
		o.quiet = quietOf(t.quiet, inside, b)
	}
	return o
}

// newest is the newest verdict of a BMC; of what is past the newest that led to what was believed, where it is kept: of good rounds
// only the very newest is.
func (t *then) newest(ctx context.Context, from store.History, s *results.State) (found results.Verdict, err error) {
	if t == nil {
		return from.Newest(ctx, s.BMC)
	}
	err = from.Verdicts(ctx, s.BMC, time.Time{}, t.at.Add(time.Millisecond), func(v results.Verdict) bool {
		found = v
		return false
	})
	if err == nil && (found.Health != s.Health || found.Reason != s.Reason) {
		return results.Verdict{}, store.ErrNone
	}
	return found, err
}
