package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// RackHeight is the height of the BMC's rack in units.
func (b BMC) RackHeight() float64 {
	if n, err := parseUnits(b.Labels[RackHeightLabel]); err == nil && n >= 1 {
		return n
	}
	return DefaultRackHeight
}

// top is the first unit above the BMC's server; a server of unknown height is taken to be one unit high.
func (b BMC) top() float64 { return b.Unit + cmp.Or(b.Height, 1) }

// misplaced says which column cannot be, when a server ends above its rack.
func misplaced(b BMC) (column, text string) {
	switch {
	case b.Height > b.RackHeight():
		return "height", fmt.Sprintf("want at most the %v units of the rack, got %v", b.RackHeight(), b.Height)
	case b.Unit != 0 && b.top() > b.RackHeight()+1:
		return "unit", fmt.Sprintf("want unit and height within a rack of %v units, got unit %v and height %v",
			b.RackHeight(), b.Unit, cmp.Or(b.Height, 1))
	}
	return "", ""
}

// mostInARack is more than any rack has units, blades included: a rack with more BMCs is a default that somebody forgot.
const mostInARack = 2000

// Conflicts says which BMCs take the same units of a rack, by rack and unit. Several BMCs with slots share a chassis, and front
// and rear are two places, so that neither is a conflict. These are mistakes of the CMDB that hinder no check, therefore warnings.
func Conflicts(bmcs []BMC) []Conflict {
	racks := map[string][]BMC{}
	for _, b := range bmcs {
		if b.Rack != "" && b.Unit != 0 {
			rack := strings.Join([]string{cmp.Or(b.Site, "-"), cmp.Or(b.Room, "-"), cmp.Or(b.Row, "-"), b.Rack}, "/")
			racks[rack] = append(racks[rack], b)
		}
	}
	var found []Conflict
	for _, name := range slices.Sorted(maps.Keys(racks)) {
		if in := racks[name]; len(in) > mostInARack {
			found = append(found, Conflict{Kind: SamePlace, BMCs: idsOf(in), Text: fmt.Sprintf("rack %s has %d BMCs: is that the name of one rack?", name, len(in))})
			continue
		}
		found = append(found, overlaps(name, racks[name])...)
	}
	return found
}

func overlaps(rack string, bmcs []BMC) []Conflict {
	slices.SortStableFunc(bmcs, func(a, b BMC) int { return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.ID, b.ID)) })
	var found []Conflict
	for i, a := range bmcs {
		for _, b := range bmcs[i+1:] {
			if b.Unit >= a.top() {
				break
			}
			if collide(a, b) {
				found = append(found, Conflict{Kind: SamePlace, BMCs: []ID{a.ID, b.ID},
					Text: fmt.Sprintf("rack %s unit %v: %s and %s are in the same place", rack, b.Unit, a.ID, b.ID)})
			}
		}
	}
	return found
}

// collide is for two BMCs whose units overlap. A face that is not known is the front.
func collide(a, b BMC) bool {
	if cmp.Or(a.Face, "front") != cmp.Or(b.Face, "front") {
		return false
	}
	if a.Chassis != "" && a.Chassis == b.Chassis { // the chassis' own BMC has no slot
		return a.Slot == b.Slot && a.Slot != ""
	}
	return a.Slot == b.Slot || a.Slot == "" || b.Slot == ""
}
