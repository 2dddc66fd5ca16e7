package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/inventory"
)

// The outage that the spool is for, in fake time: 20 minutes at 350 verdicts a second, as large as real ones.
const (
	awayFor      = 20 * time.Minute
	perSecond    = 350
	awayBMCs     = 5 * 60 * perSecond // each every 5 minutes
	valueLength  = 1200
	mayGrow      = 64 << 20
	perTick      = perSecond / 10
	awayTick     = 100 * time.Millisecond
	awayVerdicts = int(awayFor/awayTick) * perTick
	drainAtOnce  = 1024
)

func TestKafkaAwayFor20Minutes(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		// Batches are longer than the default: 12,000 fsyncs would take a busy machine's disk a while.
		c := Config{Dir: dir, Limits: Limits{Bytes: 2 << 30, Age: 24 * time.Hour}, Batch: 500 * time.Millisecond}
		s, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		before := resident(t)
		emitFor(t, s)
		if stats := s.Stats(); stats.Records != awayVerdicts || stats.Coalesced != 0 {
			t.Errorf("%d were emitted: %+v", awayVerdicts, stats)
		}
		t.Logf("%+v; %d MiB more resident", s.Stats(), (resident(t)-before)>>20)
		next, all := map[inventory.ID]int{}, 0
		for {
			records, err := s.Head(drainAtOnce)
			if err != nil {
				t.Fatal(err)
			}
			if len(records) == 0 {
				break
			}
			for _, r := range records {
				if r.ID != fmt.Sprint(next[r.BMC]) {
					t.Fatalf("%s: got %s, want %d", r.BMC, r.ID, next[r.BMC])
				}
				next[r.BMC]++
			}
			if all += len(records); all%(100*drainAtOnce) == 0 {
				t.Logf("%d drained, %d MiB more resident", all, (resident(t)-before)>>20)
			}
			if err := s.Done(len(records)); err != nil {
				t.Fatal(err)
			}
		}
		if all != awayVerdicts || s.Stats() != (Stats{}) {
			t.Errorf("%d of %d came back; left: %+v", all, awayVerdicts, s.Stats())
		}
		if grown := resident(t) - before; grown > mayGrow && !race {
			t.Errorf("memory grew by %d MiB, want at most %d", grown>>20, mayGrow>>20)
		}
		shut(t, s)
	})
}

// emitFor emits as a satellite does: every actor waits until its verdict is kept.
func emitFor(t *testing.T, s *Spool) {
	t.Helper()
	value := make([]byte, valueLength)
	var group sync.WaitGroup
	tick := time.NewTicker(awayTick)
	defer tick.Stop()
	for n := 0; n < awayVerdicts; n += perTick {
		<-tick.C
		for i := n; i < n+perTick; i++ {
			group.Go(func() {
				r := Record{BMC: inventory.ID(fmt.Sprint("ams1-", i%awayBMCs)), ID: fmt.Sprint(i / awayBMCs), At: time.Now(), State: "available  ", Rounds: 1, Value: value}
				if err := s.Append(r); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
}

// resident is how much memory the process has after the garbage is gone, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile(filepath.Join("/proc", "self", "statm"))
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(status), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
