package api

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// acks takes in all acknowledgements that there are, and tells which are new, other, or ended.
func (h *hub) acks(all map[inventory.ID]store.Ack, now time.Time) {
	changed := map[inventory.ID]*store.Ack{}
	h.mu.Lock()
	for id, a := range all {
		if h.acked[id] != a {
			changed[id] = &a
		}
	}
	for id := range h.acked {
		if _, ok := all[id]; !ok {
			changed[id] = nil
		}
	}
	h.mu.Unlock()
	h.ack(changed, now)
}

// acking is an acknowledgement as it is told; with nil there is none any more.
type acking struct {
	BMC inventory.ID `json:"bmc"`
	Ack *store.Ack   `json:"ack"`
}

// ack keeps and tells acknowledgements, and with nil that there is none any more, in one event and one delta.
func (h *hub) ack(changed map[inventory.ID]*store.Ack, now time.Time) {
	if len(changed) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var news []acking
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		if a := changed[id]; a != nil {
			h.acked[id] = *a
		} else {
			delete(h.acked, id)
		}
		news = append(news, acking{id, changed[id]})
	}
	h.event("ack", struct {
		Acks []acking `json:"acks"`
	}{news})
	h.plan(now)
	h.lookAt(maps.Keys(changed), now)
}

// event tells all who listen, whatever their filter.
func (h *hub) event(name string, document any) {
	if len(h.views) == 0 {
		return
	}
	body := encode(document)
	for _, v := range h.views {
		v.push(name, 0, body)
	}
}

// silences takes in all silences that there are, tells which are new, other or over, and looks at what they keep quiet.
func (h *hub) silences(all []results.Silence, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var next []quiet
	var news []results.Silence
	for _, s := range all {
		at := slices.IndexFunc(h.quiet, func(q quiet) bool { return q.ID == s.ID })
		isOver := !s.EndedAt.IsZero() || !now.Before(s.Until)
		switch {
		case at < 0 && isOver:
			continue
		case at >= 0 && !isOver && same(h.quiet[at].Silence, s):
			next = append(next, h.quiet[at])
			continue
		}
		news = append(news, s)
		if filter, err := query.Parse(s.Where); err == nil && !isOver { // it was read when it was made
			next = append(next, quiet{s, filter})
		}
	}
	if len(news) == 0 {
		return
	}
	h.quiet = next
	h.event("silence", told[results.Silence]{Rows: news})
	h.plan(now)
	h.lookAgain(now)
}

// told is the data of an event with documents. All says that there are no others.
type told[T any] struct {
	Rows []T  `json:"rows"`
	All  bool `json:"all,omitempty"`
}

// same: that it matched again is no news.
func same(a, b results.Silence) bool {
	a.MatchedAt, b.MatchedAt = time.Time{}, time.Time{}
	return a == b
}

// plan finds when time alone next changes what lies over a BMC.
func (h *hub) plan(now time.Time) {
	h.turnAt = time.Time{}
	at := func(t time.Time) {
		if t.After(now) && (h.turnAt.IsZero() || t.Before(h.turnAt)) {
			h.turnAt = t
		}
	}
	for _, q := range h.quiet {
		at(q.From)
		at(q.Until)
	}
	for _, a := range h.acked {
		at(a.Until)
	}
}

// turnOver tells what a silence or an acknowledgement changed that began or ended by itself.
func (h *hub) turnOver(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.turnAt.IsZero() && !now.Before(h.turnAt) {
		h.plan(now)
		h.lookAgain(now)
	}
}

// lookAgain looks at all BMCs whether something else lies over them now.
func (h *hub) lookAgain(now time.Time) { h.lookAt(maps.Keys(h.index), now) }

// lookAt looks at BMCs whether something else lies over them now.
func (h *hub) lookAt(ids iter.Seq[inventory.ID], now time.Time) {
	var changes []change
	for id := range ids {
		if k := h.find(id); k != nil {
			changes = h.look(changes, k, now)
		}
	}
	h.tell(changes, now)
}

// incidents takes in all incidents that there are, tells which are new or other, and looks at the BMCs that moved.
func (h *hub) incidents(all []Incident, moved []inventory.ID, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	there := make(map[string]bool, len(all))
	for _, i := range all {
		there[i.ID] = true
	}
	for id := range h.open {
		if !there[id] { // a store that began anew
			delete(h.open, id)
			h.whole = nil
		}
	}
	h.tellIncidents(all)
	h.lookAt(slices.Values(moved), now)
}

// tellIncidents tells which of these are new or other. h.mu is held.
func (h *hub) tellIncidents(all []Incident) {
	var news []Incident
	for _, i := range all {
		before, known := h.open[i.ID]
		isOver := i.Status == results.Resolved
		if !known && isOver || known && before.stamp() == i.stamp() {
			continue
		}
		news = append(news, i)
		if h.open[i.ID] = i; isOver {
			delete(h.open, i.ID)
		}
	}
	if len(news) > 0 {
		h.whole = nil
		h.event("incident", told[Incident]{Rows: news})
	}
}

// allOpen are all incidents that are not closed, by ID.
func (h *hub) allOpen() []Incident {
	return orEmpty(slices.SortedFunc(maps.Values(h.open), func(a, b Incident) int { return strings.Compare(a.ID, b.ID) }))
}

// openEvent is an event with all of them; it is the same for each client that comes back.
func (h *hub) openEvent() frame {
	if h.whole == nil {
		h.whole = sse("incident", "", encode(told[Incident]{Rows: h.allOpen(), All: true}))
	}
	return h.whole
}

// lying is what lies over a BMC, for a client that comes back.
type lying struct {
	BMC      inventory.ID        `json:"bmc"`
	Code     results.Code        `json:"code"`
	Incident string              `json:"incident,omitempty"`
	Acked    bool                `json:"acked,omitempty"`
	Silenced results.SilenceKind `json:"silenced,omitempty"`
}

// allOver is an event with all BMCs of a view that something lies over: what lay over others is gone. It is the same for each
// client that comes back, until a row is told again.
func (v *view) allOver(h *hub) frame {
	if v.over == nil {
		v.over = v.findOver(h)
	}
	return v.over
}

func (v *view) findOver(h *hub) frame {
	all := told[lying]{Rows: []lying{}, All: true}
	for at := range h.held {
		r := &h.held[at].row
		if (r.Incident != "" || r.Acked || r.Silenced != "") && !r.Gone && (v.filter.String() == "" || v.members.has(at)) {
			all.Rows = append(all.Rows, lying{r.BMC, r.Code, r.Incident, r.Acked, r.Silenced})
		}
	}
	return sse("over", "", encode(all))
}
