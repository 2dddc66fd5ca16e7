package checks

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestTwoHundredHostileAnswersAtOnceFitInMemory(t *testing.T) {
	const at, most = 200, 64 << 20
	all := hostileAnswers()
	var mixed []*scripted
	for _, hostile := range all {
		mixed = append(mixed, newBMC(t, answers{getRoot: hostile}))
	}
	for name, peers := range map[string][]*scripted{
		"all kinds at once":  mixed,
		"bodies without end": {newBMC(t, answers{getRoot: all["a body without end"]})},
		"wide lists":         {newBMC(t, answers{getSystems: all["a wide list"]})},
		"gzip bombs":         {newBMC(t, answers{getRoot: all["a gzip bomb"]})},
	} {
		t.Run(name, func(t *testing.T) {
			all := func() {
				var wg sync.WaitGroup
				for i := range at {
					wg.Go(func() { goRound(t.Context(), t, visitTo(t, peers[i%len(peers)].URL, Known{}), 2*time.Second) })
				}
				wg.Wait()
			}
			peak := peakMemory(t, all)
			if peak > most { // garbage counts, too, and on a busy machine the collector is late now and then, but not always
				peak = min(peak, peakMemory(t, all))
			}
			t.Logf("grew by %.1f MiB", float64(peak)/(1<<20))
			if peak > most {
				t.Errorf("grew by %d bytes", peak)
			}
		})
	}
}

// peakMemory is by how much heap and stacks in use grew at most while f ran; the servers' share is in it.
func peakMemory(t testing.TB, f func()) int64 {
	t.Helper()
	runtime.GC()
	inUse := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before, peak := inUse(), int64(0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, inUse()-before)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	f()
	cancel()
	<-done
	return peak
}
