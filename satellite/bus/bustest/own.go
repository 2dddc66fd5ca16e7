package bustest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/satellite/bus"
)

// Own runs the contract of own mailboxes. Time passes there, so the cases run at once; one case opens its bus with open.
func Own(t *testing.T, run func(*testing.T, func(*testing.T, bus.Bus))) {
	for name, test := range map[string]func(*testing.T, bus.Bus){
		"its satellite gets what is sent to it, and sees where it would spill":       ownGets,
		"what nobody takes for three seconds spills to where it was addressed":       ownSpills,
		"who waited before it was sent gets what spills, one spill after the other":  ownAwaited,
		"what a receiver holds stays":                                                ownHeld,
		"what a receiver gives back late spills at once":                             ownLate,
		"what a receiver gives back early waits for the next":                        ownEarly,
		"what failed comes again where it would spill, counted":                      ownFails,
		"what keeps failing goes to dead after as many deliveries as anywhere":       ownLimited,
		"what is rejected goes to dead and says why":                                 ownRejected,
		"what waits behind a receiver that holds all it may spills, the held do not": ownFull,
	} {
		t.Run(name, func(t *testing.T) { run(t, test) })
	}
}

var own = bus.Own("test", "a")

const (
	spilled = bus.Mailbox("test.spilled")
	other   = bus.Mailbox("test.other")
	// grace is what a busy machine and a broker may take beyond SpillAfter.
	grace = 2 * time.Second
)

func sendOwn(t *testing.T, b bus.Bus, id string, spill bus.Mailbox) {
	t.Helper()
	if err := b.Send(t.Context(), own, bus.Message{ID: id, Body: []byte("body of " + id), Spill: spill}); err != nil {
		t.Fatalf("send %s: %v", id, err)
	}
}

func ownGets(t *testing.T, b bus.Bus) {
	sendOwn(t, b, "a", spilled)
	if m := collect(t, b, own, 1)[0]; m.ID != "a" || string(m.Body) != "body of a" || m.Delivery != 1 || m.Spill != spilled {
		t.Errorf("got %+v, want a, its body, delivery 1, spill %s", m, spilled)
	}
	empty(t, b, spilled)
}

func ownSpills(t *testing.T, b bus.Bus) {
	began := time.Now()
	sendOwn(t, b, "a", spilled)
	sendOwn(t, b, "b", other)
	sendOwn(t, b, "c", spilled)
	got := collect(t, b, spilled, 2)
	if took := time.Since(began); took < bus.SpillAfter-grace/10 {
		t.Errorf("it spilled after %v, want %v", took, bus.SpillAfter)
	}
	for i, id := range []string{"a", "c"} {
		if m := got[i]; m.ID != id || string(m.Body) != "body of "+id || m.Delivery != 1 || m.Spill != "" {
			t.Errorf("got %+v, want %s, its body, delivery 1, no spill", m, id)
		}
	}
	if m := collect(t, b, other, 1)[0]; m.ID != "b" {
		t.Errorf("%s got %s, want b", other, m.ID)
	}
}

func ownAwaited(t *testing.T, b bus.Bus) {
	got := make(chan string, 10)
	for range 2 {
		receive(t, b, spilled, 1, 1, func(_ context.Context, m bus.Message) error { got <- m.ID; return nil })
	}
	taken := make(chan string, 10)
	stop := receive(t, b, own, 1, 1, func(_ context.Context, m bus.Message) error { taken <- m.ID; return nil })
	sendOwn(t, b, "taken", spilled)
	await(t, taken, "the message that is taken")
	stop()
	for _, id := range []string{"a", "b"} {
		began := time.Now()
		sendOwn(t, b, id, spilled)
		if m := await(t, got, "what spills"); m != id {
			t.Errorf("got %s, want %s", m, id)
		}
		if took := time.Since(began); took < bus.SpillAfter-grace/10 || took > bus.SpillAfter+grace {
			t.Errorf("%s spilled after %v, want %v", id, took, bus.SpillAfter)
		}
	}
}

func ownHeld(t *testing.T, b bus.Bus) {
	started, release := make(chan struct{}), make(chan struct{})
	stop := receive(t, b, own, 1, 1, func(ctx context.Context, _ bus.Message) error {
		close(started)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	sendOwn(t, b, "a", spilled)
	await(t, started, "the handler to start")
	<-time.After(2 * bus.SpillAfter) // it is held
	release <- struct{}{}
	stop()
	empty(t, b, spilled)
}

// holdUntilStopped has a receiver hold all that it gets until stop.
func holdUntilStopped(t *testing.T, b bus.Bus, hold int) (started <-chan string, stop func()) {
	t.Helper()
	all := make(chan string, 100)
	stop = receive(t, b, own, hold, hold, func(ctx context.Context, m bus.Message) error {
		all <- m.ID
		<-ctx.Done()
		return ctx.Err()
	})
	return all, stop
}

func ownLate(t *testing.T, b bus.Bus) {
	started, stop := holdUntilStopped(t, b, 1)
	sendOwn(t, b, "a", spilled)
	await(t, started, "the handler to start")
	<-time.After(bus.SpillAfter + grace/2) // it is held for too long
	stop()
	stopped := time.Now()
	if m := collect(t, b, spilled, 1)[0]; m.ID != "a" || m.Delivery != 1 {
		t.Errorf("got %s with delivery %d, want a with 1", m.ID, m.Delivery)
	}
	if took := time.Since(stopped); took > grace {
		t.Errorf("it spilled %v after it was given back, want at once", took)
	}
}

func ownEarly(t *testing.T, b bus.Bus) {
	started, stop := holdUntilStopped(t, b, 1)
	sendOwn(t, b, "a", spilled)
	await(t, started, "the handler to start")
	stop()
	got := make(chan string, 2)
	receive(t, b, own, 1, 1, func(_ context.Context, m bus.Message) error { got <- "own"; return nil })
	receive(t, b, spilled, 1, 1, func(_ context.Context, m bus.Message) error { got <- "spilled"; return nil })
	if where := await(t, got, "the message again"); where != "own" {
		t.Errorf("it came again as %s, want own", where)
	}
}

func ownFails(t *testing.T, b bus.Bus) {
	sendOwn(t, b, "a", spilled)
	var handled atomic.Int32
	stop := receive(t, b, own, 1, 1, func(context.Context, bus.Message) error {
		handled.Add(1)
		return errors.New("not now")
	})
	m := collect(t, b, spilled, 1)[0]
	stop()
	if n := handled.Load(); m.ID != "a" || m.Delivery != 2 || m.Spill != "" || n != 1 {
		t.Errorf("after %d failures it came as %+v, want a, once, then delivery 2, no spill", n, m)
	}
}

func ownLimited(t *testing.T, b bus.Bus) {
	var handled atomic.Int32
	fails := func(context.Context, bus.Message) error {
		handled.Add(1)
		return errors.New("never")
	}
	receive(t, b, own, 1, 1, fails)
	receive(t, b, spilled, 1, 1, fails)
	sendOwn(t, b, "a", spilled)
	dead := collect(t, b, bus.Dead, 1)[0]
	if n := handled.Load(); dead.ID != "a" || n != bus.DeliveryLimit {
		t.Errorf("dead holds %s after %d deliveries, want a after %d", dead.ID, n, bus.DeliveryLimit)
	}
}

func ownRejected(t *testing.T, b bus.Bus) {
	receive(t, b, own, 1, 1, func(context.Context, bus.Message) error { return bus.Reject(errors.New("garbage")) })
	sendOwn(t, b, "a", spilled)
	if dead := collect(t, b, bus.Dead, 1)[0]; dead.ID != "a" || dead.Why != "garbage" || dead.Spill != "" {
		t.Errorf("dead holds %+v, want a because of garbage, no spill", dead)
	}
}

func ownFull(t *testing.T, b bus.Bus) {
	started, stop := holdUntilStopped(t, b, 2)
	for _, id := range []string{"a", "b", "c", "d"} {
		sendOwn(t, b, id, spilled)
	}
	held := []string{await(t, started, "a held message"), await(t, started, "a held message")}
	var got []string
	for _, m := range collect(t, b, spilled, 2) {
		got = append(got, m.ID)
	}
	slices.Sort(held)
	if !slices.Equal(held, []string{"a", "b"}) || !slices.Equal(got, []string{"c", "d"}) {
		t.Errorf("held %v, spilled %v, want a b, c d", held, got)
	}
	stop()
	if n := len(collect(t, b, spilled, 2)); n != 2 {
		t.Errorf("%d spilled after the receiver stopped, want 2", n)
	}
}
