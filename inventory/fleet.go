package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
)

// Diff says how one list of BMCs became another.
type Diff struct {
	Added   []BMC
	Removed []BMC
	// Changed are the BMCs whose record is another now, without those in Moved.
	Changed []BMC
	// Moved are the BMCs that stand in another place or have another address now.
	Moved []BMC
	// Conflicts are what the sources contradict themselves in. They are listed, and are no difference.
	Conflicts []Conflict
}

// Empty says whether nothing differs.
func (d Diff) Empty() bool { return len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Moved) == 0 }

// String counts.
func (d Diff) String() string {
	return fmt.Sprintf("%d added, %d removed, %d changed, %d moved", len(d.Added), len(d.Removed), len(d.Changed), len(d.Moved))
}

// DiffOf compares two lists by ID. The lists of a Diff are sorted by ID and hold the new records, Removed the old.
func DiffOf(old, now []BMC) Diff {
	before, after := sorted(old), sorted(now)
	var d Diff
	for len(before) > 0 && len(after) > 0 {
		was, b := before[0], after[0]
		switch order := compareID(was, b); {
		case order < 0:
			d.Removed, before = append(d.Removed, was), before[1:]
			continue
		case order > 0:
			d.Added, after = append(d.Added, b), after[1:]
			continue
		case place(was) != place(b):
			d.Moved = append(d.Moved, b)
		case !sameRecord(was, b):
			d.Changed = append(d.Changed, b)
		}
		before, after = before[1:], after[1:]
	}
	d.Removed, d.Added = append(d.Removed, before...), append(d.Added, after...)
	return d
}

// sorted is a list by ID; one that is sorted already is not copied.
func sorted(list []BMC) []BMC {
	if slices.IsSortedFunc(list, compareID) {
		return list
	}
	list = slices.Clone(list)
	slices.SortFunc(list, compareID)
	return list
}

// sameRecord says what equal Revs say, for less.
func sameRecord(a, b BMC) bool {
	same := maps.Equal(a.Labels, b.Labels)
	a.Labels, b.Labels = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func compareID(a, b BMC) int { return strings.Compare(string(a.ID), string(b.ID)) }

func byID(bmcs []BMC) map[ID]*BMC {
	index := make(map[ID]*BMC, len(bmcs))
	for i := range bmcs {
		index[bmcs[i].ID] = &bmcs[i]
	}
	return index
}

// standing is where a BMC stands, and the address it has there.
type standing struct {
	address                              netip.Addr
	site, room, row, rack, chassis, slot string
	unit                                 float64
	face                                 string
}

func place(b BMC) standing {
	return standing{b.Address, b.Site, b.Room, b.Row, b.Rack, b.Chassis, b.Slot, b.Unit, b.Face}
}

// Fleet is the current set of BMCs. Its zero value is empty. Any number of goroutines may use it at once; the lists that it
// hands out are never written again, by it or by whoever got them.
type Fleet struct{ current atomic.Pointer[snapshot] }

// snapshot is one state of a fleet. It is never changed.
type snapshot struct {
	bmcs      []BMC // by ID
	byID      map[ID]*BMC
	byAddress map[netip.Addr][]ID
}

func newSnapshot(bmcs []BMC) (*snapshot, error) {
	s := &snapshot{bmcs: sorted(bmcs), byAddress: map[netip.Addr][]ID{}}
	s.byID = byID(s.bmcs)
	for i, b := range s.bmcs {
		if b.ID == "" || !b.Address.IsValid() {
			return nil, fmt.Errorf("BMC %q at %v: want an ID and an address", b.ID, b.Address)
		}
		if i > 0 && s.bmcs[i-1].ID == b.ID {
			return nil, fmt.Errorf("BMC %s is listed twice", b.ID)
		}
		s.byAddress[b.Address] = append(s.byAddress[b.Address], b.ID)
	}
	return s, nil
}

func (f *Fleet) snapshot() *snapshot { return cmp.Or(f.current.Load(), &snapshot{}) }

// Set makes bmcs, to which nobody writes any more, the current set and says what that changed. What is not a list of distinct BMCs is refused, and the set that was
// stays. Whether a list is to be believed is a Rule's matter.
func (f *Fleet) Set(bmcs []BMC) (Diff, error) {
	next, err := newSnapshot(bmcs)
	if err != nil {
		return Diff{}, fmt.Errorf("replace the fleet: %w", err)
	}
	old := cmp.Or(f.current.Swap(next), &snapshot{})
	return DiffOf(old.bmcs, next.bmcs), nil
}

// BMCs are all BMCs by ID. Do not write to the list.
func (f *Fleet) BMCs() []BMC { return f.snapshot().bmcs }

// Len is how many BMCs there are.
func (f *Fleet) Len() int { return len(f.snapshot().bmcs) }

// Get finds a BMC by ID.
func (f *Fleet) Get(id ID) (BMC, bool) {
	if b := f.snapshot().byID[id]; b != nil {
		return *b, true
	}
	return BMC{}, false
}

// Look is Get without a copy; nil: there is none. Nobody writes to it.
func (f *Fleet) Look(id ID) *BMC { return f.snapshot().byID[id] }

// Find finds a BMC by what a person typed: its ID, or an address that only one BMC has.
func (f *Fleet) Find(key string) (BMC, bool) {
	s := f.snapshot()
	if b := s.byID[ID(key)]; b != nil {
		return *b, true
	}
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return BMC{}, false
	}
	if ids := s.byAddress[addr.Unmap()]; len(ids) == 1 {
		return *s.byID[ids[0]], true
	}
	return BMC{}, false
}
