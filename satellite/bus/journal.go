package bus

import (
	"bytes"
	"context"
	"fmt"
)

// journal is a log in memory. Memory.mu guards it.
type journal struct {
	records [][]byte
	changed chan struct{} // closed and replaced with each record
}

// journal finds a log or makes it. b.mu is held.
func (b *Memory) journal(name string) *journal {
	if b.logs == nil {
		b.logs = map[string]*journal{}
	}
	if b.logs[name] == nil {
		b.logs[name] = &journal{changed: make(chan struct{})}
	}
	return b.logs[name]
}

// Append copies a record to the end of a log.
func (b *Memory) Append(ctx context.Context, log string, record []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("append to %s: %w", log, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.journal(log)
	j.records = append(j.records, bytes.Clone(record))
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

// Follow reads a log that keeps everything.
func (b *Memory) Follow(ctx context.Context, log string, from int64, see func(at int64, record []byte) error) error {
	for at := max(from, 0); ; {
		b.mu.Lock()
		j := b.journal(log)
		fresh, changed := j.records[min(at, int64(len(j.records))):], j.changed
		b.mu.Unlock()
		for _, record := range fresh {
			if ctx.Err() != nil {
				return nil
			}
			if err := see(at, bytes.Clone(record)); err != nil {
				return err
			}
			at++
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
