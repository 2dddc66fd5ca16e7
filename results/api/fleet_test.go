package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/follow"
	"lamplighter/results/incident"
	"lamplighter/results/pace"
	"lamplighter/results/store/sqlite"
)

// fleet is the role results with a real store in a directory of its own, fed by hand.
type fleet struct {
	t           testing.TB
	dir         string
	address     string // to listen on again after a restart
	recheck     Rechecker
	tokens      string
	proxy       Proxy
	wrap        func(Store) Store // what the API is given for a store
	between     func(Incidents) Incidents
	labels      func(inventory.ID) map[string]string
	secrets     []string // that no answer, log or file may hold
	log         *lines
	store       *sqlite.SQLite
	follower    *follow.Follower
	server      *Server
	stop        func()
	inventory   func() []inventory.BMC
	inventories Inventories
	rounds      *audit.Watch // which rounds are missing; nil: nobody knows

	mu  sync.Mutex // guards due
	due time.Time  // of the newest round

	holding time.Duration // how long incidents wait; zero: not long
}

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newFleet(t testing.TB, with ...func(*fleet)) *fleet {
	f := &fleet{t: t, dir: t.TempDir(), address: "127.0.0.1:0", log: &lines{}, due: time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)}
	for _, change := range with {
		change(f)
	}
	f.start()
	t.Cleanup(func() {
		f.stop()
		f.clean("the log", f.log.String())
		acts, _ := os.ReadFile(filepath.Join(f.dir, "acts.ndjson"))
		f.clean("the record", string(acts))
	})
	return f
}

func (f *fleet) start() {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	kept, err := sqlite.Open(ctx, filepath.Join(f.dir, "store"))
	if err != nil {
		f.t.Fatal(err)
	}
	rule := incident.Defaults(5 * time.Minute)
	rule.Hold = cmp.Or(f.holding, 100*time.Millisecond)
	going := pace.New(time.Now())
	follower, err := follow.Open(ctx, follow.Config{Name: "test", Store: kept, Interval: 5 * time.Minute, Wait: 50 * time.Millisecond, Incidents: rule,
		Seen: func(v *results.Verdict, _ int, facts []results.Fact, _ bool) { going.See(v, facts, time.Now()) }})
	if err != nil {
		f.t.Fatal(err)
	}
	asked := Store(kept)
	if f.wrap != nil {
		asked = f.wrap(asked)
	}
	incidents := Incidents(follower)
	if f.between != nil {
		incidents = f.between(incidents)
	}
	server, err := NewServer(Config{Live: follower.Live(), Incidents: incidents, Store: asked, Labels: f.labels, Inventory: f.inventory, Inventories: f.inventories, Recheck: f.recheck, Tokens: f.tokens, Proxy: f.proxy,
		Pace: going, Rounds: f.rounds, Interval: 5 * time.Minute,
		Record: filepath.Join(f.dir, "acts.ndjson"), Log: slog.New(slog.NewTextHandler(f.log, nil))})
	if err != nil {
		f.t.Fatal(err)
	}
	if err := errors.Join(server.Listen(f.address), server.ListenProxy()); err != nil {
		f.t.Fatal(err)
	}
	f.store, f.follower, f.server, f.address = kept, follower, server, server.Address()
	var group errgroup.Group
	group.Go(func() error { return follower.Run(ctx) })
	group.Go(func() error { return server.Run(ctx) })
	if f.rounds != nil {
		group.Go(func() error { return f.rounds.Run(ctx) })
	}
	f.stop = func() {
		cancel()
		if err := group.Wait(); err != nil {
			f.t.Error(err)
		}
		if err := kept.Close(); err != nil {
			f.t.Error(err)
		}
		f.stop = func() {}
	}
}

// clean wants that a text holds no secret, whole or without its prefix, nor its hash.
func (f *fleet) clean(what, text string) {
	f.t.Helper()
	for _, secret := range f.secrets {
		if strings.Contains(text, strings.TrimPrefix(secret, prefix)) || strings.Contains(text, hash(secret)) {
			f.t.Errorf("%s holds a token: %s", what, text)
		}
	}
}

// bmcNumber is the n-th BMC of the fleet: 40 a rack, 10 racks a row.
func bmcNumber(n int) inventory.BMC {
	return inventory.BMC{
		ID: inventory.ID(fmt.Sprintf("bmc-%05d", n)), Address: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}),
		Site: "ams1", Room: "r1", Row: string(rune('A' + n/400%26)), Rack: fmt.Sprintf("%c%02d", 'A'+n/400%26, n/40%10+1), Unit: float64(n%40 + 1),
		Vendor: "Dell", Model: "R650",
	}
}

// round is a verdict of the n-th BMC in a round of its own. An empty reason is a good round.
func (f *fleet) round(n int, reason checks.Reason, facts checks.Facts) results.Verdict {
	f.mu.Lock()
	f.due = f.due.Add(time.Millisecond)
	due := f.due
	f.mu.Unlock()
	bmc, at := bmcNumber(n), time.Now().UTC()
	task := checks.Task{Round: checks.Round{BMC: bmc.ID, Due: due, Why: checks.Routine}}
	if reason != "" {
		fault := checks.Blame(reason, fmt.Errorf("ping %s: no answer", bmc.Address))
		task.Check = checks.Ping
		if reason == checks.TLSCertChanged {
			task.Check = checks.TLS
		}
		task.Done = []checks.Result{checks.NewResult(task.Check, checks.Finding{}, fault, at, at)}
		return results.Judge(task, bmc, checks.Default(), "sat-a", at)
	}
	bmc.Protocol = inventory.Redfish
	for _, name := range []checks.Name{checks.Ping, checks.TLS, checks.RedfishLogin, checks.Power} {
		task.Check = name
		finding := checks.Finding{Facts: checks.Facts{"protocol": "redfish"}}
		if name == checks.Power {
			finding.Facts = facts
		}
		task.Done = append(task.Done, checks.NewResult(name, finding, nil, at, at))
	}
	return results.Judge(task, bmc, checks.Default(), "sat-a", at)
}

// emit has verdicts taken in, all at once, and told to who listens.
func (f *fleet) emit(all ...results.Verdict) {
	f.t.Helper()
	var group errgroup.Group
	group.SetLimit(1000)
	for _, v := range all {
		group.Go(func() error { return f.follower.Emit(f.t.Context(), v) })
	}
	if err := group.Wait(); err != nil {
		f.t.Fatal(err)
	}
	_, version := f.follower.Live().Version()
	until(f.t, "the hub knows it", func() bool {
		f.server.hub.mu.Lock()
		defer f.server.hub.mu.Unlock()
		return f.server.hub.version >= version
	})
}

// good makes BMCs available, with facts.
func (f *fleet) good(from, to int, facts checks.Facts) {
	f.t.Helper()
	var all []results.Verdict
	for n := from; n < to; n++ {
		all = append(all, f.round(n, "", facts))
	}
	f.emit(all...)
}

// bad makes a BMC unavailable: its credential is refused, which is believed at once.
func (f *fleet) bad(n int) {
	f.t.Helper()
	f.emit(f.round(n, checks.AuthRejected, nil))
}

// impostor makes a BMC show another key, which is believed at once and has another cause than what bad makes.
func (f *fleet) impostor(n int) {
	f.t.Helper()
	f.emit(f.round(n, checks.TLSCertChanged, nil))
}

// call sends a request and reads the answer.
func (f *fleet) call(method, path, body string, header ...string) (status int, answer []byte, got http.Header) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, "http://"+f.address+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	if path == base+"/session" {
		resp.Header.Del("Set-Cookie") // the one place that a token is handed to who showed it
	}
	f.clean("the answer to "+method+" "+path, fmt.Sprintf("%v\n%s", resp.Header, answer))
	if err := openapi(f.t).hold(method, path, resp.StatusCode, resp.Header.Get("Content-Type"), answer); err != nil {
		f.t.Errorf("docs/openapi.yaml: %v", err)
	}
	return resp.StatusCode, answer, resp.Header
}

// get wants a good answer, read into a T.
func get[T any](f *fleet, path string) (into T) {
	f.t.Helper()
	status, answer, _ := f.call("GET", base+path, "")
	if status != 200 {
		f.t.Fatalf("%s: %d %s", path, status, answer)
	}
	if err := json.Unmarshal(answer, &into); err != nil {
		f.t.Fatalf("%s: %v\n%s", path, err, answer)
	}
	return into
}

// until waits for a condition.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !met() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited 20 s in vain: %s", what)
		}
	}
}
