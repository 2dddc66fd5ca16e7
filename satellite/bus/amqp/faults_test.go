package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

// long is whether `make long` runs.
func long() bool { return os.Getenv("LAMPLIGHTER_LONG") != "" }

func TestWhatWasConfirmedSurvivesKill9AndRestartUnderLoad(t *testing.T) {
	s := newSite(t)
	l := put(t, open(t, s.config(t, 0)), "local.ping", 8)
	kills := 1
	if long() {
		kills = 5
	}
	for range kills {
		l.goesOn(t, "load before the kill")
		s.rabbit.Kill9()
		s.rabbit.Restart(t)
		l.goesOn(t, "load after the restart")
	}
	l.lostNothing(t)
}

func TestWhatWasConfirmedSurvivesCloseAllConnections(t *testing.T) {
	s := newSite(t)
	l := put(t, open(t, s.config(t, 0)), "local.ping", 8)
	for range 2 {
		l.goesOn(t, "load")
		s.rabbit.CloseAllConnections(t, s.vhost)
	}
	l.goesOn(t, "load after the connections were closed")
	l.lostNothing(t)
}

func TestAFrozenBrokerIsLeftAndFoundAgain(t *testing.T) {
	s := newSite(t)
	b := open(t, s.config(t, 0), amqp.Hasty)
	l := put(t, b, "local.ping", 8)
	l.goesOn(t, "load before the freeze")
	s.rabbit.Freeze(t)
	t.Cleanup(func() { s.rabbit.Thaw(t) })
	until(t, "the sending connection to be given up", func() bool { return !b.State().Connected })
	s.rabbit.Thaw(t)
	l.goesOn(t, "load after the thaw")
	l.lostNothing(t)
	if slowest := time.Duration(l.slowest.Load()); slowest > 10*time.Second {
		t.Errorf("the slowest send took %v, the limits allow 4s to wait, 2s to declare and a second to write", slowest)
	}
}

func TestAMemoryAlarmStopsSendersForAWhileAndAcknowledgementsNever(t *testing.T) {
	s := newSite(t)
	var options []func(*amqp.Bus)
	most, alarm := 8*time.Second, 6*time.Second
	if long() {
		most, alarm = 35*time.Second, 60*time.Second
	} else {
		options = append(options, amqp.Hasty)
	}
	b := open(t, s.config(t, 0), options...)
	for i := range 50 { // this bus loses patience soon, on a busy machine before a queue is declared
		until(t, "a message to be sent", func() bool { return b.Send(t.Context(), "waiting", bus.Message{ID: fmt.Sprint(i)}) == nil })
	}
	l := put(t, b, "local.ping", 8)
	l.goesOn(t, "load before the alarm")
	s.rabbit.MemoryAlarm(t, true)
	t.Cleanup(func() { s.rabbit.MemoryAlarm(t, false) })
	until(t, "the broker to block us", func() bool { return b.State().Blocked })
	var got atomic.Int64
	receive(t, b, "waiting", 10, 1, func(context.Context, bus.Message) error { got.Add(1); return nil })
	until(t, "the acknowledgement of all that waited", func() bool { return got.Load() >= 50 })
	before := l.sent.Load()
	<-time.After(alarm) // the fault lasts
	if sent := l.sent.Load(); sent != before {
		t.Errorf("%d sends succeeded during the alarm", sent-before)
	}
	s.rabbit.MemoryAlarm(t, false)
	over := time.Now()
	until(t, "the first confirm after the alarm", func() bool { return l.sent.Load() > before })
	if took := time.Since(over); took > 5*time.Second {
		t.Errorf("the rate came back after %v, want 5s", took)
	}
	if slowest := time.Duration(l.slowest.Load()); slowest > most {
		t.Errorf("the slowest send took %v, want at most %v", slowest, most)
	}
	l.lostNothing(t)
}

func TestAnUnroutableMessageIsNeverSent(t *testing.T) {
	t.Parallel()
	const box = bus.Mailbox("local.tls")
	queue, from := amqp.Mailbox(box)
	for name, path := range map[string]string{
		"its binding was deleted while running": "/bindings/%%2f/e/" + from[0] + "/q/" + queue + "/" + queue,
		"its queue was deleted while running":   "/queues/%%2f/" + queue,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			b := open(t, s.config(t, 0))
			send(t, b, box, "first")
			s.rabbit.API(t, "DELETE", strings.Replace(path, "%%2f", s.vhost, 1), nil)
			err := b.Send(t.Context(), box, bus.Message{ID: "lost"})
			if !errors.Is(err, amqp.ErrUnroutable) || !strings.Contains(fmt.Sprint(err), "lost") || !strings.Contains(fmt.Sprint(err), string(box)) {
				t.Errorf("error %v, want one that is ErrUnroutable and names message and mailbox", err)
			}
			if n := b.State().Unroutable; n != 1 {
				t.Errorf("%d unroutable messages are counted, want 1", n)
			}
			kept := make(chan bus.Message, 1)
			receive(t, b, amqp.Unroutable, 1, 1, func(_ context.Context, m bus.Message) error { kept <- m; return nil })
			if m := await(t, kept, "the copy"); m.ID != "lost" {
				t.Errorf("the copy is of %s, want lost", m.ID)
			}
			until(t, "a send that declares it anew", func() bool { return b.Send(t.Context(), box, bus.Message{ID: "second"}) == nil })
			if depth, err := b.Depth(t.Context(), box); err != nil || depth < 1 {
				t.Errorf("depth %d, %v after a send that succeeded, want at least 1", depth, err)
			}
		})
	}
}

func TestAReceiverFindsItsMailboxAgainThatWasDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s.config(t, 0))
	got := make(chan string, 10)
	receive(t, b, "local.tls", 1, 1, func(_ context.Context, m bus.Message) error { got <- m.ID; return nil })
	send(t, b, "local.tls", "first")
	await(t, got, "the first message")
	s.rabbit.API(t, "DELETE", "/queues/"+s.vhost+"/local.tls", nil)
	until(t, "a send that succeeds", func() bool { return b.Send(t.Context(), "local.tls", bus.Message{ID: "second"}) == nil })
	if id := await(t, got, "the second message"); id != "second" {
		t.Errorf("got %s", id)
	}
}

func TestAHealthyTaskSurvives15DroppedConnections(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b := open(t, s.config(t, r.port), amqp.Eager)
	started, done := make(chan int, 100), make(chan bus.Message, 1)
	var tries atomic.Int32
	receive(t, b, "local.ping", 1, 1, func(ctx context.Context, m bus.Message) error {
		n := tries.Add(1)
		started <- m.Delivery
		if n > 15 {
			done <- m
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	send(t, b, "local.ping", "a")
	for range 15 {
		await(t, started, "the next delivery")
		r.cut()
	}
	if m := await(t, done, "the delivery after 15 cuts"); m.Delivery != 1 {
		t.Errorf("it is called delivery %d, want 1: a lost connection is nobody's failure", m.Delivery)
	}
}

func TestNothingIsLeftOfConnectionsThatWereLost(t *testing.T) {
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b := open(t, s.config(t, r.port), amqp.Eager)
	cuts := 30
	if long() {
		cuts = 200
	}
	got := make(chan string, 10)
	receive(t, b, "local.ping", 10, 10, func(_ context.Context, m bus.Message) error { got <- m.ID; return nil })
	round := func(id string) {
		until(t, "a send that succeeds", func() bool { return b.Send(t.Context(), "local.ping", bus.Message{ID: id}) == nil })
		for await(t, got, "message "+id) != id {
		}
		until(t, "both connections", func() bool { return r.open() == 2 })
	}
	round("warm-up")
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for i := range cuts {
		r.cut()
		round(fmt.Sprint(i))
	}
	until(t, "goroutines and descriptors at the baseline", func() bool {
		return runtime.NumGoroutine() <= goroutines+2 && descriptors(t) <= files+2
	})
	t.Logf("%d reconnects: goroutines %d -> %d, descriptors %d -> %d", cuts, goroutines, runtime.NumGoroutine(), files, descriptors(t))
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("NOT TESTED: descriptors after reconnects: %v", err)
	}
	return len(all)
}
