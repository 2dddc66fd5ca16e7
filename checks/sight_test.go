package checks

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/inventory"
)

// inRack is BMC n of a rack; an empty rack makes it stand alone.
func inRack(rack string, n int) inventory.BMC {
	return inventory.BMC{
		ID: inventory.ID(fmt.Sprintf("%s-%d", rack, n)), Site: "ams1", Room: "r1", Rack: rack,
		Address: netip.AddrFrom4([4]byte{10, 0, byte(len(rack)) + rack0(rack), byte(n)}),
	}
}

func rack0(rack string) byte {
	if rack == "" {
		return 0
	}
	return rack[0]
}

// asker answers for living addresses after a while and counts the questions.
type asker struct {
	mu    sync.Mutex // guards alive
	alive map[netip.Addr]bool
	down  atomic.Bool // the uplink is down
	asked atomic.Int32
}

func (a *asker) ask(ctx context.Context, addr netip.Addr, _ *inventory.BMC) error {
	a.asked.Add(1)
	timer := time.NewTimer(5 * time.Millisecond)
	defer timer.Stop()
	a.mu.Lock()
	alive := a.alive[addr] && !a.down.Load()
	a.mu.Unlock()
	if !alive {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	if a.down.Load() {
		return errors.New("the uplink went down")
	}
	return nil
}

func living(addrs ...netip.Addr) *asker {
	a := &asker{alive: map[netip.Addr]bool{}}
	for _, addr := range addrs {
		a.alive[addr] = true
	}
	return a
}

func TestProof(t *testing.T) {
	a1, a2, b1, lone1, lone2 := inRack("A", 1), inRack("A", 2), inRack("B", 1), inRack("", 1), inRack("", 2)
	otherRoom := inRack("A", 3)
	otherRoom.Room = "r2"
	twin := inRack("C", 1)
	twin.Address = a1.Address
	gateway := netip.MustParseAddr("10.0.0.254")
	fleet := func(bmcs ...inventory.BMC) []inventory.BMC { return bmcs }
	for _, c := range []struct {
		name     string
		fleet    []inventory.BMC
		anchors  []netip.Addr
		alive    *asker
		answered []inventory.BMC // passively, within the window
		before   []inventory.BMC // passively, before the window
		probe    time.Duration
		want     Proof // Text: a part of it
		took     time.Duration
	}{
		{"an answer of another rack proves sight", fleet(a1, b1), nil, living(), fleet(b1), nil, 0, Proof{Seen: true, Text: "B-1"}, 0},
		{"an answer of the same rack does not", fleet(a1, a2, b1), nil, living(), fleet(a2), nil, 3 * time.Second, Proof{Text: "3s"}, 3 * time.Second},
		{"a rack of the same name in another room is another rack", fleet(a1, otherRoom), nil, living(), fleet(otherRoom), nil, 0, Proof{Seen: true}, 0},
		{"the BMC itself does not count", fleet(a1, b1), nil, living(), fleet(a1), nil, 3 * time.Second, Proof{}, 3 * time.Second},
		{"another record of the same address does not count", fleet(a1, twin), nil, living(a1.Address), fleet(twin), nil, 0, Proof{None: true}, 0},
		{"an answer before the window does not count", fleet(a1, b1), nil, living(), nil, fleet(b1), 3 * time.Second, Proof{}, 3 * time.Second},
		{"an answer early in a long window is not enough", fleet(a1, b1), nil, living(), fleet(b1), nil, 5 * time.Second, Proof{}, 6 * time.Second},
		{"BMCs without a rack stand alone", fleet(lone1, lone2), nil, living(), fleet(lone2), nil, 0, Proof{Seen: true}, 0},
		{"a living anchor is asked", fleet(a1), []netip.Addr{gateway}, living(gateway), nil, nil, 3 * time.Second, Proof{Seen: true, Text: "anchor 10.0.0.254"}, 3 * time.Second},
		{"a BMC of another rack is asked", fleet(a1, a2, b1), nil, living(b1.Address), nil, nil, 3 * time.Second, Proof{Seen: true, Text: "B-1"}, 3 * time.Second},
		{"a probe that failed at once asks before it answers", fleet(a1, b1), nil, living(b1.Address), nil, nil, 0, Proof{Seen: true, Text: "B-1"}, 5 * time.Millisecond},
		{"a dead anchor does not hide a living BMC", fleet(a1, b1), []netip.Addr{gateway}, living(b1.Address), nil, nil, 0, Proof{Seen: true, Text: "B-1"}, 505 * time.Millisecond},
		{"a probe that failed at once waits a second at most", fleet(a1, b1), nil, living(), nil, nil, 0, Proof{Text: "1s"}, time.Second},
		{"one rack and no anchor have nobody to compare with", fleet(a1, a2), nil, living(a2.Address), nil, nil, 0, Proof{None: true, Text: "no anchor"}, 0},
		{"the probed address is no anchor", fleet(a1), []netip.Addr{a1.Address}, living(a1.Address), nil, nil, 0, Proof{None: true}, 0},
		{"an empty fleet has nobody to compare with", nil, nil, living(), nil, nil, 0, Proof{None: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSight(c.fleet, c.anchors, c.alive.ask)
				for _, bmc := range c.before {
					s.Answered(bmc, time.Now())
				}
				time.Sleep(time.Millisecond)
				start := time.Now()
				proof := s.Watch(t.Context(), a1Or(c.fleet, a1))
				for _, bmc := range c.answered {
					s.Answered(bmc, time.Now())
				}
				time.Sleep(c.probe)
				got := proof()
				if got.Seen != c.want.Seen || got.None != c.want.None || !strings.Contains(got.Text, c.want.Text) {
					t.Errorf("proof = %+v, want %+v", got, c.want)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if again := proof(); again != got {
					t.Errorf("asked again, proof = %+v", again)
				}
			})
		})
	}
}

// a1Or is the BMC that a case probes: the first of its fleet.
func a1Or(fleet []inventory.BMC, a1 inventory.BMC) inventory.BMC {
	if len(fleet) > 0 {
		return fleet[0]
	}
	return a1
}

func TestWindowsShareTheQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := living()
		fleet := []inventory.BMC{}
		for n := range 200 {
			fleet = append(fleet, inRack(string(rune('A'+n%20)), 1+n))
		}
		s := NewSight(fleet, []netip.Addr{netip.MustParseAddr("10.0.0.254")}, a.ask)
		var windows sync.WaitGroup
		for _, bmc := range fleet {
			windows.Go(func() {
				proof := s.Watch(t.Context(), bmc)
				time.Sleep(3 * time.Second)
				if p := proof(); p.Seen || p.None {
					t.Errorf("%s: %+v", bmc.ID, p)
				}
			})
		}
		windows.Wait()
		if n := a.asked.Load(); n < 8 || n > 12 {
			t.Errorf("%d questions in 3 s for 200 open windows, want about 4 a second", n)
		}
	})
}

func TestOneQuestionServesAllOpenWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gateway := netip.MustParseAddr("10.0.0.254")
		a := living(gateway)
		s := NewSight(nil, []netip.Addr{gateway}, a.ask)
		var windows sync.WaitGroup
		for n := range 100 {
			windows.Go(func() {
				proof := s.Watch(t.Context(), inRack("A", n))
				time.Sleep(3 * time.Second)
				if p := proof(); !p.Seen {
					t.Errorf("window %d: %+v", n, p)
				}
			})
		}
		windows.Wait()
		if n := a.asked.Load(); n < 1 || n > 4 {
			t.Errorf("%d questions in 3 s, want about one a second for all windows", n)
		}
	})
}

func TestAWindowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := living()
		s := NewSight([]inventory.BMC{inRack("A", 1), inRack("B", 1)}, nil, a.ask)
		ctx, cancel := context.WithCancel(t.Context())
		_ = s.Watch(ctx, inRack("A", 1))
		time.Sleep(2 * patience)
		cancel()
		synctest.Wait() // the bubble fails when a goroutine is left
		if a.asked.Load() == 0 {
			t.Error("the open window asked nobody")
		}
		early, cancel := context.WithCancel(t.Context())
		_ = s.Watch(early, inRack("A", 1))
		cancel()
		asked := a.asked.Load()
		time.Sleep(2 * patience)
		if a.asked.Load() != asked {
			t.Error("a window whose context had ended asked all the same")
		}
	})
}

func TestAnswersLeavesOutWhatMayBeTheEndOfAWait(t *testing.T) {
	for _, c := range []struct {
		r    Result
		want bool
	}{
		{Result{Outcome: OK}, true},
		{Result{Outcome: OK, Notes: []Reason{TLSWeak}}, true},
		{Result{Outcome: OK, Notes: []Reason{PowerUnreadable}}, false},
		{Result{Outcome: Failed, Reason: AuthRejected}, true},
		{Result{Outcome: Failed, Reason: NetRefused}, false},
		{Result{Outcome: Failed, Reason: NetTimeout}, false},
		{Result{Outcome: Failed, Reason: APITimeout}, false},
		{Result{Outcome: Failed, Reason: AuthFenced}, false},
		{Result{Outcome: OutcomeUnknown, Reason: SelfBlind}, false},
		{Result{}, false},
	} {
		if got := Answers(c.r); got != c.want {
			t.Errorf("Answers(%s %s %v) = %v", c.r.Outcome, c.r.Reason, c.r.Notes, got)
		}
	}
}

func TestNetworkReasons(t *testing.T) {
	for _, info := range Reasons {
		want := strings.HasPrefix(string(info.Reason), "net.") || info.Reason == TLSTimeout || info.Reason == IPMITimeout ||
			info.Reason == APITimeout // decision 13
		if got := NetworkReason(info.Reason); got != want {
			t.Errorf("NetworkReason(%s) = %v", info.Reason, got)
		}
	}
}

func BenchmarkAnswered(b *testing.B) {
	s := NewSight(nil, nil, nil)
	bmcs := make([]inventory.BMC, 1000)
	for n := range bmcs {
		bmcs[n] = inRack(fmt.Sprint(n%50), n)
	}
	for n := 0; b.Loop(); n++ {
		s.Answered(bmcs[n%len(bmcs)], time.Now())
	}
}
