package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
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
	if len(before) > 0 && len(before) == len(after) && &before[0] == &after[0] {
		return d
	}
	for len(before) > 0 && len(after) > 0 {
		was, b := &before[0], &after[0]
		switch order := strings.Compare(string(was.ID), string(b.ID)); {
		case order < 0:
			d.Removed, before = append(d.Removed, *was), before[1:]
			continue
		case order > 0:
			d.Added, after = append(d.Added, *b), after[1:]
			continue
		case !samePlace(was, b):
			d.Moved = append(d.Moved, *b)
		case !sameRecord(was, b):
			d.Changed = append(d.Changed, *b)
		}
		before, after = before[1:], after[1:]
	}
	d.Removed, d.Added = joined(d.Removed, before), joined(d.Added, after)
	return d
}

// joined is a list with more behind it; nothing is copied where that is all.
func joined(list, more []BMC) []BMC {
	if len(list) == 0 && len(more) > 0 {
		return slices.Clip(more)
	}
	return append(list, more...)
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
func sameRecord(a, b *BMC) bool {
	return a == b || a.ID == b.ID && samePlace(a, b) && a.Height == b.Height &&
		a.Vendor == b.Vendor && a.Model == b.Model && a.Serial == b.Serial && a.UUID == b.UUID &&
		a.Protocol == b.Protocol && a.Port == b.Port && a.Login == b.Login && a.Trust == b.Trust && maps.Equal(a.Labels, b.Labels)
}

// samePlace says whether two records say the same of where a BMC stands, and of the address that it has there.
func samePlace(a, b *BMC) bool {
	return a.Address == b.Address && a.Site == b.Site && a.Room == b.Room && a.Row == b.Row && a.Rack == b.Rack &&
		a.Unit == b.Unit && a.Face == b.Face && a.Slot == b.Slot && a.Chassis == b.Chassis
}

func compareID(a, b BMC) int { return strings.Compare(string(a.ID), string(b.ID)) }

// lookUpIn finds a BMC in a list by ID; nil: it is not there. Unlike a map it costs no memory.
func lookUpIn(list []BMC, id ID) *BMC {
	i := sort.Search(len(list), func(i int) bool { return list[i].ID >= id })
	if i == len(list) || list[i].ID != id {
		return nil
	}
	return &list[i]
}

// pointers are the records of a list.
func pointers(list []BMC) []*BMC {
	records := make([]*BMC, len(list))
	for i := range list {
		records[i] = &list[i]
	}
	return records
}

func byID(bmcs []BMC) map[ID]*BMC {
	index := make(map[ID]*BMC, len(bmcs))
	for i := range bmcs {
		index[bmcs[i].ID] = &bmcs[i]
	}
	return index
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
