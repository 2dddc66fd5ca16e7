package api

import (
	"cmp"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

// Map is the fleet as a map draws it: a letter per BMC, rack by rack. It is small, so that a page can begin with all of a large
// fleet; names and reasons are asked for where somebody looks.
type Map struct {
	// Map names this order of BMCs. In another one the same number means another BMC.
	Map string `json:"map"`
	// Seq is where the stream of the map goes on.
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"`
	// Placed: the inventory says where BMCs stand and which there should be; otherwise only those that were heard of are known.
	Placed bool      `json:"placed"`
	Racks  []MapRack `json:"racks"`
	// Marks are of the BMCs that have any, by number: results.Overlay… has them.
	Marks map[int]string `json:"marks"`
}

// MapRack is a rack: a letter per BMC, from the top down.
type MapRack struct {
	Site    string `json:"site"`
	Room    string `json:"room"`
	Row     string `json:"row"`
	Rack    string `json:"rack"`
	Letters string `json:"letters"`
}

// cells are what the map says of each BMC, numbered by place. The hub's lock guards them; only the painter changes them.
type cells struct {
	name   string
	placed bool
	racks  []MapRack // without letters
	sizes  []int
	number map[inventory.ID]int
	state  []string              // letter and marks
	dirty  map[inventory.ID]bool // may look different
	view   *view                 // who listens to the map
	told   uint64                // the newest event of cells
	packed packed
}

// spot is a BMC and where it stands.
type spot struct {
	inventory.BMC
	state *results.State // nil: never heard of
}

// layOut numbers the BMCs by place.
func layOut(spots []spot, placed bool) cells {
	slices.SortFunc(spots, bySpot)
	c := cells{name: rand.Text()[:10], placed: placed, number: make(map[inventory.ID]int, len(spots)), state: make([]string, len(spots))}
	for i, s := range spots {
		here := MapRack{Site: s.Site, Room: s.Room, Row: s.Row, Rack: s.Rack}
		if len(c.racks) == 0 || c.racks[len(c.racks)-1] != here {
			c.racks, c.sizes = append(c.racks, here), append(c.sizes, 0)
		}
		c.sizes[len(c.sizes)-1]++
		c.number[s.ID] = i
	}
	return c
}

// replace has another order count from now on. Whoever listens has to fetch the map.
func (c *cells) replace(by cells, look func(inventory.ID) string) {
	by.view, by.dirty = c.view, map[inventory.ID]bool{}
	*c = by
	for id, n := range c.number {
		c.state[n] = look(id)
	}
	c.view.push("map", 0, encode(map[string]string{"map": c.name}))
	c.told = c.view.count
}

// bySpot orders as people walk: site, room, row, rack, then from the top of the rack down.
func bySpot(a, b spot) int {
	return cmp.Or(
		natural(a.Site, b.Site), natural(a.Room, b.Room), natural(a.Row, b.Row), natural(a.Rack, b.Rack),
		cmp.Compare(b.Unit, a.Unit), strings.Compare(a.Face, b.Face), natural(a.Slot, b.Slot), strings.Compare(string(a.ID), string(b.ID)))
}

// natural orders names as people count: A2 before A10.
func natural(a, b string) int {
	for x, y := a, b; x != "" && y != ""; {
		head, other := digits(x), digits(y)
		if head == 0 || other == 0 {
			if x[0] != y[0] {
				return cmp.Compare(x[0], y[0])
			}
			x, y = x[1:], y[1:]
			continue
		}
		one, two := strings.TrimLeft(x[:head], "0"), strings.TrimLeft(y[:other], "0")
		if c := cmp.Or(cmp.Compare(len(one), len(two)), strings.Compare(one, two)); c != 0 {
			return c
		}
		x, y = x[head:], y[other:]
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// digits is how many digits a text begins with.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}

// document is the map with such looks.
func (c *cells) document(now time.Time, looks []string) Map {
	m := Map{Map: c.name, Seq: c.view.count, At: now.UTC(), Placed: c.placed, Racks: slices.Clone(c.racks), Marks: map[int]string{}}
	from := 0
	for i := range m.Racks {
		var letters strings.Builder
		for n, state := range looks[from : from+c.sizes[i]] {
			letters.WriteByte(state[0])
			if len(state) > 1 {
				m.Marks[from+n] = state[1:]
			}
		}
		m.Racks[i].Letters = letters.String()
		from += c.sizes[i]
	}
	if m.Racks == nil {
		m.Racks = []MapRack{}
	}
	return m
}

// paint takes in what BMCs look like now, by number, and tells it if anything changed.
func (c *cells) paint(looks map[int]string, now time.Time) {
	changed := make([][2]any, 0, len(looks))
	for n, look := range looks {
		if c.state[n] != look {
			c.state[n] = look
			changed = append(changed, [2]any{n, look})
		}
	}
	if len(changed) > 0 {
		seq := c.view.count + 1
		c.view.push("cells", 0, encode(cellsEvent{c.name, c.told, seq, now.UTC(), changed}))
		c.told = seq
	}
}

// cellsEvent is what the stream of the map tells.
type cellsEvent struct {
	Map string `json:"map"`
	// From is the event before it: whoever has not heard so far missed something.
	From  uint64    `json:"from"`
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	Cells [][2]any  `json:"cells"` // number, letter and marks
}
