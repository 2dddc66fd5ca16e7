package run_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/run"
)

func atOnce(context.Context, *checks.Visit) (checks.Finding, error) {
	return checks.Finding{Facts: checks.Facts{"fact": "value", "another": "one"}}, nil
}

// instant is a chain as long as Redfish's whose checks send nothing.
func instant() checks.Chain {
	all := chain()
	for i := range all {
		all[i].Run = atOnce
	}
	return all
}

func nowhere() results.Sink {
	return results.Func(func(context.Context, results.Verdict) error { return nil })
}

func remember(b *testing.B) *memory.Memory {
	m, err := memory.Open("")
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// sweeps reports CPU time, garbage and allocations of one BMC's round in a sweep.
func sweeps(b *testing.B, bmcs []inventory.BMC, config run.Config) {
	b.Helper()
	var from, to runtime.MemStats
	runtime.ReadMemStats(&from)
	before := peers.UsedCPU(b)
	for b.Loop() {
		config.Memory = remember(b)
		if err := run.New(config).Sweep(b.Context(), bmcs); err != nil {
			b.Fatal(err)
		}
	}
	n := b.N * len(bmcs)
	before.Report(b, n)
	runtime.ReadMemStats(&to)
	b.ReportMetric(float64(to.Mallocs-from.Mallocs)/float64(n), "allocs/BMC")
	b.ReportMetric(float64(to.TotalAlloc-from.TotalAlloc)/float64(n), "B/BMC")
}

// BenchmarkChain is a round of one BMC through the actors on the bus in memory; cpu-us/op is for one BMC. "no network" is what
// the chain itself costs; the others include the simulated BMC, which is in the same process.
func BenchmarkChain(b *testing.B) {
	const n = 1000
	b.Run("no network", func(b *testing.B) {
		sweeps(b, fleet(n, func(int) bool { return false }), run.Config{
			Name: "sat", Chain: instant(), Keyring: keyring{}, Sink: nowhere(), Visits: 128,
			Visit: func(bmc inventory.BMC, known checks.Known) *checks.Visit {
				return &checks.Visit{BMC: bmc, Known: known}
			},
		})
	})
	for name, ipmi := range map[string]float64{"redfish": 0, "ipmi": 1} {
		b.Run(name, func(b *testing.B) {
			simulated, wires := serve(b, bmcsim.One(n, ipmi))
			sweeps(b, simulated.BMCs(), run.Config{
				Name: "sat", Chain: checks.Default(), Keyring: simulated, Sink: nowhere(), Visits: 128, Visit: wires.Visit,
			})
		})
	}
}

// serve simulates BMCs and opens the sockets to ask them, until the benchmark ends.
func serve(b *testing.B, plan bmcsim.Plan) (*bmcsim.Fleet, *checks.Wires) {
	b.Helper()
	f, err := bmcsim.NewFleet(plan)
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Listen(0, 0); err != nil {
		b.Fatal(err)
	}
	settings := checks.DefaultSettings()
	settings.Trust.Mode = inventory.TrustInsecure
	wires, err := checks.OpenWires(settings)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- f.Run(ctx) }()
	go func() { ended <- wires.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				b.Error(err)
			}
		}
	})
	return f, wires
}

// BenchmarkIdle is the memory that a BMC takes between its rounds: before the first, and after one.
func BenchmarkIdle(b *testing.B) {
	const n = 20_000
	for b.Loop() {
		start := heap()
		bmcs := fleet(n, func(int) bool { return false })
		ctx, cancel := context.WithCancel(b.Context())
		var ended atomic.Int64
		s := run.New(run.Config{
			Name: "sat", Chain: instant(), Keyring: keyring{}, Memory: remember(b), Interval: 5 * time.Second,
			Visit: func(bmc inventory.BMC, known checks.Known) *checks.Visit {
				return &checks.Visit{BMC: bmc, Known: known}
			},
			Sink: results.Func(func(context.Context, results.Verdict) error {
				if ended.Add(1) == n {
					cancel()
				}
				return nil
			}),
		})
		s.Set(bmcs)
		b.ReportMetric((heap()-start)/n, "B/BMC-new")
		if err := s.Run(ctx); err != nil {
			b.Fatal(err)
		}
		cancel()
		b.ReportMetric((heap()-start)/n, "B/BMC")
		runtime.KeepAlive(s)
	}
}

func heap() float64 {
	runtime.GC()
	runtime.GC() // what the first made free
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
