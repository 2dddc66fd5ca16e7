package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// smallDisk is a file system of 64 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("SKIPPED: a full disk was not tested: mounting a small one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill fills the disk; the function that it returns makes room again.
func fill(t *testing.T, dir string) func() {
	t.Helper()
	path := filepath.Join(dir, "filler")
	err := os.WriteFile(path, bytes.Repeat([]byte("x"), 128<<10), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFullDiskAllowsNoLoginAndIsForgottenOnceThereIsRoom(t *testing.T) {
	dir := smallDisk(t)
	m := open(t, filepath.Join(dir, "memory"))
	login(t, m, start, "a", "1", checks.Routine, Refused)
	makeRoom := fill(t, dir)
	var failed inventory.ID
	for n := 0; failed == "" && n < 1000; n++ { // up to the end of the file's last page
		id := inventory.ID(fmt.Sprint("b", n))
		if _, _, err := m.Begin(context.Background(), start, id, "c", "1", round(checks.Routine)); err != nil {
			failed = id
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%v, want %v", err, syscall.ENOSPC)
			}
		}
	}
	makeRoom()
	for name, reader := range map[string]*Memory{"the same": m, "another": open(t, filepath.Join(dir, "memory"))} {
		if f, fenced := reader.Fence(failed); fenced {
			t.Errorf("%s process: a login that was never tried is remembered: %+v", name, f)
		}
		if f, _ := reader.Fence("a"); f.Tries != 1 || f.At.IsZero() {
			t.Errorf("%s process: the refusal before was lost: %+v", name, f)
		}
	}
	if got := login(t, m, start, failed, "1", checks.Routine, Accepted); got != Allowed {
		t.Errorf("with room again: %d, want allowed", got)
	}
}
