package api

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lamplighter/results"
	"lamplighter/results/store"
)

// The live stream's times.
const (
	heartbeat = 5 * time.Second
	patience  = 10 * time.Second // for a client to take what it was sent
)

// listener is a client of the stream.
type listener struct {
	hub  *hub
	view *view
	seen uint64 // number of the view's last frame that it was sent, or did not need
}

// enter makes a client a listener. The frames that it is sent first bring it from where it was to now, if that can be done.
func (h *hub) enter(v *view, since string, now time.Time) (*listener, []frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	here := position(h.epoch, h.version)
	first := []frame{sse("hello", "", h.greeting(v, now))}
	if since != "" {
		first = append(first, h.missed(v, since, now), h.openEvent(), v.allOver(h))
	} else {
		first = append(first, sse("hb", here, h.pulse()))
	}
	return &listener{hub: h, view: v, seen: v.count}, first
}

// place is where the stream is.
func (h *hub) place() []byte {
	return fmt.Appendf(nil, `{"epoch":%q,"version":%d,"at":%q}`, h.epoch, h.version, time.Now().UTC().Format(time.RFC3339Nano))
}

// greeting tells a client where it is, how many BMCs it should know of, which are acknowledged, and the silences.
func (h *hub) greeting(v *view, now time.Time) []byte {
	acks := []store.Ack{}
	for id, a := range h.acked {
		if h.isAcked(id, now) {
			acks = append(acks, a)
		}
	}
	count := 0
	for at := range h.held {
		if !h.held[at].row.Gone && (v.filter.String() == "" || v.members.has(at)) {
			count++
		}
	}
	return encode(struct {
		Epoch   string      `json:"epoch"`
		Version uint64      `json:"version"`
		At      time.Time   `json:"at"`
		Count   int         `json:"count"`
		Acks    []store.Ack `json:"acks"`
		// Silences are all that are not over.
		Silences []results.Silence `json:"silences"`
	}{h.epoch, h.version, now.UTC(), count, acks, h.quietNow()})
}

func (h *hub) quietNow() []results.Silence {
	all := []results.Silence{}
	for _, q := range h.quiet {
		all = append(all, q.Silence)
	}
	return all
}

// parse reads a position; it says whether it is one of this epoch, not of the future.
func (h *hub) parse(since string) (version uint64, ok bool) {
	cut := strings.LastIndexByte(since, '-')
	if cut < 0 {
		return 0, false
	}
	version, err := strconv.ParseUint(since[cut+1:], 10, 64)
	return version, err == nil && since[:cut] == h.epoch && version <= h.version
}

// missed is a delta of the rows that changed after a position, or a resync where they are not known or too many.
func (h *hub) missed(v *view, since string, now time.Time) frame {
	here := position(h.epoch, h.version)
	version, ok := h.parse(since)
	if !ok {
		return sse("resync", here, h.place())
	}
	var all rows
	for at := range h.held {
		row := &h.held[at]
		if row.version <= version {
			continue
		}
		if all.count == mostCatchUp {
			return sse("resync", here, h.place())
		}
		if v.matches(h, at, nil, now) {
			all.add(encode(row.row))
		} else {
			all.add(gone(row.row.BMC))
		}
	}
	return sse("delta", here, all.document(version, h.version))
}

// next are the frames that the client has not been sent yet; with none, wake is closed when there are some.
func (l *listener) next() (frames []frame, wake <-chan struct{}) {
	h, v := l.hub, l.view
	h.mu.RLock() // all clients come at once
	defer h.mu.RUnlock()
	behind := v.count - l.seen
	l.seen = v.count
	if behind > uint64(len(v.frames)) {
		return []frame{sse("resync", position(h.epoch, h.version), h.place())}, v.wake
	}
	return append(frames, v.frames[len(v.frames)-int(behind):]...), v.wake
}

// pulse tells that the stream lives. A client that was sent everything can go on from there.
func (l *listener) pulse() frame {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	id := ""
	if l.seen == l.view.count {
		id = position(l.hub.epoch, l.hub.version)
	}
	return sse("hb", id, l.hub.pulse())
}

// pulse tells when a round of each site was last judged.
func (h *hub) pulse() []byte {
	return encode(struct {
		At      time.Time            `json:"at"`
		Version uint64               `json:"version"`
		Sites   map[string]time.Time `json:"sites"`
	}{time.Now().UTC(), h.version, h.sites})
}

// stream answers with the live stream: GET /stream.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, a ask) error {
	if s.listeners.Add(1) > mostListeners {
		s.listeners.Add(-1)
		return problem(http.StatusServiceUnavailable, "%d clients listen already", mostListeners)
	}
	defer s.listeners.Add(-1)
	view, err := s.hub.join(a.filter, a.now)
	if err != nil {
		return problem(http.StatusServiceUnavailable, "%v", err)
	}
	defer s.hub.leave(view)
	client, first := s.hub.enter(view, cmp.Or(r.Header.Get("Last-Event-ID"), a.text("since")), a.now)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no")
	// Each client waits for another while before it comes back, so that they do not all come at once.
	first = append([]frame{fmt.Appendf(nil, "retry: %d\n\n", 500+rand.IntN(4500))}, first...)
	return s.feed(w, r, client, first)
}

// feed sends until the client leaves, does not read for too long, or the server ends.
func (s *Server) feed(w http.ResponseWriter, r *http.Request, client *listener, frames []frame) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	out := http.NewResponseController(w)
	for {
		if len(frames) > 0 {
			_ = out.SetWriteDeadline(time.Now().Add(patience)) // where that is not possible the server's own limit counts
			for _, f := range frames {
				if _, err := w.Write(f); err != nil {
					return nil // it left, or does not read
				}
			}
			if err := out.Flush(); err != nil {
				return nil
			}
		}
		next, wake := client.next()
		if frames = next; len(frames) > 0 {
			continue
		}
		select {
		case <-wake:
		case <-beat.C:
			if _, err := s.who(r); err != nil {
				return nil // the token ended meanwhile; who comes again is told so
			}
			frames = []frame{client.pulse()}
		case <-r.Context().Done():
			return nil
		}
	}
}
