package api

import (
	"strings"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// overlay is what lies over a BMC's state and never hides it: who is on it, what keeps it quiet, the incident that it fails in.
type overlay struct {
	ack      *store.Ack
	quiet    *results.Silence
	incident string
}

// kind is of what keeps it quiet; "" where nothing does.
func (o overlay) kind() results.SilenceKind {
	if o.quiet == nil {
		return ""
	}
	return o.quiet.Kind
}

// silenced is what a document says of what keeps a BMC quiet; nil where nothing does.
func (o overlay) silenced() *results.Silenced {
	if o.quiet == nil {
		return nil
	}
	return &results.Silenced{Silence: o.quiet.ID, Kind: o.quiet.Kind, Until: o.quiet.Until}
}

// lens looks at BMCs at a time, as filters see them. Without over nothing lies over a BMC, without labels it has none.
type lens struct {
	over   func(inventory.ID) overlay
	labels func(inventory.ID) map[string]string
	now    time.Time
}

// lens sees what the hub was told last, or what was.
func (s *Server) lens(a ask) lens {
	return lens{func(id inventory.ID) overlay { return s.over(a, id) }, s.Labels, a.now}
}

// over is what lies over a BMC, or lay.
func (s *Server) over(a ask, id inventory.ID) overlay {
	if a.then != nil {
		return a.then.over(s, id)
	}
	return s.hub.over(id, a.now)
}

// subject answers a filter's questions about a BMC.
func (l lens) subject(k *follow.BMC) query.Subject {
	return func(field string) string {
		switch field {
		case "acknowledged":
			return flag(l.overlay(k).ack != nil)
		case "silenced":
			return flag(l.overlay(k).quiet != nil)
		case "maintenance":
			return flag(l.overlay(k).kind() == results.Maintenance)
		case "incident":
			return l.overlay(k).incident
		}
		if label, ok := strings.CutPrefix(field, query.LabelPrefix); ok {
			return l.label(k.State.BMC, label)
		}
		return results.Field(&k.State, k.Facts, field, l.now)
	}
}

func (l lens) overlay(k *follow.BMC) overlay {
	if l.over == nil {
		return overlay{}
	}
	return l.over(k.State.BMC)
}

func (l lens) label(id inventory.ID, name string) string {
	if l.labels == nil {
		return ""
	}
	return l.labels(id)[name]
}

// match says whether a filter is true of a BMC.
func (l lens) match(f query.Filter, k *follow.BMC) bool { return f.Match(l.subject(k), l.now) }

// quiet is a silence with its filter read.
type quiet struct {
	results.Silence
	filter query.Filter
}

// quietOf is what keeps a BMC quiet at a time, a maintenance before a silence. The silences are in order.
func quietOf(all []quiet, l lens, k *follow.BMC) *results.Silence {
	var found *results.Silence
	for i := range all {
		q := &all[i]
		if (found == nil || q.Kind == results.Maintenance && found.Kind != results.Maintenance) && q.Holds(l.now) && l.match(q.filter, k) {
			found = &q.Silence
		}
	}
	return found
}

// over is what lies over a BMC.
func (h *hub) over(id inventory.ID, now time.Time) overlay {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.overlay(id, now)
}

// overlay is over for whoever has the lock.
func (h *hub) overlay(id inventory.ID, now time.Time) (o overlay) {
	if h.isAcked(id, now) {
		ack := h.acked[id]
		o.ack = &ack
	}
	if at, ok := h.index[id]; ok && h.held[at].quiet != nil && h.held[at].quiet.Holds(now) {
		o.quiet = h.held[at].quiet
	}
	if h.incidentOf != nil {
		o.incident, _ = h.incidentOf(id)
	}
	return o
}

// lens sees BMCs as whoever has the hub's lock does.
func (h *hub) lens(now time.Time) lens {
	return lens{func(id inventory.ID) overlay { return h.overlay(id, now) }, h.labels, now}
}
