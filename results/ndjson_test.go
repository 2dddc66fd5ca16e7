package results_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"lamplighter/checks"
	"lamplighter/results"
)

func TestSinksWriteOneWholeLinePerVerdict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verdicts.ndjson")
	file, err := results.File(path)
	if err != nil {
		t.Fatal(err)
	}
	var buffer bytes.Buffer
	for _, sink := range []results.Sink{file, results.NewWriter(&buffer)} {
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				if err := sink.Emit(context.Background(), verdict(i, checks.Available, "", "")); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"file": written, "writer": buffer.Bytes()} {
		rounds := map[string]bool{}
		for line := range bytes.Lines(text) {
			var v results.Verdict
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatalf("%s: %q: %v", name, line, err)
			}
			rounds[v.Round.String()] = true
		}
		if len(rounds) != 50 {
			t.Errorf("%s holds %d rounds, want 50", name, len(rounds))
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriterSaysWhenAVerdictWasNotWritten(t *testing.T) {
	if err := results.NewWriter(brokenPipe{}).Emit(t.Context(), verdict(1, checks.Available, "", "")); err == nil {
		t.Error("no error")
	}
}
