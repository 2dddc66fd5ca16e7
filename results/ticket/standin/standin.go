// Package standin has stand-ins for ticket desks that no test can run: Jira and ServiceNow. They are no real ones. They answer as the
// products' documentation of their REST APIs says: what is demanded of a ticket, which errors look how, what a search misses, and how
// a rate limit and a maintenance page look. Only tests import it.
package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"
)

// server is what both have in common.
type server struct {
	*httptest.Server
	mu    sync.Mutex // guards what the stand-ins keep, too
	fault func(w http.ResponseWriter, r *http.Request) bool
	asked int
}

func (s *server) serve(t testing.TB, name string, mux http.Handler) {
	t.Helper()
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		fault := s.fault
		s.mu.Unlock()
		if fault != nil && fault(w, r) {
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	t.Logf("stand-in for %s, not a real one, at %s", name, s.URL)
}

// Fault has a function answer first; it returns false to leave a request alone. nil ends that.
func (s *server) Fault(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Asked is how many requests came.
func (s *server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Limited answers as when there were too many requests.
func Limited(after time.Duration, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
		w.Header().Set("X-RateLimit-Reset", time.Now().Add(after).UTC().Format("2006-01-02T15:04Z"))
		answer(w, http.StatusTooManyRequests, json.RawMessage(body))
		return true
	}
}

// Page answers with a page for people: a maintenance, a login, a proxy.
func Page(status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body>We will be back soon.</body></html>")
		return true
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body) // the asker may be gone
	}
}

func read(r *http.Request) (map[string]any, error) {
	var body map[string]any
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	return body, nil
}

// at walks down a document.
func at(doc any, keys ...string) any {
	for _, key := range keys {
		m, _ := doc.(map[string]any)
		doc = m[key]
	}
	return doc
}

func text(doc any, keys ...string) string {
	s, _ := at(doc, keys...).(string)
	return s
}
