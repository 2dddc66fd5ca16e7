package api

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/query"
	"lamplighter/results/store"
)

// Limits of the live stream. What a client costs does not depend on how slowly it reads: frames belong to views, and a client
// that is behind the oldest one that its view keeps is told to fetch a snapshot.
const (
	mostFrames     = 128     // per view
	mostFrameBytes = 4 << 20 // per view
	mostViews      = 256     // different filters at a time
	mostCatchUp    = 2_000   // rows that a client that comes back is sent one by one
)

// hub tells what changes to all who listen, each change encoded once. Version is the store's, so it goes on after a restart.
type hub struct {
	find       func(inventory.ID) *follow.BMC
	incidentOf func(inventory.ID) (string, bool)
	labels     func(inventory.ID) map[string]string

	mu      sync.RWMutex // guards the following
	epoch   string
	version uint64
	index   map[inventory.ID]int
	held    []held
	sites   map[string]time.Time // when a round was last judged there
	acked   map[inventory.ID]store.Ack
	quiet   []quiet             // silences that are not over
	open    map[string]Incident // as they were last told
	turnAt  time.Time           // when a silence or an acknowledgement next begins or ends; zero: never
	views   map[string]*view
	whole   frame // an event with all that are open; nil: to be made again
	cells   cells
}

// held is a BMC as it was last told, and what keeps it quiet.
type held struct {
	row     Row
	version uint64
	quiet   *results.Silence
}

func newHub(find func(inventory.ID) *follow.BMC) *hub {
	h := &hub{find: find, index: map[inventory.ID]int{}, sites: map[string]time.Time{}, acked: map[inventory.ID]store.Ack{},
		open: map[string]Incident{}, views: map[string]*view{}}
	h.cells.dirty = map[inventory.ID]bool{}
	h.cells.view, _ = h.join(nothing, time.Time{}) // never left; the first view is never one too many
	return h
}

// change is a row that looks different now.
type change struct {
	at    int // its place in held
	known *follow.BMC
	json  []byte
}

// begin takes in all that is known, at the start and after the hub fell behind: what looks different is told, unless it is of
// another epoch; then who listens fetches a snapshot.
func (h *hub) begin(epoch string, version uint64, all []*follow.BMC) {
	gone := h.turn(epoch, all)
	h.put(version, all, gone, time.Now())
}

// turn begins an epoch; of the same one it finds what is no more.
func (h *hub) turn(epoch string, all []*follow.BMC) (gone []inventory.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epoch == epoch {
		there := make(map[inventory.ID]bool, len(all))
		for _, b := range all {
			there[b.State.BMC] = true
		}
		for _, held := range h.held {
			if !there[held.row.BMC] && !held.row.Gone {
				gone = append(gone, held.row.BMC)
			}
		}
		return gone
	}
	h.epoch, h.version = epoch, 0
	h.index, h.held = make(map[inventory.ID]int, len(all)), make([]held, 0, len(all))
	for _, v := range h.views {
		v.reset()
	}
	return nil
}

// put takes in what a batch of the store changed. gone are BMCs that are no more.
func (h *hub) put(version uint64, known []*follow.BMC, gone []inventory.ID, now time.Time) {
	h.take(version, known, gone, nil, nil, now)
}

// take is put with incidents as they are now, and the BMCs that came into one or left one. Whoever listens is woken once.
func (h *hub) take(version uint64, known []*follow.BMC, gone []inventory.ID, some []Incident, moved []inventory.ID, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellIncidents(some)
	h.version = max(h.version, version)
	var changes []change
	for _, k := range known {
		changes = h.look(changes, k, now)
	}
	for _, id := range moved {
		if k := h.find(id); k != nil {
			changes = h.look(changes, k, now) // one that is known already looks the same
		}
	}
	for _, id := range gone {
		if at, ok := h.index[id]; ok {
			row := h.held[at].row
			row.Gone = true
			changes = h.hold(changes, nil, held{row: row, version: version})
		}
	}
	h.tell(changes, now)
}

// look sees a BMC as it is, with what lies over it now.
func (h *hub) look(changes []change, k *follow.BMC, now time.Time) []change {
	if k.State.LastAt.After(h.sites[k.State.Site]) {
		h.sites[k.State.Site] = k.State.LastAt
	}
	over := h.overlay(k.State.BMC, now)
	over.quiet = quietOf(h.quiet, lens{labels: h.labels, now: now}, k)
	return h.hold(changes, k, held{rowOf(&k.State, over), k.Version, over.quiet})
}

// hold keeps a row, and adds it to changes if it looks different.
func (h *hub) hold(changes []change, known *follow.BMC, next held) []change {
	at, ok := h.index[next.row.BMC]
	if !ok {
		at = len(h.held)
		h.index[next.row.BMC] = at
		h.held = append(h.held, held{})
	}
	if ok && h.held[at].row == next.row {
		h.held[at].quiet = next.quiet
		return changes
	}
	h.held[at] = next
	h.cells.dirty[next.row.BMC] = true
	if len(h.views) == 1 { // the map's, which is told no rows
		return changes
	}
	return append(changes, change{at, known, encode(next.row)})
}

// tell tells who listens.
func (h *hub) tell(changes []change, now time.Time) {
	if len(changes) == 0 {
		return
	}
	for _, v := range h.views {
		v.tell(h, changes, now)
	}
}

func encode(v any) []byte {
	text, _ := json.Marshal(v) // our own plain types never fail
	return text
}

// isAcked says whether somebody is on it.
func (h *hub) isAcked(id inventory.ID, now time.Time) bool {
	a, ok := h.acked[id]
	return ok && (a.Until.IsZero() || now.Before(a.Until))
}

// errViews says that too many different filters are listened to.
var errViews = errors.New("too many different filters are listened to at a time")

// join gives the view of a filter; leave must follow.
func (h *hub) join(f query.Filter, now time.Time) (*view, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[f.String()]
	if v == nil {
		if len(h.views) > mostViews { // the map's does not count
			return nil, errViews
		}
		v = &view{filter: f, wake: make(chan struct{}), version: h.version}
		v.fill(h, now)
		h.views[f.String()] = v
	}
	v.users++
	return v, nil
}

func (h *hub) leave(v *view) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v.users--; v.users == 0 {
		delete(h.views, v.filter.String())
	}
}

// tick tells what only the passing of time changed: BMCs that now match a filter that asks for times.
func (h *hub) tick(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.views {
		if v.filter.Timed() {
			v.refresh(h, now)
		}
	}
}
