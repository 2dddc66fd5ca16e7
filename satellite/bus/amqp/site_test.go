package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

var own = bus.Own("local", "a")

// arrivals receives from shared mailboxes and keeps account of where each message came and how often.
type arrivals struct {
	mu    sync.Mutex
	where map[string][]bus.Mailbox // by ID
}

func newArrivals(t *testing.T, b *amqp.Bus, boxes ...bus.Mailbox) *arrivals {
	t.Helper()
	a := &arrivals{where: map[string][]bus.Mailbox{}}
	for _, box := range boxes {
		receive(t, b, box, 500, 10, func(_ context.Context, m bus.Message) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.where[m.ID] = append(a.where[m.ID], box)
			return nil
		})
	}
	return a
}

func (a *arrivals) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.where)
}

// sendOwn sends n messages to the own mailbox, to spill into boxes by turns.
func sendOwn(t *testing.T, b *amqp.Bus, n int, boxes ...bus.Mailbox) {
	t.Helper()
	var group sync.WaitGroup
	next := make(chan int)
	for range 50 {
		group.Go(func() {
			for i := range next {
				if err := b.Send(t.Context(), own, bus.Message{ID: fmt.Sprint(i), Body: make([]byte, 512), Spill: boxes[i%len(boxes)]}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
}

func TestAThousandHeldTasksStayUntilTheirReceiverIsLost(t *testing.T) {
	t.Parallel()
	const n = 1000
	boxes := []bus.Mailbox{"local.ping", "local.tls", "local.auth"}
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b, others := open(t, s.config(t, r.port)), open(t, s.config(t, 0))
	var held atomic.Int32
	ctx, lost := context.WithCancel(t.Context())
	defer lost()
	ended := make(chan error, 1)
	go func() {
		ended <- b.Receive(ctx, own, 2000, 2000, func(ctx context.Context, _ bus.Message) error {
			held.Add(1)
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	spilled := newArrivals(t, others, boxes...)
	began := time.Now()
	sendOwn(t, others, n, boxes...)
	until(t, "all tasks to be held", func() bool { return held.Load() == n })
	<-time.After(2 * bus.SpillAfter) // they are held
	if got := spilled.count(); got != 0 {
		t.Errorf("%d held tasks spilled", got)
	}
	lost() // before the connection is cut, so that it does not come back for them
	r.cut()
	cut := time.Now()
	if err := await(t, ended, "the receiver to end"); err != nil {
		t.Error(err)
	}
	until(t, "all tasks to spill", func() bool { return spilled.count() == n })
	t.Logf("%d tasks held for %v spilled within %v", n, cut.Sub(began).Round(time.Millisecond), time.Since(cut).Round(time.Millisecond))
	spilled.mu.Lock()
	defer spilled.mu.Unlock()
	for i := range n {
		if got := spilled.where[fmt.Sprint(i)]; len(got) != 1 || got[0] != boxes[i%len(boxes)] {
			t.Errorf("task %d came to %v, want %s once", i, got, boxes[i%len(boxes)])
		}
	}
}

// known is how long a queue must have been there for its broker to know it after a kill -9. The node writes down the names of
// new quorum queues and streams every 0.5 s; one that is younger comes back empty, or as a stream that is down for good.
const known = 2 * time.Second

func TestWhatAnOwnMailboxConfirmedSurvivesKill9(t *testing.T) {
	const n = 300
	boxes := []bus.Mailbox{"local.ping", "local.tls"}
	s := newSite(t)
	b := open(t, s.config(t, 0))
	sendOwn(t, b, len(boxes), boxes...)
	<-time.After(known)
	sendOwn(t, b, n, boxes...)
	s.rabbit.Kill9()
	s.rabbit.Restart(t)
	spilled := newArrivals(t, b, boxes...)
	until(t, "all confirmed messages to spill", func() bool { return spilled.count() == n })
}

func TestALogKeepsWhatWasConfirmedOverKill9AndIsReadOnceAndInOrder(t *testing.T) {
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b, reader := open(t, s.config(t, 0)), open(t, s.config(t, r.port), amqp.Eager)
	live := newFollower(t, reader, 0)
	until(t, "the log to be there", func() bool { return b.Append(t.Context(), "local.memory", []byte("first")) == nil })
	<-time.After(known)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var confirmed atomic.Int64
	records := map[string]bool{} // true: confirmed
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		for i := 0; ctx.Err() == nil; i++ {
			text := fmt.Sprint(i)
			if records[text] = b.Append(ctx, "local.memory", []byte(text)) == nil; records[text] {
				confirmed.Add(1)
			}
		}
	}()
	more := func(what string) {
		target := confirmed.Load() + 200
		until(t, what, func() bool { return confirmed.Load() > target })
	}
	more("records before the cuts")
	for range 5 {
		r.cut()
		more("records after a cut")
	}
	s.rabbit.Kill9()
	s.rabbit.Restart(t)
	more("records after the restart")
	cancel()
	<-writer
	fresh := newFollower(t, b, 0)
	for name, f := range map[string]*following{"live": live, "fresh": fresh} {
		until(t, "the "+name+" follower to see every confirmed record", func() bool { return f.missing(records) == 0 })
		f.inOrder(t, name)
	}
	t.Logf("%d records confirmed, 0 lost", confirmed.Load())
}

// following is a follower's account.
type following struct {
	mu  sync.Mutex
	at  []int64
	all map[string]int
}

func newFollower(t *testing.T, b *amqp.Bus, from int64) *following {
	t.Helper()
	f := &following{all: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- b.Follow(ctx, "local.memory", from, func(at int64, record []byte) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.at = append(f.at, at)
			f.all[string(record)]++
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := await(t, ended, "the follower to end"); err != nil {
			t.Errorf("follow: %v", err)
		}
	})
	return f
}

func (f *following) missing(records map[string]bool) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for text, confirmed := range records {
		if confirmed && f.all[text] == 0 {
			n++
		}
	}
	return n
}

func (f *following) inOrder(t *testing.T, name string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, at := range f.at {
		if at != int64(i) {
			t.Fatalf("%s: record %d was seen at position %d", name, i, at)
		}
	}
	for text, n := range f.all {
		if n != 1 {
			t.Errorf("%s: record %s was seen %d times", name, text, n)
		}
	}
}

func TestHellosAreHeardAgainAfterTheConnectionsWereLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b := open(t, s.config(t, r.port), amqp.Eager)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var heard atomic.Int32
	go func() { ended <- b.Hear(ctx, func([]byte) { heard.Add(1) }) }()
	for range 3 {
		before := heard.Load()
		until(t, "a hello to be heard", func() bool { return b.Tell(t.Context(), []byte("hello")) == nil && heard.Load() > before })
		r.cut()
	}
	cancel()
	if err := await(t, ended, "the hearer to end"); err != nil {
		t.Error(err)
	}
}

func TestWhatSatellitesAskEachOtherIsNoHello(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s.config(t, 0))
	ctx, cancel := context.WithCancel(t.Context())
	hellos, words := make(chan string, 1000), make(chan string, 1000)
	var hearing errgroup.Group
	hearing.Go(func() error { return b.Hear(ctx, func(body []byte) { hellos <- string(body) }) })
	hearing.Go(func() error { return b.Talk().Hear(ctx, func(body []byte) { words <- string(body) }) })
	until(t, "both to be heard", func() bool {
		return b.Tell(ctx, []byte("hello")) == nil && b.Talk().Tell(ctx, []byte("question")) == nil && len(hellos) > 0 && len(words) > 0
	})
	cancel()
	if err := hearing.Wait(); err != nil {
		t.Error(err)
	}
	close(hellos)
	close(words)
	for body := range hellos {
		if body != "hello" {
			t.Errorf("%q was heard as a hello", body)
		}
	}
	for body := range words {
		if body != "question" {
			t.Errorf("%q was heard as a question", body)
		}
	}
}

func TestAHelloIsGivenUpSoonWhileTheBrokerTakesNothing(t *testing.T) {
	s := newSite(t)
	b := open(t, s.config(t, 0))
	until(t, "a hello to be told", func() bool { return b.Tell(t.Context(), []byte("hello")) == nil })
	s.rabbit.Freeze(t)
	began := time.Now()
	err := b.Tell(t.Context(), []byte("hello"))
	took := time.Since(began)
	s.rabbit.Thaw(t)
	if err == nil || took > 10*time.Second {
		t.Errorf("a hello to a frozen broker ended after %v with %v, want an error after 2s", took, err)
	}
}

func TestAnAnswerThatNobodyWaitsForIsNoAlarm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s.config(t, 0))
	until(t, "a connection", func() bool { return b.State().Connected })
	began := time.Now()
	for range 10 {
		if err := b.Send(t.Context(), bus.Reply("gone"), bus.Message{ID: "answer"}); !errors.Is(err, bus.ErrUnroutable) {
			t.Fatalf("error %v, want ErrUnroutable", err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("10 answers to nobody took %v", took)
	}
	if n := b.State().Unroutable; n != 0 {
		t.Errorf("%d alarms", n)
	}
	if depth, err := b.Depth(t.Context(), amqp.Unroutable); err != nil || depth != 0 {
		t.Errorf("%d copies are kept, %v", depth, err)
	}
}

func TestADeadLetterOfTheBrokerSaysWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := newRelay(t, s.rabbit.TLSPort)
	b, graves := open(t, s.config(t, r.port), amqp.Eager), open(t, s.config(t, 0))
	dead := make(chan bus.Message, 1)
	receive(t, graves, bus.Dead, 1, 1, func(_ context.Context, m bus.Message) error { dead <- m; return nil })
	receive(t, b, "local.ping", 1, 1, func(ctx context.Context, _ bus.Message) error {
		r.cut() // as if it killed its satellite
		<-ctx.Done()
		return ctx.Err()
	})
	send(t, graves, "local.ping", "killer")
	if m := await(t, dead, "the dead letter"); m.ID != "killer" || !strings.Contains(m.Why, "local.ping") || !strings.Contains(m.Why, "delivery_limit") {
		t.Errorf("dead is %s because of %q, want killer, with mailbox and delivery_limit", m.ID, m.Why)
	}
}
