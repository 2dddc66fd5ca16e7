package ticket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/results"
	"lamplighter/results/ticket"
)

// office is a Keeper with one desk that prints, and with what outlives a Keeper.
type office struct {
	mu      sync.Mutex // guards the following
	tickets map[string]results.Ticket
	dead    []results.DeadLetter
	calls   int
	did     []string
	fail    func() error // of each call of the desk
	lost    func() error // of each write
	double  *ticket.Found
	printed strings.Builder

	dry *ticket.Dry
}

func newOffice() *office {
	o := &office{tickets: map[string]results.Ticket{}}
	o.dry = &ticket.Dry{Name: "d", W: writer{o}}
	return o
}

type writer struct{ *office }

func (w writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.printed.Write(p)
}

// Find and Tell make an office a desk that fails when the test wants it to.
func (o *office) Find(ctx context.Context, known results.Ticket) (ticket.Found, error) {
	if err := o.call("find"); err != nil {
		return ticket.Found{}, err
	}
	f, err := o.dry.Find(ctx, known)
	o.set(func() { f.Double = o.double })
	return f, err
}

func (o *office) Tell(ctx context.Context, m ticket.Message) (ticket.Found, error) {
	if err := o.call("tell"); err != nil {
		return ticket.Found{}, err
	}
	return o.dry.Tell(ctx, m)
}

func (o *office) call(what string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls, o.did = o.calls+1, append(o.did, what)
	if o.fail != nil {
		return o.fail()
	}
	return nil
}

func (o *office) set(do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	do()
}

func (o *office) write(_ context.Context, t results.Ticket) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost != nil {
		if err := o.lost(); err != nil {
			return err
		}
	}
	o.tickets[t.Incident+"/"+t.Desk] = t
	return nil
}

func (o *office) bury(_ context.Context, l results.DeadLetter) error {
	o.set(func() { o.dead = append(o.dead, l) })
	return nil
}

// count is how often a text was printed.
func (o *office) count(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Count(o.printed.String(), text)
}

func (o *office) open() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.tickets {
		if t.Open && t.In == "" {
			n++
		}
	}
	return n
}

// keeper runs a Keeper that knows what an earlier one has written, until stop.
func (o *office) keeper(change func(*ticket.Config)) (*ticket.Keeper, func()) {
	c := ticket.Config{
		Name: "k", Desks: map[string]ticket.Desk{"d": o}, Routes: []ticket.Route{{Desk: "d"}}, Rules: rules, Most: 20, Within: 10 * time.Minute,
		Write: o.write, Bury: o.bury, Link: "https://l/{id}",
	}
	if change != nil {
		change(&c)
	}
	k := ticket.New(c)
	o.mu.Lock()
	known := slices.Collect(maps.Values(o.tickets))
	o.mu.Unlock()
	for _, t := range known {
		k.Note(t)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = k.Run(ctx) })
	return k, func() { cancel(); group.Wait() }
}

func (o *office) called() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls
}

func (o *office) letters() []results.DeadLetter {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.dead)
}

func (o *office) known() map[string]results.Ticket {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.tickets)
}

func (o *office) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.printed.String()
}

func (o *office) of(key string) results.Ticket { return o.known()[key] }

func (o *office) written() int { return len(o.known()) }

func incidents(n int) (all []results.Incident) {
	for i := range n {
		all = append(all, with(rack(fmt.Sprintf("inc-%03d", i), 3), func(i *results.Incident) { i.Since = time.Now() }))
	}
	return all
}

func takeAll(k *ticket.Keeper, all []results.Incident, change func(*results.Incident)) {
	for n := range all {
		if change != nil {
			all[n].Seq++
			change(&all[n])
		}
		k.Take(all[n], ticket.Nowhere, 0)
	}
}

func over(i *results.Incident) {
	i.Status, i.Closed, i.Failing, i.ClosedAt = results.Resolved, results.Recovered, 0, time.Now()
}

func settle(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestAStormOpensSoManyTicketsAndOneThatListsTheRest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ restart, away bool }{
		"in one run": {}, "with a restart in the middle": {restart: true}, "with Kafka away at its begin": {away: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := newOffice()
				if test.away {
					o.lost = func() error { return errors.New("kafka is away") }
				}
				k, stop := o.keeper(nil)
				all := incidents(100)
				takeAll(k, all, nil)
				settle(30 * time.Second)
				o.set(func() { o.lost = nil })
				settle(time.Minute)
				if got, listed := o.count("d: would open"), o.count("storm: "); got != 21 || listed == 0 || o.open() != 21 {
					t.Errorf("opened %d tickets, of a storm %d, %d are open", got, listed, o.open())
				}
				if test.restart {
					stop()
					k, stop = o.keeper(nil)
					takeAll(k, all, nil)
					k.Whole()
				}
				more := incidents(105)[100:]
				takeAll(k, more, nil)
				settle(time.Minute)
				if got := o.count("d: would open"); got != 21 {
					t.Errorf("opened %d tickets after five incidents more", got)
				}
				all = append(all, more...)
				settle(20 * time.Minute)
				if o.count("85 of 85 incidents are open") == 0 || o.count("inc-099") == 0 {
					t.Errorf("the storm's ticket does not list 85 incidents:\n%s", o.text())
				}
				takeAll(k, all[:50], over)
				settle(20 * time.Minute)
				takeAll(k, all[50:], over)
				settle(20 * time.Minute)
				if closed, opened := o.count("d: would close"), o.count("d: would open"); o.open() != 0 || closed != 21 || opened != 21 {
					t.Errorf("%d are open, %d were closed, %d opened", o.open(), closed, opened)
				}
				takeAll(k, all[104:], func(i *results.Incident) { i.Status, i.Failing, i.Reopened = results.Open, 3, 1 })
				settle(time.Minute)
				if own := o.of("inc-104/d"); o.open() != 1 || !own.Open || own.In != "" {
					t.Errorf("after the storm %d are open, want one of its own: %+v", o.open(), own)
				}
				stop()
			})
		})
	}
}

func TestACommentOnChangeAndNotOnEveryRound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		k, stop := o.keeper(nil)
		defer stop()
		one := incidents(1)
		takeAll(k, one, nil)
		for n := range 3600 { // an hour, a change of numbers a second
			settle(time.Second)
			takeAll(k, one, func(i *results.Incident) { i.Failing = 3 + n%37 })
		}
		if got := o.count("d: would comment"); got < 5 || got > 7 {
			t.Errorf("%d comments in an hour, want one each ten minutes", got)
		}
		before := o.count("d: would comment")
		for range 3600 { // an hour of rounds that find the same
			settle(time.Second)
			takeAll(k, one, func(*results.Incident) {})
		}
		if got := o.count("d: would comment") - before; got > 1 {
			t.Errorf("%d comments on what did not change", got)
		}
	})
}

func TestASilencedIncidentGetsItsTicketWhenTheSilenceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		k, stop := o.keeper(nil)
		defer stop()
		one := incidents(1)
		one[0].Silenced = &results.Silenced{Silence: "s", Until: time.Now().Add(2 * time.Hour)}
		takeAll(k, one, nil)
		settle(119 * time.Minute)
		if o.called() != 0 {
			t.Errorf("the desk was called %d times in the silence", o.called())
		}
		settle(2 * time.Minute)
		if o.count("d: would open") != 1 {
			t.Error("no ticket after the silence")
		}
		takeAll(k, one, func(i *results.Incident) { i.Silenced = &results.Silenced{Until: time.Now().AddDate(1000, 0, 0)} })
		takeAll(k, one, over)
		settle(time.Minute)
		if o.count("d: would close") != 1 {
			t.Error("the recovery in a silence without end did not close the ticket")
		}
	})
}

func TestADeskThatIsAwayIsToldWhenItIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.fail = func() error { return &ticket.Failure{Desk: "d", Did: "POST x", Err: errors.New("connection refused")} }
		k, stop := o.keeper(nil)
		defer stop()
		all := incidents(10)
		takeAll(k, all, nil)
		settle(6 * time.Hour)
		if len(o.letters()) != 10 || !strings.Contains(o.letters()[0].Why, "connection refused") || !strings.Contains(string(o.letters()[0].Body), `"inc-`) {
			t.Errorf("%d dead letters: %+v", len(o.letters()), o.letters()[:min(1, len(o.letters()))])
		}
		if n := k.Numbers(); n.Dead != 10 || n.Desks["d"] || n.Waiting != 10 {
			t.Errorf("%+v", n)
		}
		if err := k.Ready(); err == nil || !strings.Contains(err.Error(), "desk d") {
			t.Errorf("ready: %v", err)
		}
		if of := o.of("inc-000/d"); of.Error == "" || of.Open {
			t.Errorf("%+v", of)
		}
		if o.called() > 400 {
			t.Errorf("%d calls in six hours", o.called())
		}
		o.set(func() { o.fail = nil })
		for tries := 0; o.open() == 0 && tries < 2*3600; tries++ {
			settle(time.Second)
		}
		settle(5 * time.Second) // once one is told the others need not wait
		if n := k.Numbers(); o.open() != 10 || k.Ready() != nil || n.Waiting != 0 || !n.Desks["d"] || o.of("inc-000/d").Error != "" {
			t.Errorf("%d tickets, %v, %+v, %+v", o.open(), k.Ready(), n, o.of("inc-000/d"))
		}
	})
}

func TestWhatCouldNotBeToldIsToldAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.fail = func() error {
			return &ticket.Failure{Desk: "d", Did: "POST x", Kind: ticket.Wrong, Status: 400, Said: "no such project"}
		}
		k, stop := o.keeper(nil)
		takeAll(k, incidents(1), nil)
		settle(time.Minute)
		if len(o.letters()) != 1 || o.called() != 1 {
			t.Errorf("%d dead letters after %d calls: what is wrong is not tried eight times", len(o.letters()), o.called())
		}
		stop()
		o.set(func() { o.fail = nil })
		k, stop = o.keeper(nil)
		defer stop()
		takeAll(k, incidents(1), nil)
		settle(time.Minute)
		if o.open() != 1 {
			t.Errorf("%d tickets", o.open())
		}
	})
}

func TestNobodyHammersOnADeskThatDoesNotLetUsIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.fail = func() error { return &ticket.Failure{Desk: "d", Did: "POST x", Kind: ticket.Refused, Status: 401} }
		k, stop := o.keeper(nil)
		defer stop()
		takeAll(k, incidents(200), nil)
		settle(time.Hour)
		if o.called() > 7+4 { // four were on the way when the first was refused
			t.Errorf("%d calls in an hour", o.called())
		}
		if err := k.Ready(); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("ready: %v", err)
		}
	})
}

func TestADeskIsLeftAloneForAsLongAsItWants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.fail = func() error {
			return &ticket.Failure{Desk: "d", Did: "POST x", Status: 429, After: 30 * time.Minute}
		}
		k, stop := o.keeper(nil)
		defer stop()
		takeAll(k, incidents(50), nil)
		settle(29 * time.Minute)
		if o.called() > 4 {
			t.Errorf("%d calls before it was time", o.called())
		}
		o.set(func() { o.fail = nil })
		settle(30 * time.Minute)
		if o.open() < 20 {
			t.Errorf("%d tickets after it was time", o.open())
		}
	})
}

func TestATicketThatCouldNotBeWrittenDownIsNotOpenedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.lost = func() error { return errors.New("kafka is away") }
		k, stop := o.keeper(nil)
		defer stop()
		takeAll(k, incidents(1), nil)
		settle(3 * time.Hour)
		if o.count("d: would open") != 1 || o.written() != 0 {
			t.Errorf("opened %d times", o.count("d: would open"))
		}
		o.set(func() { o.lost = nil })
		settle(30 * time.Minute)
		if o.count("d: would open") != 1 || !o.of("inc-000/d").Open {
			t.Errorf("opened %d times, %+v", o.count("d: would open"), o.known())
		}
	})
}

func TestASecondTicketThatIsFoundLateIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		k, stop := o.keeper(nil)
		defer stop()
		takeAll(k, incidents(1), nil)
		settle(30 * time.Second)
		o.set(func() { o.double = &ticket.Found{Ref: "OPS-2", There: true, Open: true} })
		settle(29 * time.Second)
		if n := o.count("d: would merge OPS-2"); n != 0 {
			t.Error("it was looked for too soon")
		}
		settle(5 * time.Minute)
		if n := o.count("d: would merge OPS-2"); n != 1 || k.Numbers().Told[ticket.Merge] != 1 {
			t.Errorf("the second was closed %d times", n)
		}
	})
}

func TestAProcessThatStoodStillAfterItAskedAsksAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		o.fail = func() error {
			o.fail = nil
			o.mu.Unlock()
			time.Sleep(time.Minute)
			o.mu.Lock()
			return nil
		}
		k, stop := o.keeper(nil)
		defer stop()
		takeAll(k, incidents(1), nil)
		settle(2 * time.Minute)
		o.mu.Lock()
		defer o.mu.Unlock()
		if len(o.did) < 3 || !slices.Equal(o.did[:3], []string{"find", "find", "tell"}) {
			t.Errorf("%v: want asked, asked again, told", o.did)
		}
	})
}

func TestAnOlderDocumentOfAnIncidentIsPassedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		k, stop := o.keeper(nil)
		defer stop()
		one := incidents(1)
		one[0].Seq = 7
		takeAll(k, one, nil)
		old := one[0]
		old.Seq = 6
		over(&old)
		k.Take(old, ticket.Nowhere, 0)
		settle(time.Hour)
		if o.count("d: would close") != 0 || o.open() != 1 {
			t.Error("it was closed by what is over")
		}
	})
}

func TestAPartitionThatGoesIsToldOfNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice()
		slow := make(chan struct{})
		o.fail = func() error { o.mu.Unlock(); <-slow; o.mu.Lock(); return nil }
		k, stop := o.keeper(nil)
		defer stop()
		all := incidents(40)
		for n, i := range all {
			k.Take(i, int32(n%2), int64(n))
		}
		synctest.Wait()
		if lowest, any := k.Unsettled(1); !any || lowest != 1 {
			t.Errorf("unsettled from %d, %v", lowest, any)
		}
		dropped := make(chan struct{})
		go func() { k.Drop(1); close(dropped) }()
		synctest.Wait()
		select {
		case <-dropped:
			t.Error("the partition was given away while a desk was being told")
		default:
		}
		close(slow)
		<-dropped
		settle(time.Minute)
		opened := 0
		for n, i := range all {
			if _, told := o.known()[i.ID+"/d"]; told && n%2 == 1 {
				opened++
			}
		}
		if opened > 4 {
			t.Errorf("%d tickets of a partition that went", opened)
		}
		if _, any := k.Unsettled(0); any {
			t.Error("the other partition is not dealt with")
		}
	})
}

func TestTenThousandChangesInASecondAreTaken(t *testing.T) {
	t.Parallel()
	o := newOffice()
	o.dry.W = io.Discard
	k, stop := o.keeper(func(c *ticket.Config) { c.Most = 0 })
	defer stop()
	all := incidents(100)
	began := time.Now()
	for range 100 {
		takeAll(k, all, func(i *results.Incident) { i.Failing = 1 + i.Failing%40 })
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("10,000 changes took %v", took)
	}
	deadline := time.Now().Add(10 * time.Second)
	for o.open() < 100 && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if o.open() != 100 || o.called() > 1000 {
		t.Errorf("%d tickets after %d calls", o.open(), o.called())
	}
}
