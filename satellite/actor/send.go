package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/satellite/bus"
)

// sendUntil tries again until the bus has the task: were it handed back after a Send that failed although it had worked, the
// round would go on in two places.
func (s *Shared) sendUntil(ctx context.Context, task checks.Task, next checks.Check) error {
	for try := 2; ; try++ {
		err := s.Send(ctx, task, next)
		if err == nil || ctx.Err() != nil || !time.Now().Before(task.Expires) {
			return err
		}
		if pause(ctx, min(bus.Backoff(try), time.Second)) != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Send puts a task into the satellite's own mailbox, or, where it has none, into that of its next check.
func (s *Shared) Send(ctx context.Context, task checks.Task, next checks.Check) error {
	task.Check = next.Name
	body, err := json.Marshal(task)
	if err != nil {
		return fmt.Errorf("encode task of %s: %w", task.Round, err)
	}
	m := bus.Message{ID: task.Round.String() + "/" + string(next.Name), Body: body}
	to := Mailbox(s.Prefix, next.Name)
	if s.Own != "" {
		to, m.Spill = s.Own, to
	}
	return s.Bus.Send(ctx, to, m)
}
