package glance

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lamplighter/inventory"
)

func at(id inventory.ID, rack, addr string) inventory.BMC {
	return inventory.BMC{ID: id, Site: "ams1", Rack: rack, Address: netip.MustParseAddr(addr)}
}

func TestTheGroupsOfABMC(t *testing.T) {
	for name, test := range map[string]struct {
		bmc  inventory.BMC
		want string
	}{
		"a rack and a /24":                   {at("a", "R1", "10.0.7.9"), "R1 10.0.7.0/24"},
		"a /64":                              {at("a", "", "2001:db8:0:7::9"), "2001:db8:0:7::/64"},
		"an IPv4 address written as IPv6":    {at("a", "", "::ffff:10.0.7.9"), "10.0.7.0/24"},
		"a link-local address with its zone": {at("a", "", "fe80::9%eth0"), "fe80::/64"},
		"no address that is known":           {inventory.BMC{ID: "a", Rack: "R1"}, "R1"},
	} {
		var got []string
		for _, g := range groupsOf(test.bmc) {
			if g.rack != "" {
				got = append(got, g.rack)
			} else {
				got = append(got, g.subnet.String())
			}
		}
		if text := fmt.Sprint(got); text != "["+test.want+"]" {
			t.Errorf("%s: got %s, want %s", name, text, test.want)
		}
	}
}

func TestTwoOfAGroupWithinAMinuteCallForALookRound(t *testing.T) {
	type broke struct {
		after time.Duration
		bmc   inventory.BMC
		want  int // groups
	}
	a, b, c := at("a", "R1", "10.0.1.1"), at("b", "R1", "10.0.2.1"), at("c", "R2", "10.0.2.2")
	for name, all := range map[string][]broke{
		"one alone":                             {{0, a, 0}},
		"two of a rack":                         {{0, a, 0}, {time.Minute, b, 1}},
		"two of a subnet":                       {{0, b, 0}, {time.Second, c, 1}},
		"two of a rack and a third of a subnet": {{0, a, 0}, {time.Second, b, 1}, {time.Second, c, 1}},
		"two of a rack and a subnet":            {{0, a, 0}, {time.Second, at("d", "R1", "10.0.1.2"), 2}},
		"two that have nothing in common":       {{0, a, 0}, {time.Second, c, 0}},
		"too far apart":                         {{0, a, 0}, {time.Minute + 1, b, 0}},
		"the same twice":                        {{0, a, 0}, {time.Second, a, 0}},
		"a third soon after the second":         {{0, a, 0}, {time.Second, b, 1}, {59 * time.Second, at("d", "R1", "10.0.4.1"), 0}},
		"a third a minute after the second":     {{0, a, 0}, {time.Second, b, 1}, {time.Minute, at("d", "R1", "10.0.4.1"), 1}},
		"racks of one name in two rooms":        {{0, a, 0}, {time.Second, inventory.BMC{ID: "d", Site: "ams1", Room: "2", Rack: "R1"}, 0}},
	} {
		var g groups
		now := time.Now()
		for i, one := range all {
			now = now.Add(one.after)
			if got := g.breaks(one.bmc, now); len(got) != one.want {
				t.Errorf("%s: %d: look at %v, want %d groups", name, i, got, one.want)
			}
		}
	}
}

func TestWhomALookRoundAsks(t *testing.T) {
	fleet := []inventory.BMC{
		at("s1", "R9", "10.0.1.1"), at("s2", "R9", "10.0.1.2"), at("r2", "R1", "10.0.2.2"), at("r1", "R1", "10.0.3.1"), at("x", "R8", "10.0.9.1"),
	}
	look := groupsOf(at("a", "R1", "10.0.1.9"))
	yield := func(yield func(*inventory.BMC) bool) {
		for i := range fleet {
			if !yield(&fleet[i]) {
				return
			}
		}
	}
	now := time.Now()
	for name, test := range map[string]struct {
		most int
		want []inventory.ID
	}{
		"the rack comes first, then the subnet": {10, []inventory.ID{"r1", "r2", "s1", "s2"}},
		"no more than asked for":                {3, []inventory.ID{"r1", "r2", "s1"}},
		"none":                                  {0, nil},
	} {
		g := groups{asked: map[inventory.ID]time.Time{}}
		if got := g.pick(members(look, yield), test.most, now); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
	g := groups{asked: map[inventory.ID]time.Time{}}
	g.pick(members(look, yield), 2, now)
	if got := g.pick(members(look, yield), 10, now.Add(time.Second)); !slices.Equal(got, []inventory.ID{"s1", "s2"}) {
		t.Errorf("soon after: %v, want those that were not asked yet", got)
	}
	if got := g.pick(members(look, yield), 10, now.Add(time.Minute)); !slices.Equal(got, []inventory.ID{"r1", "r2"}) {
		t.Errorf("after a minute: %v, want those of the first look", got)
	}
}
