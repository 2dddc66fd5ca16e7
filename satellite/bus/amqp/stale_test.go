package amqp_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

// TestAStaleAcknowledgementRemovesNoOtherMessage: m5 is held over a reconnect and then acknowledged, which with the library's
// own recovery removed m9. 10 mailboxes, 10 reconnects.
func TestAStaleAcknowledgementRemovesNoOtherMessage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b := open(t, s.config(t, r.port), amqp.Eager)
	for run := range 10 {
		var all []*staleRun
		for i := range 10 {
			all = append(all, newStaleRun(t, b, bus.Mailbox(fmt.Sprintf("stale.%d.%d", run, i))))
		}
		r.cut()
		for _, one := range all {
			one.check(t, b)
		}
	}
}

// staleRun is one mailbox of 9 messages, of which the first generation finished 4 and holds the others; of these only the
// handler of m5 outlives its connection.
type staleRun struct {
	box     bus.Mailbox
	held    chan struct{} // closed when m5 is held
	release chan struct{} // closed when its first handler may end well, too late
	over    <-chan struct{}
	again   chan struct{} // closed when the next generation has m5
	tries   atomic.Int32  // of m5
	stop    func()
}

func newStaleRun(t *testing.T, b *amqp.Bus, box bus.Mailbox) *staleRun {
	t.Helper()
	s := &staleRun{box: box, held: make(chan struct{}), release: make(chan struct{}), over: t.Context().Done(), again: make(chan struct{})}
	for i := range 9 {
		send(t, b, box, fmt.Sprint("m", i+1))
	}
	s.stop = receive(t, b, box, 10, 10, s.handle)
	await(t, s.held, "m5 to be held in "+string(box))
	return s
}

func (s *staleRun) handle(ctx context.Context, m bus.Message) error {
	if m.ID < "m5" {
		return nil
	}
	if m.ID == "m5" {
		switch s.tries.Add(1) {
		case 1:
			close(s.held)
			select {
			case <-s.release:
			case <-s.over: // the test failed
			}
			return nil
		case 2:
			close(s.again)
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

// check expects m5 and all after it, although m5 was acknowledged on a connection that is gone.
func (s *staleRun) check(t *testing.T, b *amqp.Bus) {
	t.Helper()
	await(t, s.again, "m5 to be delivered again in "+string(s.box))
	close(s.release)
	s.stop()
	got := make(chan string, 100)
	stop := receive(t, b, s.box, 1, 1, func(_ context.Context, m bus.Message) error { got <- m.ID; return nil })
	defer stop()
	for missing := map[string]bool{"m5": true, "m6": true, "m7": true, "m8": true, "m9": true}; len(missing) > 0; {
		select {
		case id := <-got:
			delete(missing, id)
		case <-time.After(patient):
			t.Fatalf("%s: gone are %v", s.box, missing)
		}
	}
}
