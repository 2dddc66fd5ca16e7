package follow

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"lamplighter/results"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// ErrNot means that what somebody asked for cannot be; the text says why, for people.
var ErrNot = errors.New("not possible")

// act is something that somebody does, on its way to the goroutine that takes arrivals in.
type act struct {
	do   func(b *batch) error
	done chan error
}

// doing has do done as part of a batch, and returns once that is kept. Run has to run.
func (f *Follower) doing(ctx context.Context, do func(b *batch) error) error {
	a := act{do, make(chan error, 1)}
	select {
	case f.acts <- a:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *Follower) act(ctx context.Context, a act) {
	b := f.batch(time.Now())
	err := a.do(b)
	if err == nil {
		f.decided = time.Time{} // what follows is kept with it
		err = b.commit(ctx)
	}
	a.done <- err
}

// AckIncident says that somebody is on an incident. It is store.ErrNone where there is none, ErrNot where it is closed.
func (f *Follower) AckIncident(ctx context.Context, id string, a results.IncidentAck) (results.Incident, error) {
	if strings.TrimSpace(a.Who) == "" {
		return results.Incident{}, fmt.Errorf("acknowledge %s: %w: who does it is needed", id, ErrNot)
	}
	if !a.Until.IsZero() && !a.Until.After(time.Now()) {
		return results.Incident{}, fmt.Errorf("acknowledge %s: %w: until %s is over", id, ErrNot, a.Until.Format(time.RFC3339))
	}
	if a.At.IsZero() {
		a.At = time.Now()
	}
	a.At, a.Until = a.At.UTC(), a.Until.UTC()
	return f.ack(ctx, id, &a)
}

// UnackIncident takes an acknowledgement back.
func (f *Follower) UnackIncident(ctx context.Context, id string) (results.Incident, error) {
	return f.ack(ctx, id, nil)
}

func (f *Follower) ack(ctx context.Context, id string, a *results.IncidentAck) (results.Incident, error) {
	before, err := f.Incident(ctx, id)
	if err != nil {
		return before, err
	}
	if before.Status == results.Resolved {
		return before, fmt.Errorf("acknowledge %s: %w: it was closed at %s", id, ErrNot, before.ClosedAt.Format(time.RFC3339))
	}
	err = f.doing(ctx, func(b *batch) error {
		if !b.engine.Ack(id, a) {
			return fmt.Errorf("acknowledge %s: %w: it was closed just now", id, ErrNot)
		}
		return nil
	})
	if err != nil {
		return before, err
	}
	return f.Incident(ctx, id)
}

// Silence keeps incidents quiet where a filter says so. It gives the silence its ID; ErrNot says what is wrong with it.
func (f *Follower) Silence(ctx context.Context, s results.Silence) (results.Silence, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	s.Schema, s.ID, s.Seq, s.MadeAt = results.SilenceSchema, "sil-"+now.Format("20060102")+"-"+strings.ToLower(rand.Text()[:8]), 1, now
	if s.From.IsZero() {
		s.From = now
	}
	s.Kind, s.From, s.Until = cmp.Or(s.Kind, results.Silencing), s.From.UTC(), s.Until.UTC()
	if err := possible(s, now); err != nil {
		return s, err
	}
	return s, f.doing(ctx, func(b *batch) error {
		b.put.Silences = append(b.put.Silences, s)
		return b.engine.Silence(s)
	})
}

// possible says what is wrong with a silence.
func possible(s results.Silence, now time.Time) error {
	not := func(format string, args ...any) error {
		return fmt.Errorf("silence %s: %w: %s", s.Where, ErrNot, fmt.Sprintf(format, args...))
	}
	filter, err := query.Parse(s.Where)
	switch {
	case err != nil:
		return fmt.Errorf("silence %s: %w: %w", s.Where, ErrNot, err)
	case len(filter.Fields()) == 0:
		return not("want a filter that says which BMCs, such as site=ams1 and rack=C01")
	case filter.Timed():
		return not("want a filter that does not change with time: no since, age or acknowledged")
	case s.Kind != results.Silencing && s.Kind != results.Maintenance:
		return not("kind %q: want silence or maintenance", s.Kind)
	case strings.TrimSpace(s.Who) == "" || strings.TrimSpace(s.Reason) == "":
		return not("who wants it and the reason are needed")
	case !s.Until.After(s.From) || !s.Until.After(now):
		return not("until %s is over: want an end that is yet to come", s.Until.Format(time.RFC3339))
	}
	return nil
}

// EndSilence ends one before its time.
func (f *Follower) EndSilence(ctx context.Context, id, who string, at time.Time) (ended results.Silence, err error) {
	err = f.doing(ctx, func(b *batch) error {
		f.desk.mu.RLock()
		found, ok := f.desk.silences[id]
		f.desk.mu.RUnlock()
		if !ok {
			return fmt.Errorf("silence %s: %w", id, store.ErrNone)
		}
		if ended = found; !ended.Over().After(b.now) {
			return fmt.Errorf("end silence %s: %w: it was over at %s", id, ErrNot, ended.Over().Format(time.RFC3339))
		}
		ended.EndedAt, ended.EndedBy, ended.Seq = at.UTC(), who, ended.Seq+1
		b.put.Silences = append(b.put.Silences, ended)
		return b.engine.Silence(ended)
	})
	return ended, err
}
