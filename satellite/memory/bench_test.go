package memory

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
)

// BenchmarkLogin is Begin and End around one login, both on the disk when they return; writers that come at once share fsyncs.
func BenchmarkLogin(b *testing.B) {
	for _, at := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("%d at once", at), func(b *testing.B) {
			m, err := Open(filepath.Join(b.TempDir(), "memory"))
			if err != nil {
				b.Fatal(err)
			}
			var next, bad atomic.Int64
			b.SetParallelism(max(1, at/2)) // times GOMAXPROCS, 2 where the numbers in docs were taken
			before := peers.UsedCPU(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := inventory.ID(fmt.Sprint("bmc", next.Add(1)))
					a, permit, err := m.Begin(time.Now(), id, "default", "v1", checks.Round{BMC: id, Why: checks.Routine})
					if err != nil || permit.Decision != Allowed {
						bad.Add(1)
					} else if _, err := a.End(time.Now(), Accepted); err != nil {
						bad.Add(1)
					}
				}
			})
			before.Report(b, b.N)
			if bad.Load() > 0 {
				b.Errorf("%d logins failed", bad.Load())
			}
			if err := m.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}
