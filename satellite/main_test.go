package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lamplighter/results"
)

// outcome is what a run of the program left behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// lamplighter runs the program in this process.
func lamplighter(t testing.TB, args ...string) outcome {
	t.Helper()
	var stdout, stderr lockedBuffer
	code := execute(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	return outcome{stdout.String(), stderr.String(), code}
}

// lockedBuffer is a bytes.Buffer that several goroutines may write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// verdict reads the one document of check --json.
func (o outcome) verdict(t testing.TB) results.Verdict {
	t.Helper()
	var v results.Verdict
	if err := json.Unmarshal([]byte(o.stdout), &v); err != nil {
		t.Fatalf("verdict: %v\nstdout: %s\nstderr: %s", err, o.stdout, o.stderr)
	}
	return v
}

// secretFile writes a file that only its owner may read.
func secretFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// factOf is a fact of the last result of a check.
func factOf(v results.Verdict, check, name string) string {
	for _, r := range v.Trail {
		if string(r.Check) == check {
			return r.Facts[name]
		}
	}
	return ""
}
