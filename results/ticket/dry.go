package ticket

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"lamplighter/results"
)

// Dry prints what another desk would be told. It remembers what it was told, so that it is told as the other would be.
type Dry struct {
	Name string
	// Desk is asked, and never told; nil: nobody is asked.
	Desk Desk
	W    io.Writer

	mu sync.Mutex // one prints at a time
}

var _ Desk = (*Dry)(nil)

// Find asks the desk.
func (d *Dry) Find(ctx context.Context, known results.Ticket) (Found, error) {
	if d.Desk == nil || known.Ref == "" && !known.OpenedAt.IsZero() { // that one was opened dry
		return found(known), nil
	}
	return d.Desk.Find(ctx, known)
}

// Tell prints.
func (d *Dry) Tell(_ context.Context, m Message) (Found, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := m.Ticket
	title := t.Ref
	if m.Act == Open {
		t = Found{}
	}
	if title == "" {
		title = m.Title
	}
	if _, err := fmt.Fprintf(d.W, "%s: would %s %s\n", d.Name, m.Act, cleaned(title, longestTitle)); err != nil {
		return Found{}, err
	}
	text := m.Comment
	if m.Act == Open {
		text = m.Body
	}
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintf(d.W, "    %s\n", strings.TrimSuffix(line, "\n")); err != nil {
			return Found{}, err
		}
	}
	t.There, t.Open = true, m.Act != Close && m.Act != Merge
	return t, nil
}
