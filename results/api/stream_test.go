package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// event is one of the stream.
type event struct {
	name, id string
	data     []byte
}

// ear listens to the stream as a browser would.
type ear struct {
	t      testing.TB
	events chan event
	stop   func()
}

func (f *fleet) listen(query string, header ...string) *ear {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+f.address+base+"/stream"+query, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(r)
	if err != nil || resp.StatusCode != 200 {
		f.t.Fatalf("%v %v", resp, err)
	}
	e := &ear{t: f.t, events: make(chan event, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		readEvents(resp, func(ev event) { e.events <- ev })
		close(e.events)
	}()
	e.stop = func() {
		cancel()
		<-ended
		_ = resp.Body.Close()
		client.CloseIdleConnections()
	}
	f.t.Cleanup(e.stop)
	return e
}

// readEvents reads until the stream ends.
func readEvents(resp *http.Response, each func(event)) {
	var ev event
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			ev.name = value
		case "id":
			ev.id = value
		case "data":
			ev.data = []byte(value)
		case "":
			if ev.name != "" {
				each(ev)
			}
			ev = event{}
		}
	}
}

// parseEvent reads a frame of one event.
func parseEvent(t testing.TB, f frame) (ev event) {
	t.Helper()
	readEvents(&http.Response{Body: io.NopCloser(bytes.NewReader(f))}, func(one event) { ev = one })
	return ev
}

func rowsOf(t testing.TB, data []byte) []Row {
	t.Helper()
	var d delta
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d.Rows
}

// aside are events that most tests do not wait for.
var aside = []string{"hb", "incident", "over"}

// next is the next event that is not aside.
func (e *ear) next() event {
	e.t.Helper()
	for {
		if ev := e.any(); !slices.Contains(aside, ev.name) {
			return ev
		}
	}
}

// until is the next event of a name.
func (e *ear) until(name string) event {
	e.t.Helper()
	for {
		if ev := e.any(); ev.name == name {
			return ev
		}
	}
}

// any is the next event of all.
func (e *ear) any() event {
	e.t.Helper()
	select {
	case ev, open := <-e.events:
		if !open {
			e.t.Fatal("the stream ended")
		}
		return ev
	case <-time.After(10 * time.Second):
		e.t.Fatal("no event for 10 s")
	}
	panic("unreachable")
}

// delta is what an event of this name says.
type delta struct {
	From, To uint64
	At       time.Time
	Rows     []Row
}

func (e *ear) delta() (d delta, id string) {
	e.t.Helper()
	ev := e.next()
	if ev.name != "delta" {
		e.t.Fatalf("%s %s, want a delta", ev.name, ev.data)
	}
	if err := json.Unmarshal(ev.data, &d); err != nil {
		e.t.Fatal(err)
	}
	return d, ev.id
}

func (e *ear) want(name string) event {
	e.t.Helper()
	ev := e.next()
	if ev.name != name {
		e.t.Fatalf("%s %s, want %s", ev.name, ev.data, name)
	}
	return ev
}

// snapshotOf is what a client fetches.
type snapshotOf struct {
	Epoch   string
	Version uint64
	Since   string
	Rows    []Row
	Count   int
}

func TestAClientSeesASnapshotAndEachChangeAfterIt(t *testing.T) {
	f := newFleet(t)
	f.good(0, 5, nil)
	snapshot := get[snapshotOf](f, "/snapshot")
	if snapshot.Count != 5 || len(snapshot.Rows) != 5 || snapshot.Rows[0].Health != checks.Available {
		t.Fatalf("%+v", snapshot)
	}
	e := f.listen("?since=" + snapshot.Since)
	e.want("hello")
	f.bad(3)
	var d delta
	for id := ""; len(d.Rows) == 0; _ = id { // the hub may have been behind the snapshot
		d, id = e.delta()
	}
	if len(d.Rows) != 1 || d.Rows[0].BMC != "bmc-00003" || d.Rows[0].Health != checks.Unavailable || d.From > d.To || d.From < snapshot.Version {
		t.Errorf("%+v after version %d", d, snapshot.Version)
	}
	f.good(3, 4, nil)
	if soft, _ := e.delta(); soft.From != d.To || soft.Rows[0].Soft == "" {
		t.Errorf("%+v: want the recovery that is not believed yet", soft)
	}
}

func TestARoundThatChangesNothingThatShowsIsNotTold(t *testing.T) {
	f := newFleet(t)
	f.good(0, 2, nil)
	e := f.listen("")
	e.want("hello")
	f.good(0, 1, nil)
	f.bad(1)
	if d, _ := e.delta(); len(d.Rows) != 1 || d.Rows[0].BMC != "bmc-00001" {
		t.Errorf("%+v", d)
	}
}

func TestAClientThatComesBackGoesOnWhereItWas(t *testing.T) {
	f := newFleet(t)
	f.good(0, 10, nil)
	e := f.listen("")
	e.want("hello")
	f.bad(1)
	_, id := e.delta()
	e.stop()
	f.bad(2)
	f.bad(3)
	again := f.listen("", "Last-Event-ID", id)
	again.want("hello")
	until(t, "both changes come", func() bool {
		d, _ := again.delta()
		return len(d.Rows) == 2 || d.Rows[len(d.Rows)-1].BMC == "bmc-00003"
	})
	f.stop()
	f.start()
	f.bad(4)
	after := f.listen("?since=" + url.QueryEscape(id))
	after.want("hello")
	got := map[inventory.ID]bool{}
	until(t, "what changed before and after the restart", func() bool {
		d, _ := after.delta()
		for _, row := range d.Rows {
			got[row.BMC] = row.Health == checks.Unavailable
		}
		return got["bmc-00002"] && got["bmc-00003"] && got["bmc-00004"]
	})
}

func TestAPositionThatIsNotKnownMeansASnapshot(t *testing.T) {
	f := newFleet(t)
	f.good(0, 1, nil)
	epoch, _ := f.follower.Live().Version()
	for _, since := range []string{"other-1", "nonsense", epoch + "-999999", epoch + "-x"} {
		e := f.listen("?since=" + since)
		e.want("hello")
		e.want("resync")
		e.stop()
	}
}

func TestAFilteredClientIsToldOfWhatComesAndGoes(t *testing.T) {
	f := newFleet(t)
	f.good(0, 3, nil)
	e := f.listen("?where=" + url.QueryEscape("health=unavailable"))
	if hello := e.want("hello"); !strings.Contains(string(hello.data), `"count":0`) {
		t.Errorf("%s", hello.data)
	}
	f.bad(1)
	if d, _ := e.delta(); len(d.Rows) != 1 || d.Rows[0].Gone {
		t.Errorf("%+v", d)
	}
	f.good(1, 2, nil)
	e.delta()
	f.good(1, 2, nil)
	if d, _ := e.delta(); len(d.Rows) != 1 || !d.Rows[0].Gone || d.Rows[0].BMC != "bmc-00001" {
		t.Errorf("%+v: want it gone", d)
	}
}

func TestAnAcknowledgementIsToldAtOnce(t *testing.T) {
	f := newFleet(t)
	f.good(0, 1, nil)
	f.bad(0)
	e := f.listen("")
	e.want("hello")
	if status, answer, _ := f.call("PUT", base+"/bmcs/bmc-00000/ack", `{"note":"cable ordered","who":"ada"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	if ev := e.until("ack"); !strings.Contains(string(ev.data), `"who":"ada"`) {
		t.Errorf("%s", ev.data)
	}
	if hello := f.listen("").want("hello"); !strings.Contains(string(hello.data), "cable ordered") {
		t.Errorf("a client that comes later is not told: %s", hello.data)
	}
	if status, _, _ := f.call("DELETE", base+"/bmcs/bmc-00000/ack", ""); status != 204 {
		t.Fatal(status)
	}
	if ev := e.until("ack"); !strings.Contains(string(ev.data), `"ack":null`) {
		t.Errorf("%s", ev.data)
	}
}

func TestTheStreamSaysThatItLives(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 5 s")
	}
	t.Parallel()
	f := newFleet(t)
	f.good(0, 1, nil)
	e := f.listen("")
	beats := 0
	late := time.After(7 * time.Second)
	for beats < 2 { // one at the start
		select {
		case ev := <-e.events:
			if ev.name == "hb" && strings.Contains(string(ev.data), `"ams1"`) && ev.id != "" {
				beats++
			}
		case <-late:
			t.Fatalf("%d heartbeats in 7 s", beats)
		}
	}
}

// A client that does not read has frames of its own nowhere: it is told to fetch a snapshot once it reads again.
func TestASlowClientIsToldToBeginAnewAndCostsNoMemory(t *testing.T) {
	h := newHub(nil)
	v, err := h.join(zeroFilter, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client, _ := h.enter(v, "", time.Now())
	pad := strings.Repeat("x", 100_000)
	for i := range 10_000 {
		h.mu.Lock()
		v.push("delta", uint64(i), []byte(pad), "e")
		h.mu.Unlock()
	}
	if v.bytes > mostFrameBytes || len(v.frames) > mostFrames {
		t.Errorf("%d bytes in %d frames are kept", v.bytes, len(v.frames))
	}
	frames, _ := client.next()
	if len(frames) != 1 || !strings.Contains(string(frames[0]), "event: resync") {
		t.Errorf("%d frames, want a resync", len(frames))
	}
	if frames, _ = client.next(); len(frames) != 0 {
		t.Errorf("%d frames after the resync", len(frames))
	}
}

func TestClientsThatDoNotReadCostBoundedMemoryAndAreHungUpOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than 10 s")
	}
	t.Parallel()
	const clients = 100
	f := newFleet(t)
	f.good(0, 10, nil)
	for range clients {
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.(*net.TCPConn).SetReadBuffer(4096)
		fmt.Fprintf(conn, "GET %s/stream HTTP/1.1\r\nHost: localhost\r\n\r\n", base)
	}
	until(t, "all listen", func() bool { return f.server.listeners.Load() == clients })
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	pad, most := bytes.Repeat([]byte("x"), 256<<10), uint64(0)
	late := time.After(60 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for f.server.listeners.Load() > 0 {
		f.server.hub.mu.Lock()
		for _, v := range f.server.hub.views {
			v.push("delta", 0, pad)
		}
		f.server.hub.mu.Unlock()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapInuse)
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d are still fed after a minute", f.server.listeners.Load())
		}
	}
	t.Logf("%d clients that do not read: heap in use %d MiB before, %d MiB at most", clients, before.HeapInuse>>20, most>>20)
	if most > before.HeapInuse+64<<20 {
		t.Errorf("they cost %d MiB", (most-before.HeapInuse)>>20)
	}
}
