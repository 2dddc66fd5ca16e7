package glance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/memory"
)

// site is two satellites that glance at the same BMCs. What each finds is the test's own.
type site struct {
	air   *bus.Memory
	fleet map[inventory.ID]inventory.BMC
	sats  map[string]*lamp
	group errgroup.Group
	end   context.CancelFunc

	mu     sync.Mutex // guards the following
	asked  []string   // "sat-b ping a", in order
	silent []string   // "sat-b a": for whom a round was asked
}

// lamp is one of them.
type lamp struct {
	*Glances
	// finds is what it finds when it asks; nil: silence until the timeout.
	finds    func(bmc inventory.BMC, check checks.Name) error
	opinions []string
	owns     func(inventory.ID) bool
	dead     bool
}

var errNoAnswer = checks.Blame(checks.NetTimeout, errors.New("no answer"))

func well(inventory.BMC, checks.Name) error { return nil }

func newSite(t *testing.T, most int, bmcs ...inventory.BMC) *site {
	t.Helper()
	s := &site{air: new(bus.Memory), fleet: map[inventory.ID]inventory.BMC{}, sats: map[string]*lamp{}}
	for _, bmc := range bmcs {
		s.fleet[bmc.ID] = bmc
	}
	for _, name := range []string{"sat-a", "sat-b"} {
		s.sats[name] = s.satellite(t, name, most)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.end = func() {
		cancel()
		if err := s.group.Wait(); err != nil {
			t.Error(err)
		}
	}
	for _, one := range s.sats {
		s.group.Go(func() error { return one.Run(ctx) })
	}
	synctest.Wait()
	return s
}

func (s *site) satellite(t *testing.T, name string, most int) *lamp {
	m, err := memory.Open("")
	if err != nil {
		t.Fatal(err)
	}
	one := &lamp{owns: func(inventory.ID) bool { return true }}
	ask := func(check checks.Name) func(context.Context, *checks.Visit) (checks.Finding, error) {
		return func(ctx context.Context, v *checks.Visit) (checks.Finding, error) {
			way := v.BMC.Labels[checks.WaysLabel]
			s.locked(func() {
				s.asked = append(s.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", name, check, v.BMC.ID, way)))
			})
			var finds func(inventory.BMC, checks.Name) error
			s.locked(func() { finds = one.finds })
			if finds == nil {
				<-ctx.Done()
				return checks.Finding{}, errNoAnswer
			}
			return checks.Finding{}, finds(v.BMC, check)
		}
	}
	one.Glances = New(Config{
		Satellite: name, Memory: m, Air: s.air, Most: most,
		Chain: checks.Chain{{Name: checks.Ping, Timeout: 3 * time.Second, Run: ask(checks.Ping)}, {Name: checks.TLS, Timeout: 10 * time.Second, Run: ask(checks.TLS)}},
		Visit: func(bmc inventory.BMC, known checks.Known) *checks.Visit {
			return &checks.Visit{BMC: bmc, Known: known}
		},
		Lookup: func(id inventory.ID) (inventory.BMC, bool) {
			bmc, ok := s.fleet[id]
			return bmc, ok
		},
		Alive: func() (alive bool) { s.locked(func() { alive = !one.dead }); return alive },
		Other: func(inventory.ID) (string, bool) {
			for other := range s.sats {
				if other != name {
					return other, true
				}
			}
			return "", false
		},
		Opined: func(opinion string) { s.locked(func() { one.opinions = append(one.opinions, opinion) }) },
		Fleet: func(yield func(*inventory.BMC) bool) {
			for _, bmc := range s.fleet {
				if !yield(&bmc) {
					return
				}
			}
		},
		Worth:  func(id inventory.ID) bool { return one.owns(id) },
		Silent: func(id inventory.ID) { s.locked(func() { s.silent = append(s.silent, name+" "+string(id)) }) },
	})
	return one
}

func (s *site) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// soFar is whom was asked, and of whom a round was wanted.
func (s *site) soFar() (asked, silent []string) {
	s.locked(func() { asked, silent = slices.Clone(s.asked), slices.Clone(s.silent) })
	return asked, silent
}

func failed(check checks.Name, reason checks.Reason) checks.Result {
	return checks.Result{Check: check, Outcome: checks.Failed, Reason: reason, Error: "no answer", Satellite: "sat-a"}
}

func TestASecondOpinion(t *testing.T) {
	for name, test := range map[string]struct {
		check  checks.Name
		reason checks.Reason
		before func(a, b *lamp)
		want   checks.Reason
		said   string
		asked  []string
		took   time.Duration
	}{
		"the other finds it well": {checks.Ping, checks.NetTimeout, func(_, b *lamp) { b.finds = well }, checks.SelfPath, "disagree", []string{"sat-b ping a"}, 0},
		"the other gets no answer either": {checks.Ping, checks.NetTimeout, func(_, b *lamp) {}, checks.NetTimeout, "agree",
			[]string{"sat-b ping a"}, 3 * time.Second},
		"the handshake is asked for where it failed": {checks.TLS, checks.NetRefused, func(_, b *lamp) { b.finds = well }, checks.SelfPath, "disagree", []string{"sat-b tls a"}, 0},
		"a login is not tried, and where we see the BMC the other is not asked": {checks.RedfishLogin, checks.APITimeout,
			func(a, b *lamp) { a.finds, b.finds = well, well }, checks.APITimeout, "", []string{"sat-a ping a"}, 0},
		"a login that failed because the way did": {checks.RedfishLogin, checks.APITimeout, func(_, b *lamp) { b.finds = well }, checks.SelfPath, "disagree",
			[]string{"sat-a ping a", "sat-b ping a"}, 3 * time.Second},
		"an IPMI login is asked about by the way it takes": {checks.IPMILogin, checks.IPMITimeout, func(_, b *lamp) { b.finds = well }, checks.SelfPath, "disagree",
			[]string{"sat-a ping a rmcp", "sat-b ping a rmcp"}, 3 * time.Second},
		"the other has trouble of its own": {checks.Ping, checks.NetTimeout, func(_, b *lamp) {
			b.finds = func(inventory.BMC, checks.Name) error { return errors.New("no socket") }
		}, checks.NetTimeout, "none", []string{"sat-b ping a"}, 0},
		"the other panics": {checks.Ping, checks.NetTimeout, func(_, b *lamp) {
			b.finds = func(inventory.BMC, checks.Name) error { panic("a bug") }
		}, checks.NetTimeout, "none", []string{"sat-b ping a"}, 0},
		"the other is not sure of its place": {checks.Ping, checks.NetTimeout, func(_, b *lamp) { b.dead = true }, checks.NetTimeout, "none", nil, 6 * time.Second},
		"the other is stopped": {checks.Ping, checks.NetTimeout, func(_, b *lamp) {
			b.finds = well
			_ = b.Memory.SetStop(context.Background(), memory.Stop{On: true})
		}, checks.NetTimeout, "none", nil, 0},
		"the other knows another record": {checks.Ping, checks.NetTimeout, func(_, b *lamp) {
			b.finds = well
			b.Lookup = func(id inventory.ID) (inventory.BMC, bool) { return inventory.BMC{ID: id, Rack: "moved"}, true }
		}, checks.NetTimeout, "none", nil, 6 * time.Second},
		"there is no other": {checks.Ping, checks.NetTimeout, func(a, _ *lamp) {
			a.Other = func(inventory.ID) (string, bool) { return "", false }
		}, checks.NetTimeout, "", nil, 0},
		"we are alone": {checks.Ping, checks.NetTimeout, func(a, _ *lamp) { a.Air = nil }, checks.NetTimeout, "", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, 0, inventory.BMC{ID: "a", Address: netip.MustParseAddr("10.0.0.1")})
				a, b := s.sats["sat-a"], s.sats["sat-b"]
				test.before(a, b)
				began := time.Now()
				got := a.Second(t.Context(), "a", failed(test.check, test.reason))
				took := time.Since(began)
				s.end()
				if got.Reason != test.want || took != test.took {
					t.Errorf("got %s after %v, want %s after %v", got.Reason, took, test.want, test.took)
				}
				if !slices.Equal(s.asked, test.asked) {
					t.Errorf("asked %q, want %q", s.asked, test.asked)
				}
				if said := strings.Join(a.opinions, " "); said != test.said {
					t.Errorf("the opinion was %q, want %q", said, test.said)
				}
			})
		})
	}
}

// A subnet of which the other satellite sees all is no reason to accuse anybody, however many BMCs are in it.
func TestManyOpinionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fleet []inventory.BMC
		for i := range 1000 {
			fleet = append(fleet, inventory.BMC{ID: inventory.ID(fmt.Sprint("b", i))})
		}
		s := newSite(t, 0, fleet...)
		s.sats["sat-b"].finds = func(inventory.BMC, checks.Name) error { time.Sleep(50 * time.Millisecond); return nil }
		var all sync.WaitGroup
		for _, bmc := range fleet {
			all.Go(func() {
				if got := s.sats["sat-a"].Second(t.Context(), bmc.ID, failed(checks.Ping, checks.NetTimeout)); got.Reason != checks.SelfPath {
					t.Errorf("%s: %s", bmc.ID, got.Reason)
				}
			})
		}
		all.Wait()
		s.end()
	})
}

func TestAnOpinionIsNotWaitedForWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, 0, inventory.BMC{ID: "a"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		got := s.sats["sat-a"].Second(ctx, "a", failed(checks.Ping, checks.NetTimeout))
		if took := time.Since(began); got.Reason != checks.NetTimeout || took != time.Second {
			t.Errorf("got %s after %v, want net.timeout as soon as its round was cut short", got.Reason, took)
		}
		if len(s.sats["sat-a"].waiting) != 0 {
			t.Error("an answer is still waited for")
		}
		s.end()
	})
}

func TestADisagreementStandsWhileNobodyCanBeAsked(t *testing.T) {
	type round struct {
		after time.Duration
		b     string // what sat-b does: well, silent, gone
		want  checks.Reason
	}
	for name, rounds := range map[string][]round{
		"the other restarts":                       {{0, "well", checks.SelfPath}, {5 * time.Minute, "gone", checks.SelfPath}, {5 * time.Minute, "well", checks.SelfPath}},
		"the other falls silent for good":          {{0, "well", checks.SelfPath}, {14 * time.Minute, "gone", checks.SelfPath}, {2 * time.Minute, "gone", checks.NetTimeout}},
		"the other agrees, and falls silent then":  {{0, "well", checks.SelfPath}, {time.Minute, "silent", checks.NetTimeout}, {time.Minute, "gone", checks.NetTimeout}},
		"the other was never there":                {{0, "gone", checks.NetTimeout}, {time.Minute, "gone", checks.NetTimeout}},
		"the other does not answer although there": {{0, "well", checks.SelfPath}, {time.Minute, "mute", checks.SelfPath}, {time.Minute, "silent", checks.NetTimeout}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, 0, inventory.BMC{ID: "a"})
				a, b := s.sats["sat-a"], s.sats["sat-b"]
				other := a.Other
				for i, one := range rounds {
					time.Sleep(one.after)
					a.Other = other
					if one.b == "gone" {
						a.Other = func(inventory.ID) (string, bool) { return "", false }
					}
					s.locked(func() {
						b.dead, b.finds = one.b == "mute", nil
						if one.b == "well" {
							b.finds = well
						}
					})
					got := a.Second(t.Context(), "a", failed(checks.Ping, checks.NetTimeout))
					if got.Reason != one.want || got.Reason == checks.SelfPath && !strings.Contains(got.Error, "sat-b") {
						t.Errorf("%d: %s, want %s: %s", i, got.Reason, one.want, got.Error)
					}
				}
				s.end()
			})
		})
	}
}
