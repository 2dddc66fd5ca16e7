package glance

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"lamplighter/inventory"
)

const (
	// together is within what time two BMCs of a group must break for a look round.
	together = time.Minute
	// lookAgain is for how long the same group, and the same BMC, is not looked at again.
	lookAgain = time.Minute
)

// group is what one fault takes away at once: a rack, or a subnet.
type group struct {
	site, room, rack string
	subnet           netip.Prefix
}

// groupsOf are the groups that a BMC is in, the smaller first: its rack, where it is known, and its subnet, a /24 or a /64.
func groupsOf(bmc inventory.BMC) (all []group) {
	if bmc.Rack != "" {
		all = append(all, group{site: bmc.Site, room: bmc.Room, rack: bmc.Rack})
	}
	addr, bits := bmc.Address.Unmap().WithZone(""), 64
	if addr.Is4() {
		bits = 24
	}
	if subnet, err := addr.Prefix(bits); err == nil && subnet.IsValid() {
		all = append(all, group{site: bmc.Site, subnet: subnet})
	}
	return all
}

// groups decides when a look round is due, and whom it asks. It only computes: whoever has it tells it what broke, and when.
type groups struct {
	broke  map[group]broken
	looked map[group]time.Time
	asked  map[inventory.ID]time.Time // by look rounds
}

// broken is the last BMC of a group that broke.
type broken struct {
	bmc inventory.ID
	at  time.Time
}

// breaks takes in that a BMC broke, and says which groups should be looked at now: those that had another break within a minute.
func (g *groups) breaks(bmc inventory.BMC, now time.Time) (look []group) {
	if g.broke == nil {
		g.broke, g.looked, g.asked = map[group]broken{}, map[group]time.Time{}, map[inventory.ID]time.Time{}
	}
	for _, one := range groupsOf(bmc) {
		last, known := g.broke[one]
		g.broke[one] = broken{bmc.ID, now}
		looked, again := g.looked[one]
		if known && last.bmc != bmc.ID && now.Sub(last.at) <= together && (!again || now.Sub(looked) >= lookAgain) {
			g.looked[one] = now
			look = append(look, one)
		}
	}
	return look
}

// candidate is a BMC that a look round may ask, and which of the groups it is in, the first counts.
type candidate struct {
	bmc   inventory.ID
	group int
}

// members are the BMCs of the groups.
func members(look []group, fleet func(yield func(*inventory.BMC) bool)) (all []candidate) {
	for bmc := range fleet {
		if i := slices.IndexFunc(look, func(one group) bool { return slices.Contains(groupsOf(*bmc), one) }); i >= 0 {
			all = append(all, candidate{bmc.ID, i})
		}
	}
	return all
}

// pick chooses whom to ask: those of the first group first, at most most, none twice within lookAgain.
func (g *groups) pick(all []candidate, most int, now time.Time) (picked []inventory.ID) {
	maps.DeleteFunc(g.asked, func(_ inventory.ID, at time.Time) bool { return now.Sub(at) >= lookAgain })
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.bmc, b.bmc)) })
	for _, one := range all {
		if _, asked := g.asked[one.bmc]; !asked && len(picked) < most {
			g.asked[one.bmc] = now
			picked = append(picked, one.bmc)
		}
	}
	return picked
}
