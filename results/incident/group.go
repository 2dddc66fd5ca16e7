package incident

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"lamplighter/results"
)

// place names a group: what kind, and which.
type place struct {
	kind results.CauseKind
	key  string
}

// group is BMCs that have something in common which may fail as a whole.
type group struct {
	place
	name  string
	wider *group         // the group of the same sort that it is a part of; nil: none
	parts map[*group]int // the groups that are parts of it, and how many BMCs each brings
	bmcs  []*bmc
	ill   map[*bmc]bool // those that have any trouble, or of which nothing is known
	us    bool          // only what we do has it in common
}

// seat is a BMC's place in a group.
type seat struct {
	*group
	at int
}

// sameGroups says that a BMC has in common with others what it had before.
func sameGroups(a, b BMC) bool {
	s, t := a.State, b.State
	if s.Site != t.Site || s.Rack != t.Rack || s.Row != t.Row || s.Room != t.Room || s.Address != t.Address || s.Vendor != t.Vendor ||
		s.Satellite != t.Satellite || a.Login != b.Login || len(a.Facts) != len(b.Facts) {
		return false
	}
	if len(a.Facts) > 0 && &a.Facts[0] == &b.Facts[0] {
		return true
	}
	for i := range a.Facts {
		if a.Facts[i].Value != b.Facts[i].Value || a.Facts[i].Name != b.Facts[i].Name {
			return false
		}
	}
	return true
}

// sit gives a BMC its seats in the groups that it belongs to.
func (e *Engine) sit(b *bmc, now BMC) {
	e.stand(b)
	b.speaks = fact(now, "protocol")
	e.join(b, e.fleet)
	for _, ladder := range ladders(now) {
		e.climb(b, ladder)
	}
}

// climb gives a BMC its seats on a ladder, the narrowest group first.
func (e *Engine) climb(b *bmc, ladder []step) {
	groups := make([]*group, len(ladder))
	var wider *group
	for i, step := range slices.Backward(ladder) {
		g := e.groups[step.place]
		if g == nil {
			g = &group{place: step.place, name: step.name, wider: wider, parts: map[*group]int{}, us: step.us}
			e.groups[step.place] = g
		}
		if wider != nil {
			wider.parts[g]++
		}
		groups[i], wider = g, g
	}
	for _, g := range groups {
		e.join(b, g)
	}
}

func (e *Engine) join(b *bmc, g *group) {
	b.seats = append(b.seats, seat{g, len(g.bmcs)})
	g.bmcs = append(g.bmcs, b)
}

// mark notes among the ill of its groups whether a BMC has any trouble: most have none, and nobody has to look at them to count who fails.
func (e *Engine) mark(b *bmc) {
	ill := ailing(b.State)
	if ill == b.ill {
		return
	}
	b.ill = ill
	for _, s := range b.seats {
		if !ill {
			delete(s.ill, b)
			continue
		}
		if s.ill == nil {
			s.group.ill = map[*bmc]bool{}
		}
		s.ill[b] = true
	}
}

// ailing says that a BMC may fail by some trouble, of its own or of ours.
func ailing(s *results.State) bool {
	blind, _ := blindBy(s)
	return hardClass(s) != "" || s.Soft != nil && classOf(s.Soft.Belief) != "" || blind != ""
}

// stand takes a BMC out of all groups. A group without BMCs is no more.
func (e *Engine) stand(b *bmc) {
	for _, s := range b.seats {
		g, last := s.group, len(s.bmcs)-1
		moved := g.bmcs[last]
		g.bmcs[s.at] = moved
		moved.seats[slices.IndexFunc(moved.seats, func(other seat) bool { return other.group == g })].at = s.at
		g.bmcs[last] = nil
		g.bmcs = g.bmcs[:last]
		delete(g.ill, b)
		if w := g.wider; w != nil {
			if w.parts[g]--; w.parts[g] == 0 {
				delete(w.parts, g)
			}
		}
		if last == 0 && g != e.fleet {
			delete(e.groups, g.place)
		}
	}
	b.seats, b.ill = b.seats[:0], false
}

func fact(b BMC, name string) string { return results.FactNamed(b.Facts, name) }

// step is a group on a ladder of groups, from the narrowest to the widest.
type step struct {
	place
	name string
	us   bool
}

func named(kind results.CauseKind, key, name string) step {
	return step{place: place{kind, key}, name: name}
}

// ladders are the groups that a BMC belongs to. A wider one fails only where several of its parts do.
func ladders(b BMC) [][]step {
	s := b.State
	all := [][]step{places(s), satellites(s), {{place{results.CauseKeyring, s.Site}, "keyring" + within(s.Site), true}}}
	if subnet := subnetOf(s.Address); subnet != "" {
		all = append(all, []step{named(results.CauseSubnet, subnet, "subnet "+subnet)},
			[]step{{place{results.CausePath, s.Site + "/" + s.Satellite + "/" + subnet}, "the path from " + s.Satellite + " to " + subnet, true}})
	}
	if version := fact(b, "credential_version"); b.Login != "" {
		all = append(all, []step{named(results.CauseCredential, s.Site+"/"+b.Login, "credential "+b.Login+within(s.Site)),
			named(results.CauseCredential, b.Login, "credential "+b.Login)})
	} else if version != "" {
		all = append(all, []step{named(results.CauseCredential, s.Site+"/#"+version, "credential of version "+version+within(s.Site))})
	}
	if made := madeOf(b); made != "" {
		all = append(all, []step{named(results.CauseFirmware, s.Site+"/"+made, made+within(s.Site)), named(results.CauseFirmware, made, made)})
	}
	if issuer := fact(b, "cert_issuer"); issuer != "" && issuer != fact(b, "cert_subject") {
		day, _, _ := strings.Cut(fact(b, "cert_not_after"), "T")
		all = append(all, []step{named(results.CauseIssuer, issuer+" until "+day, "certificates of "+issuer+" that end "+day),
			named(results.CauseIssuer, issuer, "certificates of "+issuer)})
	}
	return all
}

// places are the rack, row, room and site, as far as the inventory has them.
func places(s *results.State) (ladder []step) {
	if s.Rack != "" {
		ladder = append(ladder, named(results.CauseRack, join(s.Site, s.Room, s.Row, s.Rack), "rack "+s.Rack+within(s.Site, "room", s.Room, "row", s.Row)))
	}
	if s.Row != "" {
		ladder = append(ladder, named(results.CauseRow, join(s.Site, s.Room, s.Row), "row "+s.Row+within(s.Site, "room", s.Room)))
	}
	if s.Room != "" {
		ladder = append(ladder, named(results.CauseRoom, join(s.Site, s.Room), "room "+s.Room+within(s.Site)))
	}
	if s.Site != "" {
		ladder = append(ladder, named(results.CauseSite, s.Site, "site "+s.Site))
	}
	return ladder
}

func join(parts ...string) string { return strings.Join(parts, "/") }

// within says in brackets where something is.
func within(site string, more ...string) string {
	all := []string{site}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			all = append(all, more[i]+" "+more[i+1])
		}
	}
	if all = slices.DeleteFunc(all, func(s string) bool { return s == "" }); len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// subnetOf is the network that an address is taken to be in: nobody tells us its size.
func subnetOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	bits := 64
	if a = a.Unmap(); a.Is4() {
		bits = 24
	}
	prefix, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return prefix.String()
}

// madeOf is vendor and firmware; where the firmware is not known, the version of Redfish stands for it.
func madeOf(b BMC) string {
	vendor := cmp.Or(b.State.Vendor, fact(b, "vendor"), fact(b, "redfish_vendor"))
	if firmware := fact(b, "firmware"); firmware != "" {
		return strings.TrimSpace(vendor + " firmware " + firmware)
	}
	if version := fact(b, "redfish_version"); version != "" {
		return strings.TrimSpace(vendor + " " + cmp.Or(b.State.Model, fact(b, "model")) + " with Redfish " + version)
	}
	return ""
}

// allSatellites tells the group of all satellites of a site from the site.
const allSatellites = "/satellites"

// satellites are who asks a BMC, and all that ask the site's.
func satellites(s *results.State) (ladder []step) {
	if s.Satellite == "" {
		return nil
	}
	return []step{{place{results.CauseSatellite, s.Site + "/" + s.Satellite}, "satellite " + s.Satellite + within(s.Site), true},
		{place{results.CauseSite, s.Site + allSatellites}, "all satellites of " + s.Site, true}}
}

// cause is the group as a cause.
func (g *group) cause() results.Cause {
	return results.Cause{Kind: g.kind, Key: strings.TrimSuffix(g.key, allSatellites), Name: g.name}
}
