package run_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/run"
)

// pair is a site of two satellites. What does not answer whom can be told.
type pair struct {
	t     *testing.T
	fleet []inventory.BMC
	book  book
	sats  []*run.Satellite

	mu    sync.Mutex // guards the following
	mute  func(satellite string, bmc inventory.BMC) bool
	asked map[string]int // "ping", "tls" ...
}

// racked is n BMCs in racks of 40, each rack in a subnet of its own.
func racked(n int) (all []inventory.BMC) {
	for i := range n {
		all = append(all, inventory.BMC{
			ID: inventory.ID(fmt.Sprintf("b%04d", i)), Site: "ams1", Rack: fmt.Sprint("R", i/40), Address: netip.AddrFrom4([4]byte{10, 0, byte(i / 40), byte(1 + i%40)}),
		})
	}
	return all
}

func newPair(t *testing.T, n int, interval time.Duration, names ...string) (p *pair, stop func()) {
	t.Helper()
	p = &pair{t: t, fleet: racked(n), mute: func(string, inventory.BMC) bool { return false }, asked: map[string]int{}}
	over, hellos, talk := new(bus.Memory), new(bus.Memory), new(bus.Memory)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, name := range names {
		s := satellite(t, &p.book, func(c *run.Config) {
			c.Name, c.Prefix, c.Bus, c.Interval, c.Chain, c.Look, c.Memory = name, "ams1", over, interval, p.chain(name), 256, shared(t, over, name)
			if len(names) > 1 {
				c.Air, c.Talk = hellos, talk
			}
		})
		s.Set(p.fleet)
		p.sats = append(p.sats, s)
		running.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return p, func() { cancel(); running.Wait() }
}

func shared(t *testing.T, log bus.Log, name string) *memory.Memory {
	t.Helper()
	m, err := memory.OpenShared(memory.Shared{Log: log, Name: "ams1.memory", Satellite: name, Path: t.TempDir() + "/memory"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (p *pair) chain(name string) checks.Chain {
	all := chain()
	for i, check := range all {
		answer := check.Run
		all[i].Run = func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
			p.mu.Lock()
			p.asked[string(check.Name)]++
			mute := p.mute(name, v.BMC)
			p.mu.Unlock()
			if mute {
				<-ctx.Done()
				return checks.Finding{}, checks.Blame(checks.NetTimeout, fmt.Errorf("ask %s: %w", v.BMC.Address, ctx.Err()))
			}
			return answer(ctx, v)
		}
	}
	return all
}

func (p *pair) lose(mute func(satellite string, bmc inventory.BMC) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = mute
}

func (p *pair) handshakes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[string(checks.TLS)]
}

// since are the verdicts from then on.
func (p *pair) since(t time.Time) []results.Verdict {
	return slices.DeleteFunc(p.book.all(), func(v results.Verdict) bool { return v.At.Before(t) })
}

func TestARouteThatOneOfTwoLostAccusesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := newPair(t, 120, time.Minute, "sat-a", "sat-b")
		pass(2 * time.Minute)
		lost := time.Now()
		p.lose(func(satellite string, bmc inventory.BMC) bool { return satellite == "sat-b" && bmc.Rack == "R1" })
		pass(8 * time.Minute)
		stop()
		reasons, states := map[checks.Reason]int{}, map[inventory.ID]results.State{}
		for _, v := range p.since(lost) {
			reasons[v.Reason]++
			states[v.BMC], _ = results.Apply(states[v.BMC], v, 1, false)
			last := v.Trail[len(v.Trail)-1]
			switch disagree := v.Reason == checks.SelfPath; {
			case v.Health == checks.Unavailable || states[v.BMC].Health == checks.Unavailable || states[v.BMC].Soft != nil:
				t.Errorf("%s: %s by %s, and the state is %s", v.Round, v.Health, v.Reason, states[v.BMC].Health)
			case disagree && (v.Rack != "R1" || v.Satellite != "sat-b"):
				t.Errorf("%s of rack %s by %s: %s", v.Round, v.Rack, v.Satellite, v.Reason)
			case disagree && (!strings.Contains(last.Error, "by sat-b") || !strings.Contains(last.Error, "sat-a got an answer")):
				t.Errorf("%s: %q: want both names", v.Round, last.Error)
			case !disagree && v.Health != checks.Available:
				t.Errorf("%s of rack %s by %s: %s by %s", v.Round, v.Rack, v.Satellite, v.Health, v.Reason)
			}
		}
		if reasons[checks.SelfPath] < 6*20 || reasons[""] < 6*100 {
			t.Errorf("verdicts by reason: %v", reasons)
		}
	})
}

func TestADeadRackIsKnownWholeInSeconds(t *testing.T) {
	for _, names := range [][]string{{"sat-a", "sat-b"}, {"sat-a"}} {
		t.Run(strings.Join(names, " and "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, stop := newPair(t, 200, 5*time.Minute, names...)
				pass(6 * time.Minute)
				died := time.Now()
				asked := p.handshakes()
				p.lose(func(_ string, bmc inventory.BMC) bool { return bmc.Rack == "R1" })
				pass(3 * time.Minute)
				stop()
				failed := map[inventory.ID]time.Time{}
				var order []time.Time
				rounds := map[inventory.ID]int{}
				for _, v := range p.since(died) {
					if (v.Rack == "R1") != (v.Health == checks.Unavailable) && v.At.After(died.Add(30*time.Second)) {
						t.Errorf("%s of rack %s: %s by %s", v.Round, v.Rack, v.Health, v.Reason)
					}
					if v.Health != checks.Unavailable {
						continue
					}
					if _, known := failed[v.BMC]; !known {
						failed[v.BMC] = v.At
						order = append(order, v.At)
					}
					rounds[v.BMC]++
				}
				slices.SortFunc(order, time.Time.Compare)
				if len(order) != 40 || order[39].Sub(order[1]) > 15*time.Second {
					t.Fatalf("%d of the 40 known, the last %v after the second", len(order), order[len(order)-1].Sub(order[1]))
				}
				t.Logf("known whole %v after its second", order[39].Sub(order[1]))
				for bmc, n := range rounds {
					if n < 3 || n > 4 {
						t.Errorf("%s: %d failed rounds in three minutes, want three, and a routine one at most", bmc, n)
					}
				}
				if handshakes := p.handshakes() - asked; handshakes > 130 {
					t.Errorf("%d handshakes in three minutes of the 160 that live, each every five", handshakes)
				}
			})
		})
	}
}

// A look round does not slow the routine rounds of those that live.
func TestALookRoundDelaysNoLivingBMC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := newPair(t, 600, time.Minute, "sat-a", "sat-b")
		pass(90 * time.Second)
		died := time.Now()
		p.lose(func(_ string, bmc inventory.BMC) bool { return bmc.Rack == "R7" })
		pass(2 * time.Minute)
		stop()
		late := time.Duration(0)
		for _, v := range p.since(died) {
			if v.Health == checks.Available && v.Round.Why == checks.Routine {
				late = max(late, v.At.Sub(v.Round.Due))
			}
		}
		if late > 2*time.Second {
			t.Errorf("a living BMC's verdict came %v after its round was due", late)
		}
	})
}

// pass lets time pass in the bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
