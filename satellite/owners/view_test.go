package owners

import (
	"fmt"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/schedule"
)

// pair is what sat-a sees of itself and sat-b, an hour after both began, when all is well.
type pair struct {
	view
	a, b hello
	now  time.Time
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newPair() *pair {
	p := &pair{now: began.Add(time.Hour)}
	a := word{peer: peer{"sat-a", began}, Seq: 100, Ready: true}
	b := word{peer: peer{"sat-b", began}, Seq: 100, Ready: true}
	p.a, p.b = hello{word: a, Sees: []word{a, b}}, hello{word: b, Sees: []word{a, b}, Frontier: p.now}
	p.view = view{me: a.peer, pulse: p.now, since: began, heeded: true}
	p.say(nil)
	p.view.tell(102, p.now)
	p.pass(rejoin)
	p.say(func() { p.b.Sees[0].Seq = 102 })
	return p
}

// say has both tell a further hello, once changed.
func (p *pair) say(change func()) {
	p.a.Seq, p.b.Seq = p.a.Seq+1, p.b.Seq+1
	if change != nil {
		change()
	}
	p.view.hear(p.a, p.now)
	p.view.hear(p.b, p.now)
}

func (p *pair) pass(d time.Duration) {
	for ; d > 0; d -= tick {
		p.now = p.now.Add(min(d, tick))
		p.view.beat(p.now, p.a.Seq+1)
	}
}

// mine is a BMC of sat-a's.
func (p *pair) mine() inventory.ID {
	for _, bmc := range []inventory.ID{"bmc-1", "bmc-2", "bmc-3", "bmc-4", "bmc-5", "bmc-6"} {
		if p.owner(bmc).Name == "sat-a" {
			return bmc
		}
	}
	panic("sat-a owns none of six")
}

func TestARoundStartsOnlyWhileNothingSpeaksAgainstIt(t *testing.T) {
	for _, c := range []struct {
		name string
		then func(*pair)
		want schedule.Turn
	}{
		{"all is well", func(*pair) {}, schedule.Now},
		{"the other holds the BMC", func(p *pair) { p.say(func() { p.b.Holds = []inventory.ID{p.mine()} }) }, schedule.Later},
		{"the other holds another BMC", func(p *pair) { p.say(func() { p.b.Holds = []inventory.ID{"bmc-99"} }) }, schedule.Now},
		{"the other sees a third", func(p *pair) {
			p.say(func() { p.b.Sees = append(p.b.Sees, word{peer: peer{"sat-c", began}}) })
		}, schedule.Later},
		{"the other sees an earlier life of ours", func(p *pair) { p.say(func() { p.b.Sees[0].Started = began.Add(-time.Hour) }) }, schedule.Later},
		{"the other takes us for one that only listens", func(p *pair) { p.say(func() { p.b.Sees[0].Ready = false }) }, schedule.Later},
		{"the other did not hear yet what we see", func(p *pair) { p.say(func() { p.b.Sees[0].Seq = 101 }) }, schedule.Later},
		{"we did not tell yet what we see", func(p *pair) { p.change(p.now.Add(-time.Second)) }, schedule.Later},
		{"what we see has just changed", func(p *pair) { p.changed = p.now.Add(-settle / 2) }, schedule.Later},
		{"we did not hear ourselves for 4.5 s", func(p *pair) {
			p.pass(4500 * time.Millisecond)
			p.b.Seq++
			p.view.hear(p.b, p.now)
		}, schedule.Later},
		{"we stood still, and nothing noticed it yet", func(p *pair) {
			p.now = p.now.Add(frozen + time.Millisecond)
			p.b.Seq++
			p.view.hear(p.b, p.now)
		}, schedule.Later},
		{"we stood still, and heard an old hello of ours", func(p *pair) {
			p.now = p.now.Add(frozen + time.Millisecond)
			p.view.beat(p.now, p.a.Seq+2)
			p.say(nil)
		}, schedule.Later},
		{"we stood still, and listen again", func(p *pair) {
			p.now = p.now.Add(frozen + time.Millisecond)
			p.view.beat(p.now, p.a.Seq+1)
			p.say(nil)
			p.pass(time.Second)
		}, schedule.Later},
		{"we stood still, and have listened again", func(p *pair) {
			p.now = p.now.Add(frozen + time.Millisecond)
			p.view.beat(p.now, p.a.Seq+1)
			p.say(nil)
			p.pass(rejoin)
		}, schedule.Now},
		{"another runs under our name", func(p *pair) {
			p.view.hear(hello{word: word{peer: peer{"sat-a", began.Add(time.Minute)}}}, p.now)
		}, schedule.Later},
		{"our own earlier life is still heard", func(p *pair) {
			p.view.hear(hello{word: word{peer: peer{"sat-a", began.Add(-time.Minute)}}}, p.now)
		}, schedule.Now},
	} {
		p := newPair()
		bmc := p.mine()
		c.then(p)
		for _, why := range []checks.Why{checks.Routine, checks.Confirm, checks.Person} {
			if got := p.turn(bmc, p.now, why, p.now); got != c.want {
				t.Errorf("%s: the turn of a %s round is %d, want %d", c.name, why, got, c.want)
			}
		}
	}
}

func TestARoundOfAnotherIsLeftToItUnlessItMayBeDead(t *testing.T) {
	p := newPair()
	bmc := inventory.ID("bmc-1")
	for _, other := range []inventory.ID{"bmc-2", "bmc-3", "bmc-4", "bmc-5", "bmc-6"} {
		if p.owner(bmc).Name == "sat-b" {
			break
		}
		bmc = other
	}
	frontier := p.b.Frontier
	for _, c := range []struct {
		due  time.Time
		why  checks.Why
		want schedule.Turn
	}{
		{frontier.Add(-time.Millisecond), checks.Routine, schedule.Never},
		{frontier, checks.Routine, schedule.Theirs},
		{frontier.Add(time.Second), checks.Routine, schedule.Theirs},
		{frontier.Add(time.Second), checks.Confirm, schedule.Never},
		{frontier.Add(time.Second), checks.Person, schedule.Never},
	} {
		if got := p.turn(bmc, c.due, c.why, p.now); got != c.want {
			t.Errorf("%s round %v after sat-b's frontier: %d, want %d", c.why, c.due.Sub(frontier), got, c.want)
		}
	}
}

func TestTheOtherIsWhoWouldOwnItWithoutUs(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*pair)
		want   string
	}{
		"of two it is the other":        {func(*pair) {}, "sat-b"},
		"one that only listens is none": {func(p *pair) { p.say(func() { p.b.Ready = false }) }, ""},
		"one that is stopped is none":   {func(p *pair) { p.say(func() { p.b.Stopped = true }) }, ""},
		"one that vanished is none": {func(p *pair) {
			p.now = p.now.Add(Silence + time.Second)
			p.view.expire(p.now)
		}, ""},
	} {
		p := newPair()
		mine := p.mine()
		test.change(p)
		got := ""
		if m := p.other(mine); m != nil {
			got = m.Name
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	three := newPair()
	three.view.hear(hello{word: word{peer: peer{"sat-c", began}, Seq: 1, Ready: true}}, three.now)
	asked := map[string]int{}
	for i := range 300 {
		asked[three.other(inventory.ID(fmt.Sprint("bmc-", i))).Name]++
	}
	if asked["sat-b"] < 100 || asked["sat-c"] < 100 || asked["sat-a"] > 0 {
		t.Errorf("asked %v, want sat-b and sat-c about half each", asked)
	}
}
