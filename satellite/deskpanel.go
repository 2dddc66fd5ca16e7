package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// demoTickets are the demo's: a desk that prints, for all incidents.
func demoTickets() Tickets {
	t := defaultTickets()
	t.Quiet = 20 * time.Second
	t.desk("desk")
	t.Desks["desk"].Kind = kindPrint
	return t
}

// deskPanel keeps what a desk prints: the first line of each act, and the newest ticket whole.
type deskPanel struct {
	mu     sync.Mutex // guards the following
	acts   []string
	newest []string
	opened int
	begun  bytes.Buffer // a line that is not whole
}

func newDeskPanel() *deskPanel { return new(deskPanel) }

// Write takes what the desk prints.
func (p *deskPanel) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.begun.Write(text) // it never fails
	for {
		line, err := p.begun.ReadString('\n')
		if err != nil {
			p.begun.Reset()
			_, _ = p.begun.WriteString(line)
			return len(text), nil
		}
		p.take(strings.TrimSuffix(line, "\n"))
	}
}

func (p *deskPanel) take(line string) {
	if strings.HasPrefix(line, " ") {
		p.newest = append(p.newest, line)
		return
	}
	p.newest = nil
	act := strings.TrimPrefix(line, "desk: ")
	if strings.HasPrefix(act, "would open") {
		p.opened++
	}
	if p.acts = append(p.acts, act); len(p.acts) > 200 {
		p.acts = p.acts[100:]
	}
}

// line is all in one.
func (p *deskPanel) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.acts) == 0 {
		return "tickets: none yet"
	}
	return fmt.Sprintf("tickets: %d; the newest: %s", p.opened, p.acts[len(p.acts)-1])
}

// draw writes each act, and the newest ticket whole.
func (p *deskPanel) draw(w io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, act := range p.acts {
		fmt.Fprintln(w, act)
	}
	for _, line := range p.newest {
		fmt.Fprintln(w, line)
	}
}
