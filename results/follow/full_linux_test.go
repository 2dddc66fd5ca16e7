package follow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lamplighter/results/follow"
)

// smallDisk is a file system of 64 MiB, which holds what SQLite needs to work.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("NOT TESTED: a full disk: mounting a small one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskStopsItAndWithRoomItGoesOnAndHasLostNothing(t *testing.T) {
	dir := smallDisk(t)
	r := start(t, dir, follow.Config{Wait: time.Millisecond})
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, bytes.Repeat([]byte("x"), 80<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
	const rounds = 40
	from := time.Now().Add(-4 * time.Minute)
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var taken atomic.Int64
	for i := range 30 {
		group.Go(func() {
			for n := range rounds {
				if err := r.Emit(ctx, nth(from, step, fmt.Sprint("bmc-", i), n)); err != nil {
					t.Error(err)
				}
				taken.Add(1)
			}
		})
	}
	until(t, "it says that the disk is full", func() bool { return r.Stats().Full })
	before := taken.Load()
	pause(t, 300*time.Millisecond)
	if after := taken.Load(); after != before || after == 30*rounds {
		t.Errorf("while the disk was full it took %d verdicts", after-before)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	if r.Stats().Full {
		t.Error("it says that the disk is full")
	}
	r.stop()
	states := kept(t, dir)
	for i := range 30 {
		bmc := fmt.Sprint("bmc-", i)
		if want, _ := believed(from, step, bmc, rounds); !reflect.DeepEqual(states[bmc], want) {
			t.Errorf("%s: got %+v, want %+v", bmc, states[bmc], want)
		}
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not yet: %s", what)
		}
		pause(t, 5*time.Millisecond)
	}
}
