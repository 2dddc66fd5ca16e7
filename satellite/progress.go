package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"lamplighter/checks"
	"lamplighter/results"
)

// progress says on stderr how far a sweep is: one redrawn line on a terminal, a plain line every 10 s elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	total    int
	started  time.Time
	done     atomic.Int64
	failed   atomic.Int64
}

func newProgress(w io.Writer, total int) *progress {
	file, ok := w.(*os.File)
	return &progress{w: w, terminal: ok && term.IsTerminal(int(file.Fd())), total: total, started: time.Now()}
}

func (p *progress) count(v results.Verdict) {
	p.done.Add(1)
	if v.Health != checks.Available {
		p.failed.Add(1)
	}
}

// run draws until ctx ends.
func (p *progress) run(ctx context.Context) {
	every := 10 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if p.terminal {
				fmt.Fprint(p.w, "\r\x1b[K")
			}
			return
		case now := <-tick.C:
			p.draw(now)
		}
	}
}

func (p *progress) draw(now time.Time) {
	line := progressLine(int(p.done.Load()), int(p.failed.Load()), p.total, now.Sub(p.started))
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s\x1b[K", line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// progressLine tells count, rate and time left.
func progressLine(done, failed, total int, passed time.Duration) string {
	rate := float64(done) / max(passed.Seconds(), 0.001)
	left := "?"
	if rate > 0 {
		left = (time.Duration(float64(total-done)/rate*float64(time.Second)) + time.Second).Truncate(time.Second).String()
	}
	return fmt.Sprintf("%d of %d BMCs checked, %d not available, %.0f/s, about %s left", done, total, failed, rate, left)
}
