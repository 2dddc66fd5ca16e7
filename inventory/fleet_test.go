package inventory

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

func bmcs(from, to int) []BMC {
	var list []BMC
	for i := to; i >= from; i-- { // unsorted on purpose
		list = append(list, BMC{ID: ID(fmt.Sprintf("b%03d", i)), Address: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Protocol: Auto, Login: DefaultLogin})
	}
	return list
}

func TestDiffOf(t *testing.T) {
	old := bmcs(1, 5)
	now := bmcs(2, 7)
	now[len(now)-1].Model = "R650"                             // b002
	now[len(now)-2].Rack = "A2"                                // b003
	now[len(now)-3].Address = netip.MustParseAddr("10.9.9.9")  // b004
	now[len(now)-3].Labels = map[string]string{"tenant": "me"} // moved, and not changed too
	d := DiffOf(old, now)
	names := func(list []BMC) string {
		var ids []string
		for _, b := range list {
			ids = append(ids, string(b.ID))
		}
		return strings.Join(ids, " ")
	}
	got := names(d.Added) + " | " + names(d.Removed) + " | " + names(d.Changed) + " | " + names(d.Moved)
	if got != "b006 b007 | b001 | b002 | b003 b004" {
		t.Error(got)
	}
	if d.Empty() || !DiffOf(old, bmcs(1, 5)).Empty() || d.String() != "2 added, 1 removed, 1 changed, 2 moved" {
		t.Error(d)
	}
}

func TestAFleetRefusesWhatIsNotASetOfBMCs(t *testing.T) {
	var f Fleet
	if _, err := f.Set(bmcs(1, 2)); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string][]BMC{
		"a BMC twice":           append(bmcs(1, 2), bmcs(1, 1)...),
		"a BMC without address": append(bmcs(1, 2), BMC{ID: "x"}),
		"a BMC without ID":      append(bmcs(1, 2), BMC{Address: netip.IPv6Loopback()}),
	} {
		if _, err := f.Set(list); err == nil || f.Len() != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFind(t *testing.T) {
	var f Fleet
	if _, ok := f.Find("b001"); ok || f.BMCs() != nil {
		t.Error("an empty fleet has a BMC")
	}
	list := append(bmcs(1, 3), BMC{ID: "10.0.0.2", Address: netip.MustParseAddr("10.0.0.9")},
		BMC{ID: "p1", Address: netip.MustParseAddr("127.0.0.1"), Port: 1}, BMC{ID: "p2", Address: netip.MustParseAddr("127.0.0.1"), Port: 2})
	if _, err := f.Set(list); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]ID{
		"b001": "b001", "10.0.0.1": "b001", "::ffff:10.0.0.1": "b001", "10.0.0.2": "10.0.0.2", "10.0.0.9": "10.0.0.2", "p2": "p2", "127.0.0.1": "", "b009": "", "": "",
	} {
		if b, ok := f.Find(key); b.ID != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", key, b.ID, ok)
		}
	}
	if b, ok := f.Get("p1"); !ok || b.Port != 1 || f.BMCs()[0].ID != "10.0.0.2" {
		t.Errorf("got %v, %v; first %v", b, ok, f.BMCs()[0])
	}
}

func TestAFleetIsReadWhileItIsReplaced(t *testing.T) {
	var f Fleet
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 50 {
				if _, err := f.Set(bmcs(1, 100+i*10+j%3)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 200 {
				if all := f.BMCs(); len(all) > 0 {
					if _, ok := f.Find("b001"); !ok {
						t.Error("b001 is missing")
					}
				}
			}
		})
	}
	wg.Wait()
}
