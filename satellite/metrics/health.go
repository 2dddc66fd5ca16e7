package metrics

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Ready says whether a satellite has what it needs for its work. The zero Ready needs nothing.
type Ready struct {
	needs []need
}

type need struct {
	name string
	met  func() error
}

// Need adds a condition; met returns nil, or says what is missing. It is called before anybody asks for a report.
func (r *Ready) Need(name string, met func() error) { r.needs = append(r.needs, need{name, met}) }

// Report has a line for each need.
func (r *Ready) Report() (text string, ready bool) {
	var lines strings.Builder
	ready = true
	for _, n := range r.needs {
		if err := n.met(); err != nil {
			ready = false
			fmt.Fprintf(&lines, "%s: %v\n", n.name, err)
			continue
		}
		fmt.Fprintf(&lines, "%s: ok\n", n.name)
	}
	return lines.String(), ready
}

// stuck is after how long without a turn a loop counts as stuck.
const stuck = 15 * time.Second

// Pulse says whether a loop turns. A loop that has not begun, or has ended, is not stuck.
type Pulse struct {
	mu   sync.Mutex // guards the following
	last time.Time
	text string // instead, while the loop does not run
}

// NewPulse makes the pulse of a loop that has not begun.
func NewPulse() *Pulse { return &Pulse{text: "ok: it waits to begin"} }

// Run has turn called again and again until ctx ends. turn returns soon unless what it asks is stuck.
func (p *Pulse) Run(ctx context.Context, every time.Duration, turn func()) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	p.set(time.Now(), "")
	defer func() { p.set(time.Now(), "ok: it is about to end") }()
	for {
		select {
		case <-tick.C:
			turn()
			p.set(time.Now(), "")
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *Pulse) set(last time.Time, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.text = last, text
}

// Report says whether the loop turned lately.
func (p *Pulse) Report(now time.Time) (text string, alive bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := now.Sub(p.last)
	switch {
	case p.text != "":
		return p.text, true
	case since > stuck:
		return fmt.Sprintf("stuck: its loop did not turn for %s", since.Round(time.Second)), false
	}
	return "ok", true
}
