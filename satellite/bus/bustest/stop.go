package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/satellite/bus"
)

func runBound(t *testing.T, b bus.Bus) {
	const n, run = 30, 3
	var now atomic.Int32
	var tooMany atomic.Bool
	started, proceed := make(chan struct{}, n), make(chan struct{}, n)
	receive(t, b, box, 10, run, func(context.Context, bus.Message) error {
		if now.Add(1) > run {
			tooMany.Store(true)
		}
		started <- struct{}{}
		<-proceed
		now.Add(-1)
		return nil
	})
	for i := range n {
		send(t, b, box, fmt.Sprint(i))
	}
	for range run {
		await(t, started, "as many handlers as run")
	}
	select {
	case <-started:
		t.Errorf("more than %d handlers started", run)
	case <-time.After(50 * time.Millisecond): // a grace, in which one handler too many shows itself
	}
	for range n - run {
		proceed <- struct{}{}
		await(t, started, "the next handler")
	}
	for range run {
		proceed <- struct{}{}
	}
	if tooMany.Load() {
		t.Errorf("more than %d handlers ran at once", run)
	}
}

func holdBound(t *testing.T, b bus.Bus) {
	release := make(chan struct{})
	first := make(chan string, 10)
	stop := receive(t, b, box, 2, 10, func(_ context.Context, m bus.Message) error {
		first <- m.ID
		<-release
		return nil
	})
	send(t, b, box, "a", "b", "c", "d")
	await(t, first, "a held message")
	await(t, first, "a held message")
	others := collect(t, b, box, 2) // the rest is free for another receiver
	if len(first) != 0 {
		t.Errorf("a receiver that may hold 2 took %d more", len(first))
	}
	for _, m := range others {
		if m.Delivery != 1 {
			t.Errorf("%s came with delivery %d, want 1", m.ID, m.Delivery)
		}
	}
	close(release)
	stop()
}

func stopWaits(t *testing.T, b bus.Bus) {
	ctx, cancel := context.WithCancel(context.Background())
	started, release, ended := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
	var finished atomic.Bool
	go func() {
		_ = b.Receive(ctx, box, 1, 1, func(context.Context, bus.Message) error {
			close(started)
			<-release
			finished.Store(true)
			return nil
		})
		ended <- finished.Load()
	}()
	send(t, b, box, "a")
	await(t, started, "the handler to start")
	cancel()
	select {
	case <-ended:
		t.Error("receive returned although a handler was running")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if !await(t, ended, "receive to return") {
		t.Error("receive returned before its handler")
	}
}

func stopHandsBack(t *testing.T, b bus.Bus) {
	started := make(chan struct{})
	stop := receive(t, b, box, 1, 1, func(ctx context.Context, _ bus.Message) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	send(t, b, box, "a")
	await(t, started, "the handler to start")
	stop()
	if m := collect(t, b, box, 1)[0]; m.ID != "a" || m.Delivery != 1 {
		t.Errorf("got %s with delivery %d, want a with 1: a shutdown is not a failure", m.ID, m.Delivery)
	}
}

func stopDone(t *testing.T, b bus.Bus) {
	started := make(chan struct{})
	stop := receive(t, b, box, 1, 1, func(ctx context.Context, _ bus.Message) error {
		close(started)
		<-ctx.Done()
		return nil
	})
	send(t, b, box, "a")
	await(t, started, "the handler to start")
	stop()
	empty(t, b, box)
}

func sendEnded(t *testing.T, b bus.Bus) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Send(ctx, box, bus.Message{ID: "a"}); err == nil {
		t.Error("send with an ended context: no error")
	}
	empty(t, b, box)
}

func heldBackAlone(t *testing.T, b bus.Bus) {
	send(t, b, box, "bad")
	bad, good := make(chan struct{}, bus.DeliveryLimit), make(chan struct{}, 1)
	receive(t, b, box, 1, 1, func(_ context.Context, m bus.Message) error {
		if m.ID == "bad" {
			bad <- struct{}{}
			return errors.New("not now")
		}
		good <- struct{}{}
		return nil
	})
	await(t, bad, "the message that fails")
	send(t, b, box, "good")
	await(t, good, "the message behind it")
}

func zeroBounds(t *testing.T, b bus.Bus) {
	for _, bound := range [][2]int{{0, 1}, {1, 0}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := b.Receive(ctx, box, bound[0], bound[1], nil); err == nil {
			t.Errorf("receive with hold %d and run %d: no error", bound[0], bound[1])
		}
		cancel()
	}
}

func sendWhileHandling(t *testing.T, b bus.Bus) {
	next := bus.Mailbox("test.next")
	got := make(chan struct{})
	receive(t, b, next, 1, 1, func(context.Context, bus.Message) error { close(got); return nil })
	receive(t, b, box, 1, 1, func(ctx context.Context, m bus.Message) error {
		if err := b.Send(ctx, next, m); err != nil {
			return err
		}
		select {
		case <-got:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	send(t, b, box, "a")
	await(t, got, "what the handler sent")
}
