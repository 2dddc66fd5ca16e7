package main

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// dyingRack is a site of three racks, whose satellites come by once a minute, and one of which dies.
type dyingRack struct {
	*pair
	rack string
	died time.Time
}

func newDyingRack(t *testing.T, x *exchange) *dyingRack {
	t.Helper()
	fleet := simulate(t, bmcsim.Plan{Seed: 1, First: netip.AddrFrom4([4]byte{127, 20, 0, 1}),
		Sites: []bmcsim.Site{{Name: "rack", BMCs: 120, IPMI: 0.4, PerRack: 40}}})
	p := newPair(t, x, fleet, time.Minute, "")
	p.logs(t)
	return &dyingRack{pair: p, rack: fleet.BMCs()[50].Rack}
}

// die kills the rack.
func (d *dyingRack) die(t *testing.T) {
	t.Helper()
	d.died = time.Now()
	for _, bmc := range d.BMCs() {
		if bmc.Rack == d.rack {
			if _, err := d.Set(string(bmc.ID), bmcsim.Dead); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// known is when each BMC of the rack was first found dead, in order.
func (d *dyingRack) known(t *testing.T) (order []time.Time) {
	t.Helper()
	first := map[inventory.ID]time.Time{}
	for _, v := range d.verdicts(t) {
		if at, known := first[v.BMC]; v.Health == checks.Unavailable && (!known || v.At.Before(at)) {
			first[v.BMC] = v.At
		}
	}
	for _, at := range first {
		order = append(order, at)
	}
	slices.SortFunc(order, time.Time.Compare)
	return order
}

// wantKnownWhole waits until the rack is known whole, and holds how long that took, and who was accused, against what was broken.
func (d *dyingRack) wantKnownWhole(t *testing.T) {
	t.Helper()
	eventually(t, 60*time.Second, "a verdict of each BMC of the rack", func() bool { return len(d.known(t)) >= 40 })
	order := d.known(t)
	t.Logf("the second was known %v after the rack died, all %v later", order[1].Sub(d.died), order[39].Sub(order[1]))
	if took := order[39].Sub(order[1]); took > 15*time.Second {
		t.Errorf("the rack was known whole %v after its second BMC", took)
	}
	for _, v := range d.verdicts(t) {
		if v.Health == checks.Unavailable && v.Rack != d.rack || v.Health != checks.Unavailable && v.Rack == d.rack && v.Round.Due.After(d.died) {
			t.Errorf("%s of rack %s: %s by %s", v.Round, v.Rack, v.Health, v.Reason)
		}
	}
}
