package checks

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/inventory"
)

// TestAnOutageIsNeverProofOfSight runs random probes, answers and outages: Seen needs a moment of an uplink that was up, and
// an answer of another rack, within the window.
func TestAnOutageIsNeverProofOfSight(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomOutage(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func randomOutage(t *testing.T, r *rand.Rand) {
	var fleet []inventory.BMC
	for n := range 2 + r.IntN(30) {
		fleet = append(fleet, inRack(string(rune('A'+r.IntN(4))), n))
	}
	a := living()
	rackAlive := string(rune('A' + r.IntN(4)))
	for _, bmc := range fleet {
		if bmc.Rack == rackAlive || r.IntN(3) == 0 {
			a.alive[bmc.Address] = true
		}
	}
	s := NewSight(fleet, nil, a.ask)
	start := time.Now()
	downFrom, downTo := time.Duration(r.IntN(6000))*time.Millisecond, time.Duration(0)
	downTo = downFrom + time.Duration(r.IntN(8000))*time.Millisecond
	var all sync.WaitGroup
	all.Go(func() {
		time.Sleep(downFrom)
		a.down.Store(true)
		time.Sleep(downTo - downFrom)
		a.down.Store(false)
	})
	for range 60 { // answers of other rounds, as they come
		bmc, at := fleet[r.IntN(len(fleet))], time.Duration(r.IntN(14000))*time.Millisecond
		all.Go(func() {
			time.Sleep(at)
			if !a.down.Load() && a.alive[bmc.Address] {
				s.Answered(bmc, time.Now())
			}
		})
	}
	for range 40 {
		bmc, at, probe := fleet[r.IntN(len(fleet))], time.Duration(r.IntN(10000))*time.Millisecond, time.Duration(r.IntN(4000))*time.Millisecond
		all.Go(func() {
			time.Sleep(at)
			opened := time.Since(start)
			proof := s.Watch(t.Context(), bmc)
			time.Sleep(probe)
			p := proof()
			closed := time.Since(start)
			if p.Seen && opened > downFrom && closed < downTo {
				t.Errorf("window %v-%v of %s within the outage %v-%v: %+v", opened, closed, bmc.ID, downFrom, downTo, p)
			}
			if took := closed - opened; p.Seen && took > shortestWindow && opened > downFrom && opened+probe/3 < downTo && probe >= shortestWindow {
				t.Errorf("window %v-%v of %s began in the outage %v-%v, which lasted until its question was lost: %+v", opened, closed, bmc.ID, downFrom, downTo, p)
			}
			if p.Seen && !anotherLives(fleet, a, bmc) {
				t.Errorf("nobody of another rack lives, yet %s: %+v", bmc.ID, p)
			}
		})
	}
	all.Wait()
}

func anotherLives(fleet []inventory.BMC, a *asker, than inventory.BMC) bool {
	for _, bmc := range fleet {
		if a.alive[bmc.Address] && bmc.Rack != than.Rack {
			return true
		}
	}
	return false
}
