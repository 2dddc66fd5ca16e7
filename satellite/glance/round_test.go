package glance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

// racks are n racks of 40, R0 to R(n-1), each in a subnet of its own.
func racks(n int) (all []inventory.BMC) {
	for rack := range n {
		for i := range 40 {
			all = append(all, at(inventory.ID(fmt.Sprintf("r%d-%02d", rack, i)), fmt.Sprint("R", rack), fmt.Sprintf("10.0.%d.%d", rack, 1+i)))
		}
	}
	return all
}

// half has each of two satellites own every second BMC.
func (s *site) half() {
	s.sats["sat-a"].owns = func(id inventory.ID) bool { return id[len(id)-1]%2 == 0 }
	s.sats["sat-b"].owns = func(id inventory.ID) bool { return id[len(id)-1]%2 == 1 }
}

func (s *site) finds(f func(inventory.BMC, checks.Name) error) {
	for _, one := range s.sats {
		one.finds = f
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestALookRoundFindsADeadRack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 256, racks(3)...)
		s.half()
		s.finds(func(bmc inventory.BMC, _ checks.Name) error {
			if bmc.Rack == "R1" {
				time.Sleep(lookFor)
				return errNoAnswer
			}
			return nil
		})
		s.sats["sat-a"].Broke("r1-00")
		pass(10 * time.Second)
		if asked, _ := s.soFar(); len(asked) != 0 {
			t.Fatalf("one BMC alone: asked %q", asked)
		}
		s.sats["sat-b"].Broke("r1-01")
		pass(2 * time.Second)
		asked, silent := s.soFar()
		if len(asked) != 40 || len(silent) != 40 {
			t.Errorf("asked %d of the 40 of the rack, %d are silent", len(asked), len(silent))
		}
		byOwner := func(line string) bool { return strings.HasPrefix(line, "sat-a") == (line[len(line)-1]%2 == 0) }
		for _, line := range slices.Concat(asked, silent) {
			if !strings.Contains(line, "r1-") || !byOwner(line) {
				t.Errorf("%s: not its owner, or not of the rack", line)
			}
		}
		s.sats["sat-a"].Broke("r1-02")
		pass(50 * time.Second)
		s.end()
		if len(s.asked) != 40 {
			t.Errorf("asked %d times within a minute, want 40: each once", len(s.asked))
		}
	})
}

func TestALookRoundCostsTheLivingAPingAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 10, racks(1)...)
		s.half()
		s.finds(well)
		s.sats["sat-a"].Broke("r0-00")
		s.sats["sat-a"].Broke("r0-02")
		pass(30 * time.Second)
		s.end()
		if len(s.asked) != 20 || len(s.silent) != 0 {
			t.Errorf("asked %d BMCs, want 10 by each satellite; rounds of %q", len(s.asked), s.silent)
		}
		for _, line := range s.asked {
			if !strings.Contains(line, " ping ") {
				t.Error(line)
			}
		}
	})
}

func TestALookRoundIsPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 256, racks(1)...)
		s.sats["sat-b"].owns = func(inventory.ID) bool { return false }
		s.finds(well)
		s.sats["sat-a"].Broke("r0-00")
		s.sats["sat-a"].Broke("r0-01")
		pass(105 * time.Millisecond)
		if asked, _ := s.soFar(); len(asked) != 11 {
			t.Errorf("asked %d within 105 ms, want one each 10 ms", len(asked))
		}
		pass(time.Second)
		s.end()
	})
}

func TestNobodyLooksRound(t *testing.T) {
	for name, test := range map[string]struct {
		most   int
		before func(s *site)
	}{
		"where that is not wanted":  {0, func(*site) {}},
		"who is not sure of itself": {256, func(s *site) { s.sats["sat-a"].dead, s.sats["sat-b"].dead = true, true }},
		"who owns nothing": {256, func(s *site) {
			none := func(inventory.ID) bool { return false }
			s.sats["sat-a"].owns, s.sats["sat-b"].owns = none, none
		}},
		"while all probes are stopped": {256, func(s *site) {
			for _, one := range s.sats {
				_ = one.Memory.SetStop(context.Background(), memory.Stop{On: true})
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, test.most, racks(1)...)
				test.before(s)
				s.sats["sat-a"].Broke("r0-00")
				s.sats["sat-b"].Broke("r0-01")
				pass(10 * time.Second)
				s.end()
				if len(s.asked)+len(s.silent) != 0 {
					t.Errorf("asked %q, rounds of %q", s.asked, s.silent)
				}
			})
		})
	}
}

func TestTroubleOfOurOwnIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 256, racks(1)...)
		s.finds(func(inventory.BMC, checks.Name) error { return errors.New("no socket") })
		s.sats["sat-a"].Broke("r0-00")
		s.sats["sat-a"].Broke("r0-01")
		pass(10 * time.Second)
		s.end()
		if len(s.silent) != 0 {
			t.Errorf("rounds of %q", s.silent)
		}
	})
}

// deaf is a bus that is away.
type deaf struct{ bus.Air }

func (deaf) Tell(context.Context, []byte) error { return errors.New("the bus is away") }

func TestWhoCannotTellLooksRoundAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 256, racks(1)...)
		s.half()
		s.sats["sat-a"].Air = deaf{s.air}
		s.finds(well)
		s.sats["sat-a"].Broke("r0-00")
		s.sats["sat-a"].Broke("r0-02")
		pass(10 * time.Second)
		s.end()
		if len(s.asked) != 20 {
			t.Errorf("asked %d BMCs, want the 20 of sat-a", len(s.asked))
		}
	})
}
