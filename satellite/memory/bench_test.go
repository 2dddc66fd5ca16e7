package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
					a, permit, err := m.Begin(context.Background(), time.Now(), id, "default", "v1", checks.Round{BMC: id, Why: checks.Routine})
					if err != nil || permit.Decision != Allowed {
						bad.Add(1)
					} else if _, err := a.End(context.Background(), time.Now(), Accepted); err != nil {
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

// BenchmarkSharedLogin is the same over a log that costs nothing: what we add to the broker's time.
func BenchmarkSharedLogin(b *testing.B) {
	for _, at := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("%d at once", at), func(b *testing.B) {
			l := newLog(1)
			m, err := OpenShared(Shared{Log: l, Name: "l", Satellite: "sat-a"})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			var group sync.WaitGroup
			group.Go(func() { _ = m.Run(ctx) })
			if err := m.Ready(ctx); err != nil {
				b.Fatal(err)
			}
			var next, bad atomic.Int64
			b.SetParallelism(max(1, at/2))
			before := peers.UsedCPU(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := inventory.ID(fmt.Sprintf("srv-%05d", next.Add(1)))
					a, _, err := m.Begin(context.Background(), time.Now(), id, "default", "v1", checks.Round{BMC: id, Due: time.Now(), Why: checks.Routine})
					if err == nil {
						_, err = a.End(context.Background(), time.Now(), Accepted)
					}
					if err != nil {
						bad.Add(1)
					}
				}
			})
			cancel()
			group.Wait()
			before.Report(b, b.N)
			bytes := 0
			for _, r := range l.records {
				bytes += len(r)
			}
			b.ReportMetric(float64(bytes)/float64(b.N), "B/login")
			b.ReportMetric(float64(len(l.records))/float64(b.N), "records/login")
			if bad.Load() > 0 {
				b.Errorf("%d logins failed", bad.Load())
			}
		})
	}
}

// BenchmarkCopy is one write of the copy of 10,000 BMCs.
func BenchmarkCopy(b *testing.B) {
	m, err := OpenShared(Shared{Path: filepath.Join(b.TempDir(), "copy"), Name: "l"})
	if err != nil {
		b.Fatal(err)
	}
	s := m.store.(*shared)
	for i := range 10_000 {
		id := inventory.ID(fmt.Sprintf("srv-%05d", i))
		s.base[id] = Fence{Credential: "default", Version: "v1", Seq: 100, Login: time.Now().UTC()}
		m.known[id] = checks.Known{Protocol: inventory.Redfish, TLSProfile: "strict", Pin: strings.Repeat("ab", 32), Systems: []string{"/redfish/v1/Systems/1"}}
	}
	before := peers.UsedCPU(b)
	for b.Loop() {
		s.dirty = true
		if err := s.save(); err != nil {
			b.Fatal(err)
		}
	}
	before.Report(b, b.N)
	if info, err := os.Stat(s.Path); err == nil {
		b.ReportMetric(float64(info.Size()), "B")
	}
}

// BenchmarkRead is one record of the log read: what a satellite without a copy does with each.
func BenchmarkRead(b *testing.B) {
	m, err := OpenShared(Shared{Name: "l"})
	if err != nil {
		b.Fatal(err)
	}
	s := m.store.(*shared)
	f := DefaultRule().intend(Fence{Login: time.Now().UTC()}, "srv-00000", "default", "v1", intent(), time.Now().UTC())
	var at int64
	for b.Loop() {
		f.Seq = uint64(at) + 1
		b.StopTimer()
		line, err := json.Marshal(record{Kind: "fence", BMC: "srv-00000", Fence: &f, ID: intent(), Written: time.Now().UTC(), By: "sat-a"})
		b.StartTimer()
		if err := errors.Join(err, s.see(at, line)); err != nil {
			b.Fatal(err)
		}
		at++
	}
}
