package actor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// windows is a sight that keeps what it is told.
type windows struct {
	contexts []context.Context
	answered []time.Time
}

func (w *windows) Watch(ctx context.Context, _ inventory.BMC) func() checks.Proof {
	w.contexts = append(w.contexts, ctx)
	return func() checks.Proof { return checks.Proof{Seen: ctx.Err() == nil} }
}

func (w *windows) Answered(_ inventory.BMC, at time.Time) { w.answered = append(w.answered, at) }

func TestAWindowEndsWithItsCheckAndAnAnswerIsAsOldAsItsQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sight, asked := &windows{}, time.Time{}
		s := newSite(t, checks.Chain{
			{Name: checks.Ping, Run: func(context.Context, *checks.Visit) (checks.Finding, error) {
				asked = time.Now()
				time.Sleep(2 * time.Second)
				return checks.Finding{}, nil
			}},
			{Name: checks.TLS, Timeout: time.Second, Run: func(ctx context.Context, _ *checks.Visit) (checks.Finding, error) {
				<-ctx.Done()
				return checks.Finding{}, checks.Blame(checks.TLSTimeout, ctx.Err())
			}},
		}, "a")
		s.Sight = sight
		stop := s.run(t, 4)
		s.send(t, s.task("a", 0, checks.Routine))
		pass(time.Minute)
		if v := s.one(t); v.Reason != checks.TLSTimeout {
			t.Errorf("%q: the window had ended before its proof was asked for", v.Reason)
		}
		if len(sight.contexts) != 2 || sight.contexts[0].Err() == nil || sight.contexts[1].Err() == nil {
			t.Errorf("%d windows, some still open after their checks", len(sight.contexts))
		}
		if len(sight.answered) != 1 || !sight.answered[0].Equal(asked) {
			t.Errorf("answers at %v, want one at %v", sight.answered, asked)
		}
		stop()
	})
}
