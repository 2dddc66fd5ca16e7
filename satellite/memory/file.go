package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lamplighter/results/journal"
)

// compactFrom is how many lines a file must have before it is worth writing it anew.
const compactFrom = 10_000

// refreshEvery is how soon what another process wrote is read.
const refreshEvery = 2 * time.Second

// file keeps the records in a journal, whose lock orders the processes that share it.
type file struct {
	m       *Memory
	journal *journal.File // nil: for as long as the process lives
	lines   int
}

// Open reads the memory kept at path, or makes it. An empty path remembers for as long as the process lives.
func Open(path string) (*Memory, error) {
	m := empty()
	f := &file{m: m}
	m.store = f
	if path == "" {
		return m, nil
	}
	opened, err := journal.Open(path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("site memory: %w", err)
	}
	f.journal = opened
	if err := f.refresh(context.Background()); err != nil {
		return nil, errors.Join(fmt.Errorf("site memory: %w", err), opened.Close())
	}
	if err := f.compact(); err != nil {
		return nil, errors.Join(fmt.Errorf("site memory: %w", err), opened.Close())
	}
	return m, nil
}

func (f *file) close() error {
	if f.journal == nil {
		return nil
	}
	return f.journal.Close()
}

func (f *file) ready(context.Context) error { return nil }

// run reads what other processes write. What cannot be read now is tried again.
func (f *file) run(ctx context.Context) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	var last error
	for {
		select {
		case <-tick.C:
			last = f.refresh(ctx)
		case <-ctx.Done():
			return last
		}
	}
}

func (f *file) refresh(ctx context.Context) error {
	return f.agree(ctx, func() *record { return nil })
}

func (f *file) note(ctx context.Context, l *late) error {
	return f.agree(ctx, func() *record {
		if f.m.nothingNew(l) {
			return nil
		}
		if l.Outcome == nil {
			return l.Record
		}
		return f.m.happened(l, f.m.fences[l.Outcome.BMC])
	})
}

// agree decides under the lock of the file.
func (f *file) agree(_ context.Context, decide func() *record) error {
	m := f.m
	var before []record // what the record that is written takes the place of
	write := func() ([]byte, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		r := decide()
		if r == nil {
			return nil, nil
		}
		if r.Fence != nil {
			r.Fence.Seq = m.fences[r.BMC].Seq + 1
		}
		line, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", r, err)
		}
		before = append(before, m.current(*r))
		m.apply(*r)
		return line, nil
	}
	if f.journal == nil {
		_, err := write()
		return err
	}
	err := f.journal.Update(f.see, write)
	if err != nil && before != nil { // the disk is full: what is not in the file has not happened
		m.mu.Lock()
		defer m.mu.Unlock()
		m.apply(before[0])
	}
	return err
}

// current is the record that counts now for r's key. m.mu is held.
func (m *Memory) current(r record) record {
	fence, known, hold, stop := m.fences[r.BMC], m.known[r.BMC], m.holds[r.Credential], m.stop
	return record{Kind: r.Kind, BMC: r.BMC, Credential: r.Credential, Fence: &fence, Known: &known, Hold: &hold, Stop: &stop}
}

// see takes in a line of the file; our own come by again, and change nothing.
func (f *file) see(line []byte) error {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		return fmt.Errorf("record %.80q: %w", line, err)
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.lines++
	f.m.apply(r)
	return nil
}

// compact writes the file anew when most of its lines are history.
func (f *file) compact() error {
	f.m.mu.Lock()
	live := len(f.m.live(f.m.fences))
	f.m.mu.Unlock()
	if f.lines < compactFrom || f.lines < 4*live {
		return nil
	}
	return f.journal.Replace(f.see, func() ([][]byte, error) {
		f.m.mu.Lock()
		defer f.m.mu.Unlock()
		return encode(f.m.live(f.m.fences))
	})
}

func encode(records []record) (lines [][]byte, err error) {
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", r, err)
		}
		lines = append(lines, line)
	}
	return lines, nil
}
