package api

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// TestALargeFleetIsAnsweredSoon measures; the limits are what a person, or a page, waits for without asking why.
func TestALargeFleetIsAnsweredSoon(t *testing.T) {
	bmcs, patient := 3_000, 5.0
	if os.Getenv("LAMPLIGHTER_LONG") != "" {
		bmcs, patient = 100_000, 2
	}
	if race {
		patient *= 10
	}
	f := newFleet(t)
	var half time.Time // when half of them had been heard of
	for from := 0; from < bmcs; from += 1000 {
		if half.IsZero() && from >= bmcs/2 {
			half = moment(t)
		}
		var all []results.Verdict
		for n := from; n < from+1000; n++ {
			reason := checks.Reason("")
			if n%50 == 0 {
				reason = checks.AuthRejected
			}
			all = append(all, f.round(n, reason, checks.Facts{"firmware": fmt.Sprintf("2.%d", n%20), "serial": fmt.Sprintf("S%d", n)}))
		}
		f.emit(all...)
	}
	filter := url.QueryEscape("firmware<2.14 and vendor=Dell and health!=unavailable")
	for _, test := range []struct {
		path        string
		first, last time.Duration
		lines       int
	}{
		{"/summary", time.Second, time.Second, 1},
		{"/racks?limit=1000", time.Second, time.Second, 1},
		{"/bmcs?where=" + filter, time.Second, time.Second, 1},
		{"/bmcs?sort=-since&limit=1000", time.Second, time.Second, 1},
		{"/search?q=S77", time.Second, time.Second, 1},
		{"/snapshot", 300 * time.Millisecond, 3 * time.Second, bmcs},
		{asOf("/map", half), 3 * time.Second, 3 * time.Second, 1},
		{asOf("/summary", half), time.Second, time.Second, 1},
		{asOf("/bmcs?where="+filter, half), time.Second, time.Second, 1},
		{asOf("/map", half.Add(-time.Hour)), 8 * time.Second, 8 * time.Second, 1},
		{"/export/bmcs?format=csv", 300 * time.Millisecond, 5 * time.Second, bmcs + 1},
		{"/export/bmcs?format=ndjson", 300 * time.Millisecond, 5 * time.Second, bmcs},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		first, last, size, lines := f.fetch(test.path)
		runtime.ReadMemStats(&after)
		t.Logf("%d BMCs: %-60s first byte %4d ms, last %4d ms, %8d bytes, allocated %d MiB", bmcs, test.path, first.Milliseconds(), last.Milliseconds(),
			size, (after.TotalAlloc-before.TotalAlloc)>>20)
		if first.Seconds() > test.first.Seconds()*patient || last.Seconds() > test.last.Seconds()*patient || lines != test.lines {
			t.Errorf("%s took %v to the first byte, %v to the last, and has %d lines; want %v, %v, %d", test.path, first, last, lines, test.first, test.last, test.lines)
		}
	}
}

// fetch reads an answer piece by piece.
func (f *fleet) fetch(path string) (first, last time.Duration, size, lines int) {
	f.t.Helper()
	began := time.Now()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + f.address + base + path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	piece := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(piece)
		if first == 0 {
			first = time.Since(began)
		}
		size, lines = size+n, lines+bytes.Count(piece[:n], []byte("\n"))
		if err == io.EOF {
			return first, time.Since(began), size, lines
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
}
