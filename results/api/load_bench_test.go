package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/results"
)

// warned is a round that finds a weak certificate, which is believed at once: a BMC that was available has another letter then.
func (f *fleet) warned(n int) results.Verdict {
	v := f.round(n, "", nil)
	v.Health, v.Reason = checks.Degraded, checks.TLSWeak
	return v
}

// BenchmarkManyClients has 2,000 BMCs a second change, kept in SQLite on the way, and 1,000 clients listen: of the map, as browsers do, or
// of rows. It says how long after the server made an event each client has it, and what all that costs, the clients included.
func BenchmarkManyClients(b *testing.B) {
	const clients, rate, seconds = 1000, 2000, 20
	for path, kind := range map[string]string{"map/stream": "cells", "stream": "delta"} {
		b.Run(path, func(b *testing.B) {
			f := newFleet(b, func(f *fleet) { f.holding = time.Hour }) // what incidents cost is measured elsewhere
			for n := 0; n < rate*seconds; n += 2000 {
				f.good(n, n+2000, nil)
			}
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			all := make([]counting, clients)
			var group errgroup.Group
			var there sync.WaitGroup
			there.Add(clients)
			for i := range all {
				group.Go(func() error { return all[i].listen(ctx, "http://"+f.address+base+"/"+path, kind, there.Done) })
			}
			there.Wait()
			before := used(b)
			began := time.Now()
			f.change(b, rate, seconds)
			time.Sleep(time.Second) // what is on the way
			took, cpu := time.Since(began), used(b)-before
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			stop()
			if err := group.Wait(); err != nil {
				b.Error(err)
			}
			report(b, all, took)
			b.ReportMetric(cpu.Seconds()/took.Seconds(), "cores")
			b.ReportMetric(float64(memory.HeapInuse>>20), "heap-MiB")
		})
	}
}

// change has so many BMCs a second change, each once.
func (f *fleet) change(b *testing.B, rate, seconds int) {
	b.Helper()
	var group errgroup.Group
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n, began := 0, time.Now(); n < rate*seconds; <-tick.C {
		for due := min(rate*seconds, int(time.Since(began).Seconds()*float64(rate))); n < due; n++ {
			v := f.warned(n)
			group.Go(func() error { return f.follower.Emit(b.Context(), v) })
		}
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// used is the CPU time that the process took so far.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, all []counting, took time.Duration) {
	b.Helper()
	var waits []time.Duration
	var size int64
	for i := range all {
		waits, size = append(waits, all[i].waits...), size+all[i].size
	}
	if len(waits) == 0 {
		b.Fatal("no client heard of any change")
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Milliseconds()), "p99-ms")
	b.ReportMetric(float64(waits[len(waits)-1].Milliseconds()), "most-ms")
	b.ReportMetric(float64(size)/1000/took.Seconds()/float64(len(all)), "kB/s-each")
}

// counting is a client that reads of an event when it was made, and counts the rest: 1,000 that understood all would take the machine
// from the server.
type counting struct {
	waits []time.Duration
	size  int64
}

func (c *counting) listen(ctx context.Context, url, kind string, there func()) error {
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		there()
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReaderSize(resp.Body, 32<<10)
	there()
	wanted := false
	var made time.Time
	for begins := true; ; {
		line, err := lines.ReadSlice('\n')
		c.size += int64(len(line))
		if begins && bytes.HasPrefix(line, []byte("event: ")) {
			wanted = string(bytes.TrimSpace(line[7:])) == kind
		}
		if begins && wanted && bytes.HasPrefix(line, []byte("data: ")) {
			_, after, _ := bytes.Cut(line[:min(len(line), 200)], []byte(`"at":"`))
			text, _, _ := bytes.Cut(after, []byte(`"`))
			at, wrong := time.Parse(time.RFC3339Nano, string(text))
			if wrong != nil {
				return wrong
			}
			made, wanted = at, false
		}
		switch begins = err == nil; {
		case err == nil && !made.IsZero():
			c.waits, made = append(c.waits, time.Since(made)), time.Time{}
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
