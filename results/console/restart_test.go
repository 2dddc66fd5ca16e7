package console_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results/kafka"
	"lamplighter/results/spool"
	"lamplighter/results/store/storetest"
)

// restarted is the role results as a process that is killed and started again, fed by Kafka, with clients of its stream.
type restarted struct {
	t       *testing.T
	binary  string
	config  string
	url     string
	process *exec.Cmd
	bmcs    []inventory.BMC
	sink    *kafka.Sink
	clients []*client
}

const (
	restartClients = 100
	restartBMCs    = 200
	// So many BMCs begin to fail just before the kill, while nobody serves, and after the start, and are in three ranges.
	restartFailing = 50
)

// freePort is one that nobody listens on just now: the process has to have the same after its restart.
func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func newRestarted(t *testing.T) *restarted {
	topics := []string{}
	for _, topic := range kafka.Topics(1) {
		topics = append(topics, topic.Name)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	dir := t.TempDir()
	r := &restarted{t: t, binary: filepath.Join(dir, "lamplighter"), config: filepath.Join(dir, "results.yaml"), bmcs: rackful("ams1", 1, restartBMCs)}
	if out, err := exec.Command("go", "build", "-o", r.binary, "../../satellite").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var list bytes.Buffer
	if err := inventory.WriteCSV(&list, r.bmcs); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	r.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	text := fmt.Sprintf("satellite: results\nsite: ams1\ninventory: %[1]s/bmcs.csv\nkafka: {brokers: [%[2]q], spool: %[1]s/spool}\nresults: {store: %[1]s/store, listen: \"127.0.0.1:%[3]d\"}\n", dir, cluster.ListenAddrs()[0], port)
	for name, text := range map[string]string{r.config: text, filepath.Join(dir, "bmcs.csv"): list.String()} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.sink, err = kafka.Open(kafka.Config{Brokers: cluster.ListenAddrs(), Site: "ams1", Satellite: "sat-a", Spool: spool.Config{Dir: filepath.Join(dir, "sat-a"), Limits: spool.Limits{Bytes: 64 << 20}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.sink.Run(ctx) })
	t.Cleanup(func() {
		r.kill()
		cancel()
		running.Wait()
		if err := r.sink.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// start starts the process and waits until it answers.
func (r *restarted) start() error {
	r.process = exec.Command(r.binary, "results", "--config", r.config)
	var said bytes.Buffer
	r.process.Stderr = &said
	if err := r.process.Start(); err != nil {
		return err
	}
	return r.until("it answers", func() bool {
		response, err := http.Get(r.url + "/api/v1/me")
		if err == nil {
			_ = response.Body.Close()
		}
		return err == nil
	})
}

// kill ends it as a power cut does.
func (r *restarted) kill() {
	if r.process != nil {
		_ = r.process.Process.Kill()
		_ = r.process.Wait() // it was killed
		r.process = nil
	}
}

func (r *restarted) until(what string, met func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(2 * time.Minute); ; {
		if met() {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("waited for two minutes in vain: %s", what)
		}
	}
}

// emit puts a verdict of each BMC from one to the one before another on Kafka.
func (r *restarted) emit(from, to, round int, reason checks.Reason) error {
	due := time.Now().UTC().Truncate(time.Second).Add(time.Duration(round-10) * time.Second)
	for _, b := range r.bmcs[from:to] {
		v := storetest.VerdictOf(string(b.ID), round, due, reason)
		v.Site, v.Satellite, v.Room, v.Row, v.Rack, v.Unit, v.Address = b.Site, "sat-a", b.Room, b.Row, b.Rack, b.Unit, b.Address.String()
		if err := r.sink.Emit(r.t.Context(), v); err != nil {
			return err
		}
	}
	return nil
}

// ask reads an answer; false while there is none.
func (r *restarted) ask(path string, into any) bool {
	response, err := http.Get(r.url + "/api/v1" + path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return err == nil && json.Unmarshal(text, into) == nil
}

// believes waits until so many BMCs fail of all.
func (r *restarted) believes(failing int) error {
	return r.until(fmt.Sprintf("%d of %d fail", failing, restartBMCs), func() bool {
		var sum struct{ Total, Unavailable, Available int }
		return r.ask("/summary", &sum) && sum.Unavailable == failing && sum.Available == restartBMCs-failing
	})
}

// settled waits until each client is where the server is.
func (r *restarted) settled() error {
	return r.until("each client has everything", func() bool {
		var snapshot struct{ Since string }
		if !r.ask("/snapshot", &snapshot) {
			return false
		}
		for _, c := range r.clients {
			if c.at() != snapshot.Since {
				return false
			}
		}
		return true
	})
}

// client is one of the stream's, as a browser is.
type client struct {
	url string

	mu       sync.Mutex // guards the following
	position string
	version  uint64
	streams  int
	wrong    []string
	health   map[string]string
	turned   map[string]int // how often a BMC turned from one health to another, as it was told
}

func (c *client) at() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.position
}

// run comes back whenever the stream ends.
func (c *client) run(ctx context.Context) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, "GET", c.url+"/api/v1/stream", nil)
		if err != nil {
			return
		}
		if at := c.at(); at != "" {
			request.Header.Set("Last-Event-ID", at)
		}
		if response, err := (&http.Client{Transport: transport}).Do(request); err == nil {
			c.read(response)
		}
		select {
		case <-time.After(time.Duration(100+rand.IntN(900)) * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (c *client) read(response *http.Response) {
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 16<<20)
	var event, data, id string
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "data":
			data = value
		case "id":
			id = value
		case "":
			c.take(event, data, id)
			event, data, id = "", "", ""
		}
	}
}

func (c *client) take(event, data, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch event {
	case "hello":
		c.streams++
	case "resync":
		c.wrong = append(c.wrong, "it was told to begin anew at "+c.position)
	case "delta":
		c.delta(data)
	}
	if id != "" {
		c.position = id
		c.version, _ = strconv.ParseUint(id[strings.LastIndexByte(id, '-')+1:], 10, 64)
	}
}

func (c *client) delta(data string) {
	var d struct {
		From, To uint64
		Rows     []struct{ BMC, Health string }
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil || d.From > c.version || d.To < c.version {
		c.wrong = append(c.wrong, fmt.Sprintf("%d to %d after %d: %v", d.From, d.To, c.version, err))
	}
	for _, row := range d.Rows {
		if c.health[row.BMC] != row.Health {
			c.health[row.BMC] = row.Health
			c.turned[row.BMC]++
		}
	}
}

// join has clients listen until the test ends.
func (r *restarted) join() error {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for range restartClients {
		c := &client{url: r.url, health: map[string]string{}, turned: map[string]int{}}
		for _, b := range r.bmcs {
			c.health[string(b.ID)] = "available"
		}
		r.clients = append(r.clients, c)
		group.Go(func() { c.run(ctx) })
	}
	r.t.Cleanup(func() { cancel(); group.Wait() })
	return r.settled()
}

// once wants that each client was told of each change once, and of nothing else.
func (r *restarted) once() {
	for i, c := range r.clients {
		c.mu.Lock()
		if len(c.wrong) > 0 || c.streams != 2 {
			r.t.Errorf("client %d was on %d streams: %.3q", i, c.streams, c.wrong)
		}
		for n, b := range r.bmcs {
			health, turned := "available", 0
			if n < 3*restartFailing {
				health, turned = "unavailable", 1
			}
			if id := string(b.ID); c.health[id] != health || c.turned[id] != turned {
				r.t.Errorf("client %d was told %d times that %s turned, at last to %s; want %d, %s", i, c.turned[id], id, c.health[id], turned, health)
				break
			}
		}
		c.mu.Unlock()
	}
}

// control has the browser's test say when to kill and when to start, so that it sees the page in between.
func (r *restarted) control() *httptest.Server {
	steps := map[string]func() error{
		"/kill": func() error {
			if err := r.emit(0, restartFailing, 2, checks.AuthRejected); err != nil {
				return err
			}
			r.kill() // wherever it is with these
			return r.emit(restartFailing, 2*restartFailing, 2, checks.AuthRejected)
		},
		"/start": func() error {
			if err := r.start(); err != nil {
				return err
			}
			if err := r.emit(2*restartFailing, 3*restartFailing, 2, checks.AuthRejected); err != nil {
				return err
			}
			if err := r.believes(3 * restartFailing); err != nil {
				return err
			}
			return r.settled()
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, asked *http.Request) {
		if err := steps[asked.URL.Path](); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	r.t.Cleanup(server.Close)
	return server
}

// TestARestartWithAHundredOpenClientsLeavesNoGap kills the process with a hundred streams open and a browser, and starts it again.
func TestARestartWithAHundredOpenClientsLeavesNoGap(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: a restart under a browser, with -short")
	}
	chromium := peers.Need(t, peers.Chromium)
	node, env := peers.NodeModules(t, ".")
	r := newRestarted(t)
	for _, step := range []func() error{
		r.start, func() error { return r.emit(0, restartBMCs, 1, "") }, func() error { return r.believes(0) }, r.join,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	env = append(env, "LAMPLIGHTER_CHROMIUM="+chromium, "LAMPLIGHTER_URL="+r.url, "LAMPLIGHTER_CONTROL="+r.control().URL)
	run(t, 10*time.Minute, env, node, "node_modules/@playwright/test/cli.js", "test", "--forbid-only", "restart")
	r.once()
}
