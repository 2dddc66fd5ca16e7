package memory

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"lamplighter/checks"
)

// FuzzFile: a damaged file of site memory is an error or is read, never a panic, and what could be read can be written on.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"kind":"fence","bmc":"srv-1","fence":{"credential":"default","version":"12345","tries":1,"until":"2026-11-22T04:00:00Z"}}` + "\n"))
	f.Add([]byte(`{"kind":"known","bmc":"srv-1","known":{"tls_profile":"strict"}}` + "\n" + `{"kind":"fen`))
	f.Add([]byte("\x00\n\n{}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "memory")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path)
		if err != nil {
			return
		}
		defer m.Close()
		round := checks.Round{BMC: "srv-2", Due: time.Unix(1e9, 0).UTC(), Why: checks.Routine}
		attempt, permit, err := m.Begin(time.Now(), "srv-2", "default", "12345", round)
		if err != nil {
			t.Fatalf("begin: %v", err)
		}
		if permit.Decision == Allowed {
			if _, err := attempt.End(time.Now(), Refused); err != nil {
				t.Fatalf("end: %v", err)
			}
		}
		if err := m.refresh(); err != nil {
			t.Fatalf("read on: %v", err)
		}
	})
}
