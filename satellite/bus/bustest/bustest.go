// Package bustest is the contract of package bus as tests. Every bus passes it: Memory, and RabbitMQ.
//
// It waits for conditions with a deadline, never for time to pass, so that it holds for a broker across a network too. A bus
// under test should hold messages back only briefly.
package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/satellite/bus"
)

// Test runs the contract against the bus that open opens; each case opens its own, with empty mailboxes.
func Test(t *testing.T, open func(*testing.T) bus.Bus) {
	for name, test := range map[string]func(*testing.T, bus.Bus){
		"a message is kept until someone receives":                         keeps,
		"each message goes to one receiver":                                oneReceiver,
		"after an error a message comes again, counted":                    again,
		"a rejected message goes to dead and never back":                   rejected,
		"a message delivered to the limit goes to dead":                    limited,
		"in dead there is no limit and no rejection":                       deadStays,
		"a handler that panics is an error and the bus lives":              panics,
		"no more handlers run than run":                                    runBound,
		"no more messages are held than hold":                              holdBound,
		"stop waits for handlers":                                          stopWaits,
		"stop hands unfinished work back uncounted":                        stopHandsBack,
		"a message that was done during a stop does not come back":         stopDone,
		"bodies are not shared":                                            bodies,
		"many senders at once lose nothing":                                senders,
		"a send with an ended context fails and nothing is sent":           sendEnded,
		"a message held back does not hold up the others":                  heldBackAlone,
		"a receiver that may hold nothing is refused":                      zeroBounds,
		"what is sent while handling arrives although the handler is busy": sendWhileHandling,
		"a dead message says why, in few words":                            saysWhy,
		"a dead message says why also when it comes again":                 saysWhyAgain,
		"a reply mailbox exists while somebody receives from it":           replies,
		"an answer that a handler failed on is dropped":                    failedAnswer,
		"a mailbox is told where to spill if it is an own one":             spillIsChecked,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

const (
	box     = bus.Mailbox("test.box")
	patient = 20 * time.Second
)

func send(t *testing.T, b bus.Bus, to bus.Mailbox, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := b.Send(t.Context(), to, bus.Message{ID: id, Body: []byte("body of " + id)}); err != nil {
			t.Fatalf("send %s: %v", id, err)
		}
	}
}

// receive starts a receiver; stop ends it and waits for it.
func receive(t *testing.T, b bus.Bus, from bus.Mailbox, hold, run int, h bus.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Receive(ctx, from, hold, run, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := await(t, ended, "receiver to end"); err != nil {
			t.Errorf("receive from %s: %v", from, err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func await[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(patient):
		t.Fatalf("waited %v for %s", patient, what)
	}
	return got
}

// collect receives n messages one by one, done with each.
func collect(t *testing.T, b bus.Bus, from bus.Mailbox, n int) []bus.Message {
	t.Helper()
	got := make(chan bus.Message, n+100)
	stop := receive(t, b, from, 1, 1, func(_ context.Context, m bus.Message) error { got <- m; return nil })
	var all []bus.Message
	for range n {
		all = append(all, await(t, got, "a message from "+string(from)))
	}
	stop()
	close(got)
	for m := range got {
		t.Errorf("one message too many from %s: %s", from, m.ID)
	}
	return all
}

// empty checks that a mailbox holds nothing, by sending a last message that must be the first to come.
func empty(t *testing.T, b bus.Bus, from bus.Mailbox) {
	t.Helper()
	send(t, b, from, "the last")
	if m := collect(t, b, from, 1)[0]; m.ID != "the last" {
		t.Errorf("%s still held %s", from, m.ID)
	}
}

func keeps(t *testing.T, b bus.Bus) {
	send(t, b, box, "a")
	m := collect(t, b, box, 1)[0]
	if m.ID != "a" || string(m.Body) != "body of a" || m.Delivery != 1 {
		t.Errorf("got %s %q delivery %d, want a, its body, 1", m.ID, m.Body, m.Delivery)
	}
	empty(t, b, box)
}

func oneReceiver(t *testing.T, b bus.Bus) {
	const n = 100
	got := make(chan string, 2*n)
	h := func(_ context.Context, m bus.Message) error { got <- m.ID; return nil }
	stops := []func(){receive(t, b, box, 4, 4, h), receive(t, b, box, 4, 4, h), receive(t, b, box, 4, 4, h)}
	count := map[string]int{}
	for i := range n {
		send(t, b, box, fmt.Sprint(i))
	}
	for range n {
		count[await(t, got, "a message")]++
	}
	for _, stop := range stops {
		stop()
	}
	if len(count) != n || len(got) != 0 {
		t.Errorf("got %d different messages and %d more, want %d and 0", len(count), len(got), n)
	}
}

func again(t *testing.T, b bus.Bus) {
	send(t, b, box, "a")
	deliveries := make(chan int, 10)
	stop := receive(t, b, box, 1, 1, func(_ context.Context, m bus.Message) error {
		deliveries <- m.Delivery
		if m.Delivery < 3 {
			return errors.New("not now")
		}
		return nil
	})
	var got []int
	for range 3 {
		got = append(got, await(t, deliveries, "the next delivery"))
	}
	stop()
	if !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("deliveries %v, want 1 2 3", got)
	}
	empty(t, b, box)
}

func rejected(t *testing.T, b bus.Bus) {
	send(t, b, box, "a")
	var handled atomic.Int32
	stop := receive(t, b, box, 1, 1, func(context.Context, bus.Message) error {
		handled.Add(1)
		return fmt.Errorf("read it: %w", bus.Reject(errors.New("garbage")))
	})
	dead := collect(t, b, bus.Dead, 1)[0]
	stop()
	if dead.ID != "a" || string(dead.Body) != "body of a" {
		t.Errorf("dead holds %s %q, want a and its body", dead.ID, dead.Body)
	}
	if dead.Why != "read it: garbage" {
		t.Errorf("it says that it is dead because of %q", dead.Why)
	}
	if n := handled.Load(); n != 1 {
		t.Errorf("handled %d times, want 1", n)
	}
	empty(t, b, box)
}

func limited(t *testing.T, b bus.Bus) {
	send(t, b, box, "a")
	var handled atomic.Int32
	stop := receive(t, b, box, 1, 1, func(context.Context, bus.Message) error {
		handled.Add(1)
		return errors.New("never")
	})
	dead := collect(t, b, bus.Dead, 1)[0]
	stop()
	if n := handled.Load(); dead.ID != "a" || n != bus.DeliveryLimit {
		t.Errorf("dead holds %s after %d deliveries, want a after %d", dead.ID, n, bus.DeliveryLimit)
	}
	if !strings.Contains(dead.Why, "never") {
		t.Errorf("it says that it is dead because of %q, want the last error", dead.Why)
	}
	empty(t, b, box)
}

func deadStays(t *testing.T, b bus.Bus) {
	send(t, b, bus.Dead, "a")
	done := make(chan struct{})
	var handled atomic.Int32
	stop := receive(t, b, bus.Dead, 1, 1, func(_ context.Context, m bus.Message) error {
		n := handled.Add(1)
		if m.Delivery != int(n) {
			t.Errorf("delivery %d is called %d", n, m.Delivery)
		}
		switch {
		case n <= 3:
			return bus.Reject(errors.New("garbage"))
		case n <= bus.DeliveryLimit+3:
			return errors.New("not now")
		}
		close(done)
		return nil
	})
	await(t, done, "the dead message to be delivered beyond the limit")
	stop()
	empty(t, b, bus.Dead)
}

func panics(t *testing.T, b bus.Bus) {
	send(t, b, box, "a")
	second := make(chan int, 1)
	receive(t, b, box, 1, 1, func(_ context.Context, m bus.Message) error {
		if m.Delivery == 1 {
			panic("a bug")
		}
		second <- m.Delivery
		return nil
	})
	if d := await(t, second, "the delivery after the panic"); d != 2 {
		t.Errorf("delivery %d after the panic, want 2", d)
	}
}

func bodies(t *testing.T, b bus.Bus) {
	body := []byte("original")
	if err := b.Send(t.Context(), box, bus.Message{ID: "a", Body: body}); err != nil {
		t.Fatal(err)
	}
	copy(body, "SENDER'S")
	seen := make(chan []byte, 2)
	receive(t, b, box, 1, 1, func(_ context.Context, m bus.Message) error {
		seen <- bytes.Clone(m.Body)
		copy(m.Body, "HANDLERS")
		if m.Delivery == 1 {
			return errors.New("again")
		}
		return nil
	})
	for _, delivery := range []string{"first", "second"} {
		if got := await(t, seen, delivery+" delivery"); string(got) != "original" {
			t.Errorf("%s delivery has body %q, want original", delivery, got)
		}
	}
}

func senders(t *testing.T, b bus.Bus) {
	const n, each = 8, 50
	var group sync.WaitGroup
	for s := range n {
		group.Go(func() {
			for i := range each {
				if err := b.Send(t.Context(), box, bus.Message{ID: fmt.Sprint(s, "/", i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	distinct := map[string]bool{}
	for _, m := range collect(t, b, box, n*each) {
		distinct[m.ID] = true
	}
	group.Wait()
	if len(distinct) != n*each {
		t.Errorf("%d different messages arrived, want %d", len(distinct), n*each)
	}
}
