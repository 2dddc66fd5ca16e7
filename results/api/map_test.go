package api

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

func TestNamesAreOrderedAsPeopleCount(t *testing.T) {
	names := []string{"", "A", "A1", "A2", "A02b", "A10", "B01", "R1-2", "R1-10", "hall-1", "hall-2", "hall-10", "é"}
	for i, a := range names {
		for j, b := range names {
			if got := natural(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
	if natural("A2", "A02") == 0 {
		t.Error("two names count as one")
	}
}

// listening is a client of the map's stream.
type listening struct {
	t      *testing.T
	lines  *bufio.Scanner
	kind   string
	last   string
	ending func()
}

func (f *fleet) listenMap(t *testing.T, since string) *listening {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+f.address+base+"/map/stream?since="+since, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &listening{t: t, lines: bufio.NewScanner(resp.Body), ending: func() { _ = resp.Body.Close() }}
}

// until reads to the next event of a kind.
func (l *listening) until(kind string) (data string) {
	l.t.Helper()
	for l.lines.Scan() {
		if text, ok := strings.CutPrefix(l.lines.Text(), "event: "); ok {
			l.kind = text
		}
		if text, ok := strings.CutPrefix(l.lines.Text(), "data: "); ok && l.kind == kind {
			l.last = text
			return text
		}
	}
	l.t.Fatalf("the stream ended before %s: %v", kind, l.lines.Err())
	return ""
}

// cells reads changes until a BMC looks so.
func (l *listening) cells(number int, look string) (seq uint64) {
	l.t.Helper()
	for {
		var event cellsEvent
		if err := json.Unmarshal([]byte(l.until("cells")), &event); err != nil {
			l.t.Fatal(err)
		}
		if slices.ContainsFunc(event.Cells, func(c [2]any) bool { return fmt.Sprint(c[0]) == fmt.Sprint(number) && c[1] == look }) {
			return event.Seq
		}
	}
}

// mapped waits for a map of so many BMCs.
func (f *fleet) mapped(t *testing.T, bmcs int) Map {
	t.Helper()
	var m Map
	until(t, "the map has all BMCs", func() bool {
		m = get[Map](f, "/map")
		return len(allLetters(m)) == bmcs
	})
	return m
}

func allLetters(m Map) (all string) {
	for _, r := range m.Racks {
		all += r.Letters
	}
	return all
}

func TestTheMapIsWhatTheStreamAddsUpTo(t *testing.T) {
	f := newFleet(t)
	f.good(0, 45, nil)
	m := f.mapped(t, 45)
	if len(m.Racks) != 2 || m.Racks[0].Rack != "A01" || len(m.Racks[0].Letters) != 40 || m.Placed || allLetters(m) != strings.Repeat(".", 45) {
		t.Fatalf("%+v", m)
	}
	stream := f.listenMap(t, fmt.Sprintf("%s-%d", m.Map, m.Seq))
	f.bad(3) // unit 4 of 40: the 37th from the top
	seq := stream.cells(36, "P")
	if status, answer, _ := f.call("PUT", base+"/bmcs/bmc-00003/ack", `{"note":"on it","who":"ada"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	if ack := stream.until("ack"); !strings.Contains(ack, "ada") {
		t.Error(ack)
	}
	stream.cells(36, "Pa")
	after := f.mapped(t, 45)
	if after.Map != m.Map || after.Marks[36] != "a" || allLetters(after)[36] != 'P' {
		t.Errorf("%+v", after)
	}
	stream.ending()
	again := f.listenMap(t, fmt.Sprintf("%s-%d", m.Map, seq))
	again.cells(36, "Pa")
	for _, since := range []string{"", "other-1", m.Map + "-9999999", m.Map, "x"} {
		kind := map[bool]string{true: "hello", false: "resync"}[since == ""]
		if data := f.listenMap(t, since).until(kind); !strings.Contains(data, m.Map) {
			t.Errorf("since %q: %s", since, data)
		}
	}
	listener := f.listenMap(t, "")
	f.good(45, 46, nil)
	if data := listener.until("map"); strings.Contains(data, m.Map) {
		t.Errorf("a BMC more, and the numbers are said to be the same: %s", data)
	}
	f.mapped(t, 46)
}

func TestTheInventorySaysWhereBMCsStandAndWhichThereShouldBe(t *testing.T) {
	listed := []inventory.BMC{bmcNumber(0), bmcNumber(1), bmcNumber(2)}
	listed[0].Height, listed[0].Face, listed[0].Slot, listed[0].Chassis = 2, "front", "1", "c1"
	listed[0].Labels = map[string]string{inventory.RackHeightLabel: "48"}
	f := newFleet(t, func(f *fleet) { f.inventory = func() []inventory.BMC { return listed } })
	f.good(0, 1, nil)
	f.bad(7) // one that is not listed
	m := f.mapped(t, 4)
	if !m.Placed || allLetters(m) != "P--." {
		t.Errorf("%+v", m)
	}
	e := get[Elevation](f, "/elevation?site=ams1&room=r1&row=A&rack=A01")
	if e.Height != 48 || !e.Placed || len(e.Units) != 4 || e.Units[3].Height != 2 || e.Units[3].Chassis != "c1" || e.Units[3].Look != "." || e.Units[0].Look != "P" {
		t.Errorf("%+v", e)
	}
	if e.Units[1].Health != checks.Unknown || !e.Units[1].NeverSeen || !e.Units[1].LastAt.IsZero() {
		t.Errorf("never heard of: %+v", e.Units[1])
	}
	if status, answer, _ := f.call("GET", base+"/elevation?rack=A01", ""); status != 404 {
		t.Errorf("a rack of another place: %d %s", status, answer)
	}
}

func TestTheMapOf100000BMCsIsSmall(t *testing.T) {
	var spots []spot
	for n := range 100_000 {
		s := spot{BMC: bmcNumber(n)}
		s.Site, s.Rack = fmt.Sprintf("site-%d", n/8000), fmt.Sprintf("%c%02d", 'A'+n/400%20, n/40%10+1)
		spots = append(spots, s)
	}
	i := 0
	h := newHub(nil)
	h.cells.replace(layOut(spots, true), func(inventory.ID) string {
		i++
		return map[bool]string{true: "P", false: "."}[i%23 == 0 || i%31 == 0]
	})
	body := (&Server{hub: h}).pack(ask{now: time.Now()})
	t.Logf("%d bytes", len(body))
	if len(body) > 60_000 {
		t.Errorf("the map has %d bytes, want at most 60,000", len(body))
	}
	plain, err := gzip.NewReader(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	var m Map
	if err != nil || json.Unmarshal(text, &m) != nil || len(allLetters(m)) != 100_000 {
		t.Errorf("%v: %d letters", err, len(allLetters(m)))
	}
}
