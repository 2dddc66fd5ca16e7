package bus

import (
	"bytes"
	"context"
	"fmt"
)

// mostUnheard is how much is kept for a hearer who is slow; of more, the oldest is lost.
const mostUnheard = 1000

// hearer is one call of Hear. Memory.mu guards it.
type hearer struct {
	told    [][]byte
	changed chan struct{} // closed and replaced whenever something was told
}

// Tell reaches everybody who hears just now.
func (b *Memory) Tell(ctx context.Context, body []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("tell: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for h := range b.hearers {
		h.told = append(h.told, bytes.Clone(body))
		h.told = h.told[max(0, len(h.told)-mostUnheard):]
		close(h.changed)
		h.changed = make(chan struct{})
	}
	return nil
}

// Hear hears from the moment on that it is called.
func (b *Memory) Hear(ctx context.Context, each func(body []byte)) error {
	h := &hearer{changed: make(chan struct{})}
	b.mu.Lock()
	if b.hearers == nil {
		b.hearers = map[*hearer]bool{}
	}
	b.hearers[h] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.hearers, h)
	}()
	for {
		b.mu.Lock()
		told, changed := h.told, h.changed
		h.told = nil
		b.mu.Unlock()
		for _, body := range told {
			if ctx.Err() != nil {
				return nil
			}
			each(body)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
