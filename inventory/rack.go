package inventory

import (
	"cmp"
	"fmt"
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
func (b *BMC) top() float64 { return b.Unit + cmp.Or(b.Height, 1) }

// misplaced says which column cannot be, when a server ends above its rack.
func misplaced(b *BMC) (column, text string) {
	hint := ""
	if b.Labels[RackHeightLabel] == "" { // our guess stands in their way
		hint = fmt.Sprintf(" (%s says another height)", RackHeightLabel)
	}
	switch {
	case b.Height > b.RackHeight():
		return "height", fmt.Sprintf("want at most the %v units of the rack%s, got %v", b.RackHeight(), hint, b.Height)
	case b.Unit != 0 && b.top() > b.RackHeight()+1:
		return "unit", fmt.Sprintf("want unit and height within a rack of %v units%s, got unit %v and height %v",
			b.RackHeight(), hint, b.Unit, cmp.Or(b.Height, 1))
	}
	return "", ""
}

// mostInARack is more than any rack has units, blades included: a rack with more BMCs is a default that somebody forgot.
const mostInARack = 2000

// Conflicts says which BMCs take the same units of a rack, by rack and unit, and of which no credential has a name. Several BMCs with slots share a chassis, and front
// and rear are two places, so that neither is a conflict. These are mistakes of the CMDB that hinder no check, therefore warnings.
func Conflicts(bmcs []BMC) []Conflict {
	var placed []*BMC
	for i := range bmcs {
		if b := &bmcs[i]; b.Rack != "" && b.Unit != 0 {
			placed = append(placed, b)
		}
	}
	slices.SortFunc(placed, func(a, b *BMC) int {
		return cmp.Or(compareRack(a, b), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.ID, b.ID))
	})
	var found []Conflict
	for len(placed) > 0 {
		n := 1
		for n < len(placed) && compareRack(placed[0], placed[n]) == 0 {
			n++
		}
		if n > mostInARack {
			name := rackName(placed[0])
			found = append(found, Conflict{Kind: SamePlace, BMCs: idsOf(placed[:n]), Text: fmt.Sprintf("rack %s has %d BMCs: is that the name of one rack?", name, n)})
		} else {
			found = append(found, overlaps(placed[:n])...)
		}
		placed = placed[n:]
	}
	return append(found, loginless(bmcs)...)
}

// compareRack orders BMCs by the rack that they stand in.
func compareRack(a, b *BMC) int {
	return cmp.Or(strings.Compare(a.Site, b.Site), strings.Compare(a.Room, b.Room), strings.Compare(a.Row, b.Row), strings.Compare(a.Rack, b.Rack))
}

func rackName(b *BMC) string {
	return strings.Join([]string{cmp.Or(b.Site, "-"), cmp.Or(b.Room, "-"), cmp.Or(b.Row, "-"), b.Rack}, "/")
}

// overlaps are those of BMCs of one rack, by unit, that are in the same place.
func overlaps(bmcs []*BMC) []Conflict {
	var found []Conflict
	for i, a := range bmcs {
		for _, b := range bmcs[i+1:] {
			if b.Unit >= a.top() {
				break
			}
			if collide(a, b) {
				found = append(found, Conflict{Kind: SamePlace, BMCs: []ID{a.ID, b.ID},
					Text: fmt.Sprintf("rack %s unit %v: %s and %s are in the same place", rackName(a), b.Unit, a.ID, b.ID)})
			}
		}
	}
	return found
}

// collide is for two BMCs whose units overlap. A face that is not known is the front.
func collide(a, b *BMC) bool {
	if cmp.Or(a.Face, "front") != cmp.Or(b.Face, "front") {
		return false
	}
	if a.Chassis != "" && a.Chassis == b.Chassis { // the chassis' own BMC has no slot
		return a.Slot == b.Slot && a.Slot != ""
	}
	return a.Slot == b.Slot || a.Slot == "" || b.Slot == ""
}
