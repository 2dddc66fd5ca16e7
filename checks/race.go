package checks

import (
	"context"
	"errors"
	"sync"
	"time"
)

// headStart is how long ICMP is asked alone, so that a living BMC costs one packet each way. Its TCP and RMCP listeners are
// part of a small CPU; its ICMP is not.
const headStart = 300 * time.Millisecond

// race asks ICMP and, when that has not answered after headStart or cannot, all other questions too. The first answer wins;
// all questions have ended on return. Without an answer the error is a silence.
func race(ctx context.Context, questions []question) (heard, error) {
	if len(questions) == 0 {
		return heard{}, errors.New("no way to ask is configured")
	}
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()

	type reply struct {
		way Way
		heard
		err error
	}
	replies := make(chan reply, len(questions))
	start := func(questions []question) {
		for _, q := range questions {
			asking.Go(func() {
				a, err := q.ask(ctx)
				replies <- reply{q.way, a, err}
			})
		}
	}
	first, rest := heat(questions)
	start(first)
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	for silent := (silence{}); ; {
		select {
		case r := <-replies:
			if r.err == nil {
				return r.heard, nil
			}
			if silent[r.way] = r.err; len(silent) == len(questions) {
				return heard{}, silent
			}
		case <-timer.C:
		}
		start(rest)
		rest = nil
	}
}

// heat splits questions into those asked at once and those asked later.
func heat(questions []question) (first, rest []question) {
	for _, q := range questions {
		if q.way == WayICMP {
			first = append(first, q)
		} else {
			rest = append(rest, q)
		}
	}
	if len(first) == 0 {
		return rest, nil
	}
	return first, rest
}
