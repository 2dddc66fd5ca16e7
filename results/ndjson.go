package results

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"lamplighter/results/journal"
)

// Func is a sink that is a function.
type Func func(ctx context.Context, v Verdict) error

// Emit calls f.
func (f Func) Emit(ctx context.Context, v Verdict) error { return f(ctx, v) }

// Writer writes one verdict per line, for a terminal or a pipe.
type Writer struct {
	mu  sync.Mutex // one line at a time
	out io.Writer
}

// NewWriter writes to out, whose Write is called by one goroutine at a time.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Emit writes v's line with one Write.
func (w *Writer) Emit(_ context.Context, v Verdict) error {
	line, err := encode(v)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write verdict of %s: %w", v.Round, err)
	}
	return nil
}

// FileSink appends one verdict per line to a file. It finds the file again after a rotation.
type FileSink struct{ file *journal.File }

// File opens or makes the file at path.
func File(path string) (*FileSink, error) {
	file, err := journal.Open(path, 0o644)
	if err != nil {
		return nil, fmt.Errorf("verdict file: %w", err)
	}
	return &FileSink{file}, nil
}

// Emit returns once v's line is on the disk; verdicts that come at the same time share one fsync.
func (f *FileSink) Emit(_ context.Context, v Verdict) error {
	line, err := encode(v)
	if err != nil {
		return err
	}
	if err := f.file.Append(line); err != nil {
		return fmt.Errorf("keep verdict of %s: %w", v.Round, err)
	}
	return nil
}

// Close closes the file.
func (f *FileSink) Close() error { return f.file.Close() }

func encode(v Verdict) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode verdict of %s: %w", v.Round, err)
	}
	return line, nil
}
