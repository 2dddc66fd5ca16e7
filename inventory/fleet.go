package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
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
}

// Empty says whether nothing differs.
func (d Diff) Empty() bool { return len(d.Added)+len(d.Removed)+len(d.Changed)+len(d.Moved) == 0 }

// String counts.
func (d Diff) String() string {
	return fmt.Sprintf("%d added, %d removed, %d changed, %d moved", len(d.Added), len(d.Removed), len(d.Changed), len(d.Moved))
}

// DiffOf compares two lists by ID. The lists of a Diff are sorted by ID and hold the new records, Removed the old.
func DiffOf(old, now []BMC) Diff {
	before, after := byID(old), byID(now)
	var d Diff
	for id, b := range after {
		was, known := before[id]
		switch {
		case !known:
			d.Added = append(d.Added, b)
		case place(was) != place(b):
			d.Moved = append(d.Moved, b)
		case was.Rev() != b.Rev():
			d.Changed = append(d.Changed, b)
		}
	}
	for id, b := range before {
		if _, kept := after[id]; !kept {
			d.Removed = append(d.Removed, b)
		}
	}
	for _, list := range [][]BMC{d.Added, d.Removed, d.Changed, d.Moved} {
		slices.SortFunc(list, compareID)
	}
	return d
}

func compareID(a, b BMC) int { return strings.Compare(string(a.ID), string(b.ID)) }

func byID(bmcs []BMC) map[ID]BMC {
	index := make(map[ID]BMC, len(bmcs))
	for _, b := range bmcs {
		index[b.ID] = b
	}
	return index
}

// place is where a BMC stands, and the address it has there.
func place(b BMC) any {
	type standing struct {
		address                              netip.Addr
		site, room, row, rack, chassis, slot string
		unit                                 float64
		face                                 string
	}
	return standing{b.Address, b.Site, b.Room, b.Row, b.Rack, b.Chassis, b.Slot, b.Unit, b.Face}
}

// A source that answers with far too little is broken more often than a site is emptied in one go.
const (
	shrinkPercent = 10
	shrinkBMCs    = 5
)

// ErrShrunk is a list that Fleet refused because too many BMCs were missing from it.
var ErrShrunk = errors.New("too many BMCs are gone at once")

// Fleet is the current set of BMCs. Its zero value is empty. Any number of goroutines may use it at once; the lists that it
// hands out are never written again, by it or by whoever got them.
type Fleet struct{ current atomic.Pointer[snapshot] }

// snapshot is one state of a fleet. It is never changed.
type snapshot struct {
	bmcs      []BMC // by ID
	byID      map[ID]BMC
	byAddress map[netip.Addr][]ID
}

func newSnapshot(bmcs []BMC) (*snapshot, error) {
	s := &snapshot{slices.Clone(bmcs), byID(bmcs), map[netip.Addr][]ID{}}
	slices.SortFunc(s.bmcs, compareID)
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

// Replace makes bmcs the current set and says what that changed. A list that is suddenly much shorter, or not a list of
// distinct BMCs, is refused, and the set that was stays; a list that is meant to be short goes to Force.
func (f *Fleet) Replace(bmcs []BMC) (Diff, error) { return f.replace(bmcs, refuseShrunk) }

// Force is Replace for a person who knows that so many BMCs are gone.
func (f *Fleet) Force(bmcs []BMC) (Diff, error) {
	return f.replace(bmcs, func([]BMC, Diff) error { return nil })
}

func (f *Fleet) replace(bmcs []BMC, allow func([]BMC, Diff) error) (Diff, error) {
	next, err := newSnapshot(bmcs)
	if err != nil {
		return Diff{}, fmt.Errorf("replace the fleet: %w", err)
	}
	for {
		old := f.current.Load()
		var was []BMC
		if old != nil {
			was = old.bmcs
		}
		diff := DiffOf(was, next.bmcs)
		if err := allow(was, diff); err != nil {
			return Diff{}, fmt.Errorf("replace the fleet: %w", err)
		}
		if f.current.CompareAndSwap(old, next) {
			return diff, nil
		}
	}
}

// refuseShrunk refuses an empty answer, and one that misses more than a tenth and at least five BMCs.
func refuseShrunk(was []BMC, d Diff) error {
	gone := len(d.Removed)
	emptied := gone > 0 && gone == len(was) && len(d.Added) == 0
	if emptied || gone >= shrinkBMCs && gone*100 > len(was)*shrinkPercent {
		return fmt.Errorf("%w: %d of %d (the first is %s); the list before stays", ErrShrunk, gone, len(was), d.Removed[0].ID)
	}
	return nil
}

// Sync replaces the current set by what a source has now. On an error the set that was stays.
func (f *Fleet) Sync(ctx context.Context, from Source) (Diff, error) {
	bmcs, err := from.BMCs(ctx)
	if err != nil {
		return Diff{}, fmt.Errorf("sync the fleet: %w", err)
	}
	return f.Replace(bmcs)
}

// BMCs are all BMCs by ID. Do not write to the list.
func (f *Fleet) BMCs() []BMC { return f.snapshot().bmcs }

// Len is how many BMCs there are.
func (f *Fleet) Len() int { return len(f.snapshot().bmcs) }

// Get finds a BMC by ID.
func (f *Fleet) Get(id ID) (BMC, bool) {
	b, ok := f.snapshot().byID[id]
	return b, ok
}

// Find finds a BMC by what a person typed: its ID, or an address that only one BMC has.
func (f *Fleet) Find(key string) (BMC, bool) {
	s := f.snapshot()
	if b, ok := s.byID[ID(key)]; ok {
		return b, true
	}
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return BMC{}, false
	}
	if ids := s.byAddress[addr.Unmap()]; len(ids) == 1 {
		return s.byID[ids[0]], true
	}
	return BMC{}, false
}
