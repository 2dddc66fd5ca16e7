package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"lamplighter/results/console"
)

// packed is the newest map that was asked for, compressed, so that many who come at once cost no more than one.
type packed struct {
	name string
	seq  uint64
	body []byte
}

// pack gives the map compressed.
func (s *Server) pack(a ask) []byte {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	c := &s.hub.cells
	if c.packed.body != nil && c.packed.name == c.name && c.packed.seq == c.view.count {
		return c.packed.body
	}
	var body bytes.Buffer
	w, _ := gzip.NewWriterLevel(&body, gzip.BestSpeed) // a known level is no error
	_, _ = w.Write(encode(c.document(a.now, c.state))) // into memory: no error
	_ = w.Close()
	c.packed = packed{c.name, c.view.count, body.Bytes()}
	return c.packed.body
}

// fleetMap answers with the map: GET /map.
func (s *Server) fleetMap(w http.ResponseWriter, r *http.Request, a ask) error {
	if a.then != nil {
		return replyPacked(w, r, s.mapThen(a))
	}
	if !console.ReadsGzip(r) {
		s.hub.mu.Lock()
		m := s.hub.cells.document(a.now, s.hub.cells.state)
		s.hub.mu.Unlock()
		return reply(w, m)
	}
	body := s.pack(a)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // who asks may have left
	return nil
}

// mapStream answers with what changes on the map, and with what the stream tells besides rows: GET /map/stream.
func (s *Server) mapStream(w http.ResponseWriter, r *http.Request, a ask) error {
	if s.listeners.Add(1) > mostListeners {
		s.listeners.Add(-1)
		return problem(http.StatusServiceUnavailable, "%d clients listen already", mostListeners)
	}
	defer s.listeners.Add(-1)
	client, first := s.hub.enterMap(a.text("since"), a)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	return s.feed(w, r, client, first)
}

// enterMap makes a client a listener of the map. What it missed it is sent, as far as that is kept.
func (h *hub) enterMap(since string, a ask) (*listener, []frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.cells.view
	client := &listener{hub: h, view: v, seen: v.count}
	hello := sse("hello", "", encode(struct {
		Map string `json:"map"`
		Seq uint64 `json:"seq"`
		At  any    `json:"at"`
	}{h.cells.name, v.count, a.now.UTC()}))
	first := []frame{hello, sse("hb", "", h.pulse())}
	if since == "" {
		return client, first
	}
	name, number, _ := strings.Cut(since, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || name != h.cells.name || seq > v.count {
		return client, append(first, sse("resync", "", fmt.Appendf(nil, `{"map":%q}`, h.cells.name)))
	}
	client.seen = seq
	return client, first
}
