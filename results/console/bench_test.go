package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/results/follow"
	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
	"lamplighter/results/store/storetest"
)

// large is a fleet of many BMCs, 40 a rack, of which 5 % fail, and its server.
type large struct {
	b        *testing.B
	bmcs     []inventory.BMC
	begin    time.Time
	follower *follow.Follower
	url      string

	mu     sync.Mutex
	rounds map[int]int // of the BMCs that changed: how many rounds they had
}

// largeFleet makes the records of n BMCs.
func largeFleet(n int) (all []inventory.BMC) {
	const sites, perRack, perRow = 12, 40, 10
	for i := range n {
		site := i * sites / n
		rack := (i - site*n/sites) / perRack
		all = append(all, inventory.BMC{
			ID: inventory.ID(fmt.Sprintf("s%02d-r%04d-u%02d-%06d", site, rack, i%perRack, i)), Site: fmt.Sprintf("s%02d", site), Room: "hall-" + strconv.Itoa(1+rack/perRow/26),
			Row: string(rune('A' + rack/perRow%26)), Rack: fmt.Sprintf("%c%02d", 'A'+rack/perRow%26, rack%perRow), Unit: float64(1 + i%perRack), Height: 1,
			Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Vendor: "Dell", Protocol: inventory.Redfish,
		})
	}
	return all
}

// verdict is a round of a BMC.
func (l *large) verdict(i, round int, bad bool) results.Verdict {
	reason := checks.Reason("")
	if bad {
		reason = checks.AuthRejected
	}
	b := l.bmcs[i]
	v := storetest.VerdictOf(string(b.ID), round, l.begin.Add(time.Duration(round)*time.Second), reason)
	v.Site, v.Room, v.Row, v.Rack, v.Unit, v.Address = b.Site, b.Room, b.Row, b.Rack, b.Unit, b.Address.String()
	return v
}

func startLarge(b *testing.B, n int) *large {
	b.Helper()
	l := &large{b: b, bmcs: largeFleet(n), begin: time.Now().Add(-time.Minute).UTC().Truncate(time.Second), rounds: map[int]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	kept, err := sqlite.Open(ctx, filepath.Join(b.TempDir(), "store"))
	if err != nil {
		b.Fatal(err)
	}
	for first := 0; first < n; first += 5000 {
		var batch store.Batch
		for i := first; i < min(n, first+5000); i++ {
			state, _ := results.Apply(results.State{}, l.verdict(i, 0, i%20 == 7), 1, false)
			batch.States = append(batch.States, state)
		}
		if _, err := kept.Put(ctx, batch); err != nil {
			b.Fatal(err)
		}
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if l.follower, err = follow.Open(ctx, follow.Config{Name: "large", Store: kept, Interval: time.Hour, Log: log}); err != nil {
		b.Fatal(err)
	}
	server, err := api.NewServer(api.Config{Live: l.follower.Live(), Incidents: l.follower, Store: kept, Inventory: func() []inventory.BMC { return l.bmcs }, Interval: time.Hour, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Listen("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	group.Go(func() error { return l.follower.Run(ctx) })
	group.Go(func() error { return server.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		if err := errors.Join(group.Wait(), kept.Close()); err != nil {
			b.Error(err)
		}
	})
	_, port, _ := net.SplitHostPort(server.Address())
	l.url = "http://127.0.0.1:" + port
	l.settle(n / 20)
	return l
}

// settle waits until each BMC that fails is an incident: what comes while a page is opened is measured by itself.
func (l *large) settle(incidents int) {
	l.b.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(5 * time.Minute); len(l.follower.Incidents()) < incidents; {
		select {
		case <-tick.C:
		case <-late:
			l.b.Fatalf("%d of %d incidents within 5 minutes", len(l.follower.Incidents()), incidents)
		}
	}
}

// flip has a BMC fail, or be well again, and returns when that is kept.
func (l *large) flip(ctx context.Context, i int) error {
	l.mu.Lock()
	before := l.rounds[i]
	l.rounds[i] = before + 3 // so many in a row are believed
	l.mu.Unlock()
	bad := (before/3)%2 == 0
	for round := 1; round <= 3; round++ {
		if err := l.follower.Emit(ctx, l.verdict(i, before+round, bad)); err != nil {
			return err
		}
	}
	return nil
}

// ServeHTTP changes one BMC, or many for a while, when measure.js wants it; and has an empty page.
func (l *large) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/empty":
		fmt.Fprint(w, "<!doctype html><title>Empty</title>")
	case "/flip":
		if err := l.flip(r.Context(), 8); err != nil {
			l.b.Error(err)
		}
		fmt.Fprintf(w, "%.3f", float64(time.Now().UnixMicro())/1000)
	case "/load":
		seconds, _ := strconv.Atoi(r.URL.Query().Get("seconds"))
		const rate = 200
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		var group errgroup.Group
		for n := range seconds * rate {
			<-tick.C
			group.Go(func() error { return l.flip(r.Context(), (20*n+11)%len(l.bmcs)) })
		}
		if err := group.Wait(); err != nil {
			l.b.Error(err)
		}
	}
}

// BenchmarkConsole measures the fleet's page in Chromium: until it can be used, the bytes of the first load, from a kept change to pixels, and
// memory. docs/performance.md has the numbers that are wanted.
func BenchmarkConsole(b *testing.B) {
	chromium := peers.Need(b, peers.Chromium)
	node, env := peers.NodeModules(b, ".")
	for _, n := range []int{100_000, 500_000} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			l := startLarge(b, n)
			control := httptest.NewServer(l)
			defer control.Close()
			lighthouse(b, env, chromium, l.url) // before all changes: to it the page is there when its largest text is, which the row of an incident that comes later can be
			cmd := exec.CommandContext(b.Context(), node, "e2e/measure.js")
			cmd.Stderr = os.Stderr
			cmd.Env = append(env, "LAMPLIGHTER_CHROMIUM="+chromium, "LAMPLIGHTER_URL="+l.url, "LAMPLIGHTER_CONTROL="+control.URL, fmt.Sprintf("LAMPLIGHTER_BMCS=%d", n))
			out, err := cmd.Output()
			var failed *exec.ExitError
			if errors.As(err, &failed) {
				b.Fatalf("%v\n%s", err, failed.Stderr)
			}
			var m struct{ Ready, Slow, Empty, Bytes, Phone, PhoneBytes, P50, P99, Late, Hour float64 }
			if err := errors.Join(err, json.Unmarshal(out, &m)); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(m.Ready, "ready-ms")
			b.ReportMetric(m.Slow, "ready-6x-slower-ms")
			b.ReportMetric(m.Empty, "empty-6x-slower-ms") // how slow the browser and the machine were then
			b.ReportMetric(m.Bytes/1000, "first-load-kB")
			b.ReportMetric(m.Phone, "phone-ms")
			b.ReportMetric(m.PhoneBytes/1000, "phone-kB")
			b.ReportMetric(m.P50, "pixels-p50-ms")
			b.ReportMetric(m.P99, "pixels-p99-ms")
			b.ReportMetric(m.Late, "renderer-MB")
			b.ReportMetric(m.Hour, "after-an-hour-MB")
		})
	}
}

// lighthouse has Lighthouse judge the page; it is fetched for that, and is no part of what the tests need.
func lighthouse(b *testing.B, env []string, chromium, url string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "npm", "exec", "--yes", "--package=lighthouse@12.8.2", "--", "lighthouse", url, "--output=json", "--quiet",
		"--chrome-flags=--headless=new --no-sandbox --disable-gpu", "--preset=desktop", "--only-categories=accessibility,best-practices,performance")
	cmd.Env = append(env, "CHROME_PATH="+chromium)
	out, err := cmd.Output()
	var judged struct {
		Categories map[string]struct{ Score float64 }
	}
	if err := errors.Join(err, json.Unmarshal(out, &judged)); err != nil {
		b.Logf("NOT TESTED: Lighthouse 12: %v", err)
		return
	}
	for name, category := range judged.Categories {
		b.ReportMetric(100*category.Score, name)
	}
}
