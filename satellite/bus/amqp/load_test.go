package amqp_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

// load sends through a mailbox and receives from it, and keeps account.
type load struct {
	box       bus.Mailbox
	confirmed sync.Map // ID -> true
	arrived   sync.Map // ID -> true
	sent      atomic.Int64
	got       atomic.Int64
	slowest   atomic.Int64 // of all Sends, in ns
	stop      func()       // ends the senders, not the receiver
}

// put loads b with senders until stop, and receives until the test ends.
func put(t *testing.T, b *amqp.Bus, box bus.Mailbox, senders int) *load {
	t.Helper()
	l := &load{box: box}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for s := range senders {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.send(ctx, b, fmt.Sprintf("%d/%d", s, i))
			}
		})
	}
	l.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	receive(t, b, box, 50, 10, func(_ context.Context, m bus.Message) error {
		l.arrived.Store(m.ID, true)
		l.got.Add(1)
		return nil
	})
	t.Cleanup(l.stop)
	return l
}

func (l *load) send(ctx context.Context, b *amqp.Bus, id string) {
	began := time.Now()
	err := b.Send(ctx, l.box, bus.Message{ID: id, Body: make([]byte, 512)})
	if took := int64(time.Since(began)); took > l.slowest.Load() {
		l.slowest.Store(took)
	}
	if err == nil {
		l.confirmed.Store(id, true)
		l.sent.Add(1)
	}
}

// goesOn waits until more was confirmed and more arrived: enough to call it load.
func (l *load) goesOn(t *testing.T, what string) {
	t.Helper()
	sent, got := l.sent.Load(), l.got.Load()
	until(t, what, func() bool { return l.sent.Load() > sent+500 && l.got.Load() > got+500 })
}

// missing is how many confirmed messages did not arrive.
func (l *load) missing() (n int) {
	l.confirmed.Range(func(id, _ any) bool {
		if _, ok := l.arrived.Load(id); !ok {
			n++
		}
		return true
	})
	return n
}

// lostNothing ends the senders and waits for all that was confirmed.
func (l *load) lostNothing(t *testing.T) {
	t.Helper()
	l.stop()
	until(t, "every confirmed message to arrive", func() bool { return l.missing() == 0 })
	t.Logf("%d confirmed, 0 lost, %d delivered; slowest send %v", l.sent.Load(), l.got.Load(), time.Duration(l.slowest.Load()).Round(time.Millisecond))
}

// receive starts a receiver; stop ends it and waits for it.
func receive(t *testing.T, b *amqp.Bus, from bus.Mailbox, hold, run int, h bus.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Receive(ctx, from, hold, run, h) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := await(t, ended, "the receiver to end"); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func send(t *testing.T, b *amqp.Bus, to bus.Mailbox, id string) {
	t.Helper()
	if err := b.Send(t.Context(), to, bus.Message{ID: id, Body: []byte("body of " + id)}); err != nil {
		t.Fatal(err)
	}
}
