package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// crowd is many clients of the stream.
type crowd struct {
	t       testing.TB
	f       *fleet
	address string // the fleet's, before and after its restart
	clients []*watcher
	stop    context.CancelFunc
	group   errgroup.Group

	mu      sync.Mutex // guards the following
	emitted map[inventory.ID]time.Time
	carried map[uint64][]time.Time // when the changes of a version were emitted
}

// watcher is one of them. Only its goroutine writes; tests read what is behind the lock.
type watcher struct {
	crowd *crowd

	mu       sync.Mutex
	position string
	version  uint64
	connects int
	arrived  map[uint64]time.Time
	gaps     []string
	rows     map[inventory.ID]checks.Health // of the few that read everything
}

func (c *crowd) join(n, whole int) {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop, c.address = cancel, c.f.address
	for i := range n {
		w := &watcher{crowd: c, arrived: map[uint64]time.Time{}}
		if i < whole {
			w.rows = map[inventory.ID]checks.Health{}
		}
		c.clients = append(c.clients, w)
		c.group.Go(func() error { w.run(ctx); return nil })
	}
}

// run comes back whenever the stream ends, as a browser does.
func (w *watcher) run(ctx context.Context) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for wait := time.Duration(0); ; wait = time.Duration(500+rand.IntN(4500)) * time.Millisecond {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+w.crowd.address+base+"/stream", nil)
		if err != nil {
			return
		}
		if w.position != "" {
			r.Header.Set("Last-Event-ID", w.position)
		}
		resp, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			continue
		}
		if resp.StatusCode == 200 {
			readEvents(resp, w.take)
		}
		_ = resp.Body.Close()
	}
}

func (w *watcher) take(ev event) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if ev.name == "hello" {
		w.connects++
	}
	if ev.name == "resync" {
		w.gaps = append(w.gaps, "resync at "+w.position)
	}
	if ev.name == "delta" {
		var from, to uint64
		if _, err := fmt.Sscanf(string(ev.data), `{"from":%d,"to":%d,`, &from, &to); err != nil || from > w.version {
			w.gaps = append(w.gaps, fmt.Sprintf("%d to %d after %d: %v", from, to, w.version, err))
		}
		if w.arrived[to].IsZero() {
			w.arrived[to] = now
		}
		if w.rows != nil {
			w.read(ev.data, now)
		}
	}
	if ev.id != "" {
		w.position = ev.id
		w.version, _ = strconv.ParseUint(ev.id[strings.LastIndexByte(ev.id, '-')+1:], 10, 64)
	}
}

// read reads the rows; the first client that does knows then when they were emitted.
func (w *watcher) read(data []byte, now time.Time) {
	var d delta
	if err := json.Unmarshal(data, &d); err != nil {
		w.gaps = append(w.gaps, err.Error())
	}
	w.crowd.mu.Lock()
	defer w.crowd.mu.Unlock()
	first := w.crowd.carried[d.To] == nil
	for _, row := range d.Rows {
		w.rows[row.BMC] = row.Health
		if at, ok := w.crowd.emitted[row.BMC]; ok && first {
			w.crowd.carried[d.To] = append(w.crowd.carried[d.To], at)
			delete(w.crowd.emitted, row.BMC) // told again is other news: that it came into an incident
		}
	}
}

// change emits so many changes a second.
func (c *crowd) change(rate int, during time.Duration, bmcs int) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var group errgroup.Group
	for i := range int(during.Seconds() * float64(rate)) {
		<-tick.C
		reason := checks.Reason("")
		if i/bmcs%3 == 0 {
			reason = checks.AuthRejected
		}
		v := c.f.round(i%bmcs, reason, nil)
		c.mu.Lock()
		c.emitted[v.BMC] = time.Now()
		c.mu.Unlock()
		group.Go(func() error { return c.f.follower.Emit(c.t.Context(), v) })
	}
	if err := group.Wait(); err != nil {
		c.t.Fatal(err)
	}
}

// all waits until every client meets a condition.
func (c *crowd) all(what string, within time.Duration, met func(*watcher) bool) {
	c.t.Helper()
	late := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := 0
		for _, w := range c.clients {
			w.mu.Lock()
			if !met(w) {
				missing++
			}
			w.mu.Unlock()
		}
		if missing == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			c.t.Fatalf("after %v %d of %d clients: not %s", within, missing, len(c.clients), what)
		}
	}
}

// p99 is over all clients and all changes.
func (c *crowd) p99() (p50, p99 time.Duration, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var took []time.Duration
	for _, w := range c.clients {
		w.mu.Lock()
		for version, at := range w.arrived {
			for _, emitted := range c.carried[version] {
				took = append(took, at.Sub(emitted))
			}
		}
		w.mu.Unlock()
	}
	if len(took) == 0 {
		return math.MaxInt64, math.MaxInt64, 0
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], len(took)
}

func TestManyClientsSeeEachChangeSoonAndComeBackWithoutAGap(t *testing.T) {
	// In CI the limit only finds what hangs: what it takes is measured by make long (docs/performance.md).
	clients, during, most := 100, 2*time.Second, 10*time.Second
	if os.Getenv("LAMPLIGHTER_LONG") != "" {
		clients, during, most = 1000, 20*time.Second, 250*time.Millisecond
	} else if testing.Short() {
		t.Skip("takes some seconds")
	}
	if race {
		most = 10 * time.Second
	}
	const bmcs = 2000
	f := newFleet(t)
	f.good(0, bmcs, nil)
	c := &crowd{t: t, f: f, emitted: map[inventory.ID]time.Time{}, carried: map[uint64][]time.Time{}}
	c.join(clients, 3)
	defer func() { c.stop(); _ = c.group.Wait() }()
	c.all("connected", 20*time.Second, func(w *watcher) bool { return w.connects == 1 && w.position != "" })

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.change(200, during, bmcs)
	c.upToDate()
	runtime.ReadMemStats(&after)
	p50, p99, n := c.p99()
	t.Logf("%d clients, 200 changes/s for %v: verdict to client p50 %v, p99 %v over %d arrivals; heap in use %d MiB", clients, during,
		p50.Round(time.Millisecond), p99.Round(time.Millisecond), n, after.HeapInuse>>20)
	if p99 > most || n < clients*int(during.Seconds())*150 {
		t.Errorf("p99 %v, want at most %v; %d arrivals", p99, most, n)
	}

	f.stop()
	began := time.Now()
	f.start()
	c.change(200, 500*time.Millisecond, 100) // what those miss who are not back yet
	c.all("back", 15*time.Second, func(w *watcher) bool { return w.connects >= 2 })
	t.Logf("all %d clients are back %v after the end of the server before", clients, time.Since(began).Round(10*time.Millisecond))
	c.upToDate()
	c.same()
}

// upToDate waits until each client has seen the newest version.
func (c *crowd) upToDate() {
	c.t.Helper()
	c.all("up to date", 30*time.Second, func(w *watcher) bool {
		_, version := c.f.follower.Live().Version()
		return w.version == version
	})
}

// same wants that no client missed anything, and that those who read everything have what the server has.
func (c *crowd) same() {
	c.t.Helper()
	for i, w := range c.clients {
		w.mu.Lock()
		if len(w.gaps) > 0 {
			c.t.Errorf("client %d: %s", i, cmp.Or(w.gaps...))
		}
		for id, health := range w.rows {
			if now := c.f.follower.Live().Get(id).State.Health; now != health {
				c.t.Errorf("client %d believes that %s is %v, it is %v", i, id, health, now)
			}
		}
		w.mu.Unlock()
	}
}
