package api

import (
	"context"
	"maps"
	"slices"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/follow"
)

// together is how long changes wait for others after a frame: each frame costs a write per client. The first after a quiet
// moment does not wait.
const together = 100 * time.Millisecond

// follow hands what changes from Live to the hub until ctx ends.
func (s *Server) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		s.watch(ctx)
	}
	return nil
}

// watch ends when the hub fell behind Live, and begins anew then with all that Live has.
func (s *Server) watch(ctx context.Context) {
	_, deltas, stop := s.Live.Subscribe()
	defer stop()
	all, _ := s.Live.All()
	epoch, version := s.Live.Version()
	s.hub.begin(epoch, version, all)
	s.lookAtIncidents(time.Now())
	tick, due := time.NewTicker(heartbeat), time.NewTimer(together)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	defer tick.Stop()
	defer due.Stop()
	w := waiting{told: time.Now()}
	for {
		select {
		case d, open := <-deltas:
			if !open {
				return
			}
			if w.add(d); w.enough(time.Now()) {
				s.told(ctx, &w, due)
			}
		case <-due.C:
			s.told(ctx, &w, due)
		case <-second.C:
			s.hub.turnOver(time.Now())
		case <-tick.C:
			s.lookAtAcks(ctx)
			s.hub.tick(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// told tells the hub what waits.
func (s *Server) told(ctx context.Context, w *waiting, due *time.Timer) {
	s.looking.Lock() // what was read first is told first
	some, quiet := s.some(ctx, w.incidents), w.quiet
	w.tell(s.hub, some, due)
	s.looking.Unlock()
	if quiet {
		s.lookAtIncidents(time.Now())
	}
}

// some are incidents as they are now.
func (s *Server) some(ctx context.Context, ids map[string]bool) (all []Incident) {
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if i, err := s.Incidents.Incident(ctx, id); err == nil { // a ticket may be of a storm
			all = append(all, s.shown(i))
		}
	}
	return all
}

// waiting are changes that the hub does not know yet.
type waiting struct {
	follow.Delta
	told      time.Time
	any       bool
	incidents map[string]bool // that changed, or whose tickets did
	moved     []inventory.ID
	quiet     bool // silences changed
}

func (w *waiting) add(d follow.Delta) {
	w.Version, w.any = d.Version, true
	w.BMCs = append(w.BMCs, d.BMCs...) // our own slice: tell leaves none behind
	w.Gone = append(w.Gone, d.Gone...)
	for _, m := range d.Members {
		w.moved = append(w.moved, m.BMC)
	}
	if w.incidents == nil {
		w.incidents = map[string]bool{}
	}
	for _, i := range d.Incidents {
		w.incidents[i.ID] = true
	}
	for _, t := range d.Tickets {
		w.incidents[t.Incident] = true
	}
	w.quiet = w.quiet || len(d.Silences) > 0
}

// enough: what is gone may come again, in this order.
func (w *waiting) enough(now time.Time) bool {
	return now.Sub(w.told) >= together || len(w.Gone) > 0
}

func (w *waiting) tell(h *hub, some []Incident, due *time.Timer) {
	now := time.Now()
	if w.any {
		h.take(w.Version, newest(w.BMCs), w.Gone, some, w.moved, now)
		*w = waiting{told: now}
	}
	due.Reset(together)
}

// newest leaves the newest of each BMC.
func newest(all []*follow.BMC) (once []*follow.BMC) {
	seen := make(map[inventory.ID]bool, len(all))
	for _, b := range slices.Backward(all) {
		if !seen[b.State.BMC] {
			seen[b.State.BMC] = true
			once = append(once, b)
		}
	}
	return once
}

// lookAtAcks finds those that the follower ended, because their BMC is healthy again. Where the store cannot be read just now
// the next look will do.
func (s *Server) lookAtAcks(ctx context.Context) {
	if acks, err := s.Store.Acked(ctx); err == nil {
		s.hub.acks(acks, time.Now())
	}
}

// lookAtIncidents finds what is new of incidents, tickets and silences. moved are BMCs that came into an incident, or left one.
func (s *Server) lookAtIncidents(now time.Time, moved ...inventory.ID) {
	s.looking.Lock() // what was read first is told first
	defer s.looking.Unlock()
	var all []Incident
	for _, i := range s.Incidents.Incidents() {
		all = append(all, s.shown(i))
	}
	s.hub.silences(s.Incidents.Silences(), now)
	s.hub.incidents(all, moved, now)
}
