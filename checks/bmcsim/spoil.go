package bmcsim

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// spoilers are the faults that spoil every answer of the web service, in the order in which they win.
var spoilers = []struct {
	fault Fault
	spoil http.HandlerFunc
}{
	{HungAfterTLS, sayNothing},
	{Starting, starting},
	{HTTP500, failAlways},
	{NotJSON, showPage},
	{DeepJSON, nestDeep},
	{EndlessBody, neverEnd},
	{GzipBomb, bomb},
	{HeaderBomb, headersWithoutEnd},
	{Drip, drip},
}

func spoilerOf(faults faultSet) http.HandlerFunc {
	for _, s := range spoilers {
		if faults.has(s.fault) {
			return s.spoil
		}
	}
	return nil
}

// wait waits for d; false when ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func sayNothing(_ http.ResponseWriter, r *http.Request) {
	wait(r.Context(), 5*time.Minute)
}

// starting is what an iDRAC says while it boots (metal-operator#170).
func starting(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "30")
	refuse(w, http.StatusServiceUnavailable, "Base.1.8.ServiceTemporarilyUnavailable", "The service is temporarily unavailable. Retry in 30 seconds.")
}

func failAlways(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusInternalServerError, "Base.1.8.InternalError", "The request failed due to an internal service error.")
}

func showPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><title>Login</title><body>Please enable JavaScript.</body></html>")
}

func nestDeep(w http.ResponseWriter, _ *http.Request) {
	const depth = 100_000
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"Links":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+"}")
}

// farTooMuch is where "without end" ends, so that a forgotten client does not keep the machine busy for ever.
const farTooMuch = 1 << 30

func neverEnd(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, `{"Name":"`)
	flood(w, strings.Repeat("A", 64<<10), err)
}

// flood writes a piece again and again, until the client hangs up or it is far too much.
func flood(w io.Writer, piece string, err error) {
	for sent := 0; err == nil && sent < farTooMuch; sent += len(piece) {
		_, err = io.WriteString(w, piece)
	}
}

// mebibyteOfBlanks is a whole gzip member; members in a row unpack to their texts in a row (RFC 1952 section 2.2).
var mebibyteOfBlanks = sync.OnceValue(func() string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20)) // into memory
	_ = w.Close()
	return packed.String()
})

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	for range farTooMuch >> 20 {
		if _, err := io.WriteString(w, mebibyteOfBlanks()); err != nil {
			return
		}
	}
}

func headersWithoutEnd(w http.ResponseWriter, r *http.Request) {
	raw, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = raw.Close() }()
	// The server forgets a connection that was taken over: nobody else closes this one.
	defer context.AfterFunc(r.Context().Value(endKey{}).(context.Context), func() { _ = raw.Close() })()
	_ = raw.SetWriteDeadline(time.Now().Add(time.Minute))
	_, err = io.WriteString(raw, "HTTP/1.1 200 OK\r\n")
	flood(raw, "X-More: "+strings.Repeat("A", 4<<10)+"\r\n", err)
}

// drip sends its headers at once and then one byte a second.
func drip(w http.ResponseWriter, r *http.Request) {
	text := fmt.Sprintf(`{"@odata.id":"/redfish/v1/","Name":"%s"}`, strings.Repeat("drip ", 1000))
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := range len(text) {
		if _, err := io.WriteString(w, text[i:i+1]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
