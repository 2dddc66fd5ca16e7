package memory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
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
		attempt, permit, err := m.Begin(context.Background(), time.Now(), "srv-2", "default", "12345", round)
		if err != nil {
			t.Fatalf("begin: %v", err)
		}
		if permit.Decision == Allowed {
			if _, err := attempt.End(context.Background(), time.Now(), Refused); err != nil {
				t.Fatalf("end: %v", err)
			}
		}
		if err := m.Refresh(); err != nil {
			t.Fatalf("read on: %v", err)
		}
	})
}

// FuzzLogRecord: whatever is in the log, what comes after it is read, and a login of another BMC is not disturbed.
func FuzzLogRecord(f *testing.F) {
	f.Add([]byte(`{"kind":"fence","bmc":"srv-1","fence":{"seq":3,"tries":1,"intent":["a","b"],"others":[{"tries":2}]},"ends":"x"}`))
	f.Add([]byte(`{"kind":"fence","bmc":"srv-1"}`))
	f.Add([]byte(`{"kind":"stop","stop":{"on":true},"renews":"x"}`))
	f.Add([]byte(`{"kind":"mark"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := OpenShared(Shared{Say: silent, Name: "l"})
		if err != nil {
			t.Fatal(err)
		}
		s := m.store.(*shared)
		last := []byte(`{"kind":"known","bmc":"srv-9","known":{"pin":"ab"},"id":"1"}`)
		if err := errors.Join(s.see(0, line), s.see(1, line), s.see(2, last)); err != nil {
			t.Fatal(err)
		}
		if m.Known("srv-9").Pin != "ab" {
			t.Error("the record after it was not read")
		}
		m.Fences()
		position, lines := 0, []copyLine{}
		for _, r := range m.live(s.base) {
			lines = append(lines, copyLine{Record: &r})
		}
		text, err := encodeCopy("l", int64(position), lines)
		if err != nil {
			t.Fatal(err)
		}
		if _, again, err := decodeCopy("l", text); err != nil || len(again) != len(lines) {
			t.Errorf("a copy of %d lines reads as %d: %v", len(lines), len(again), err)
		}
	})
}

// FuzzCopy: a copy is read whole or is an error, also with a checksum that is right.
func FuzzCopy(f *testing.F) {
	f.Add([]byte(`{"record":{"kind":"known","bmc":"a","known":{"pin":"ab"},"id":"1"}}`+"\n"), int64(7), true)
	f.Add([]byte(`{"late":{"outcome":{"bmc":"a","intent":"x","outcome":2}}}`+"\n"), int64(0), true)
	f.Add([]byte(`{"late":{"record":{"kind":"known"}}}`+"\n"), int64(-5), true)
	f.Add([]byte(`{"log":"l"}`+"\n"), int64(0), false)
	f.Fuzz(func(t *testing.T, body []byte, position int64, signed bool) {
		text := body
		if signed {
			first, err := json.Marshal(head{"l", position, bytes.Count(body, []byte("\n")), crc32.Checksum(body, castagnoli)})
			if err != nil {
				t.Fatal(err)
			}
			text = append(append(first, '\n'), body...)
		}
		path := filepath.Join(t.TempDir(), "copy")
		write(t, path, string(text))
		m, err := OpenShared(Shared{Path: path, Say: silent, Name: "l"})
		if err != nil {
			t.Fatal(err)
		}
		m.Fences()
		if s := m.store.(*shared); s.at < -1 {
			t.Errorf("position %d", s.at)
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
