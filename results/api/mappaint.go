package api

import (
	"context"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/query"
)

const (
	// brush is how long changes of the map wait for others.
	brush = 250 * time.Millisecond
	// anew is how often BMCs are numbered anew at most, while new ones are heard of one after the other.
	anew = time.Second
)

// nothing is a filter that no BMC matches: its view is told incidents, acknowledgements and silences, and no rows.
var nothing = func() query.Filter {
	f, err := query.Parse("health=available and health!=available")
	if err != nil {
		panic(err) // a text of ours
	}
	return f
}()

// painter keeps the map as the hub's rows are.
type painter struct {
	*Server
	listed []inventory.BMC // the inventory that the map was laid by
	laid   time.Time
	// strange: there are BMCs without a number, or numbers without a BMC.
	strange bool
}

// paint keeps the map until ctx ends.
func (s *Server) paint(ctx context.Context) error {
	p := &painter{Server: s}
	p.lay(time.Now())
	tick := time.NewTicker(brush)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			p.brush(now)
			if (p.strange || !sameReading(p.listed, p.inventory())) && now.Sub(p.laid) >= anew {
				p.lay(now)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// brush paints what looks different since the last time.
func (p *painter) brush(now time.Time) {
	h := p.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &h.cells
	if len(c.dirty) == 0 {
		return
	}
	looks := make(map[int]string, len(c.dirty))
	for id := range c.dirty {
		row := &h.held[h.index[id]].row
		if n, ok := c.number[id]; ok && !row.Gone {
			looks[n] = row.look()
		} else {
			p.strange = true
		}
	}
	clear(c.dirty)
	c.paint(looks, now)
}

// lay numbers all BMCs anew: those of the inventory, and those that were heard of besides. The numbering takes a while, in which
// the hub is not held up: what changes meanwhile is painted after it.
func (p *painter) lay(now time.Time) {
	p.laid, p.strange, p.listed = now, false, p.inventory()
	all, _ := p.Live.All()
	spots := make([]spot, 0, max(len(all), len(p.listed)))
	there := make(map[inventory.ID]bool, len(p.listed))
	for _, b := range p.listed {
		there[b.ID] = true
		spots = append(spots, p.known(b))
	}
	for _, b := range all {
		if !there[b.State.BMC] {
			spots = append(spots, heardOf(&b.State))
		}
	}
	laid := layOut(spots, p.listed != nil)
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.hub.cells.replace(laid, p.hub.looks)
}

// known is a BMC of the inventory, with what is believed of it.
func (s *Server) known(b inventory.BMC) spot {
	if heard := s.Live.Get(b.ID); heard != nil {
		return spot{b, &heard.State}
	}
	return spot{BMC: b}
}

// heardOf is a BMC of which only its verdicts tell where it stands.
func heardOf(s *results.State) spot {
	return spot{inventory.BMC{ID: s.BMC, Site: s.Site, Room: s.Room, Row: s.Row, Rack: s.Rack, Unit: s.Unit, Vendor: s.Vendor, Model: s.Model}, s}
}

// inventory is what there should be; nil where nobody knows.
func (s *Server) inventory() []inventory.BMC {
	if s.Inventory == nil {
		return nil
	}
	return s.Inventory()
}

// sameReading says whether two inventories are the same slice.
func sameReading(a, b []inventory.BMC) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// looks is what a BMC looks like by the newest row that was told.
func (h *hub) looks(id inventory.ID) string {
	if at, ok := h.index[id]; ok && !h.held[at].row.Gone {
		return h.held[at].row.look()
	}
	return string(results.CodeNone)
}

// look is the code, and the overlays after it.
func (r *Row) look() string {
	look := string(r.Code)
	if r.Flapping {
		look += results.OverlayFlapping
	}
	if r.Acked {
		look += results.OverlayAcked
	}
	if r.Silenced == results.Silencing {
		look += results.OverlaySilenced
	}
	return look
}
