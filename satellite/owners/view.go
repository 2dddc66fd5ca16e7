package owners

import (
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/schedule"
)

// The times of the rules. Period is how often a hello is told.
const (
	Period = 2 * time.Second
	// Silence is after what time without a hello a satellite is gone; and how long a new one listens before it starts anything.
	Silence = 6 * time.Second
	// TakeoverWait is how long a taker waits before it logs in: the old owner's visit has ended by then.
	TakeoverWait = bus.SpillAfter + 5*time.Second + 2*time.Second

	deaf   = 4 * time.Second // without our own hello we may not hear the others' either
	frozen = 2 * time.Second // without a pulse the process, or its machine, stood still
	rejoin = 3 * time.Second // how long one listens again after it was deaf or stood still: a hello of each, with one lost
	settle = time.Second / 2 // a view that just changed may not have been heard by all yet
)

// member is a satellite as its last hello told it.
type member struct {
	hello
	heard time.Time
	hash  uint64 // of its name
	holds map[inventory.ID]struct{}
}

// view is what one satellite knows of its site. It only computes: whoever has it tells it what was heard, and when.
type view struct {
	me      peer
	members []*member // by name
	changed time.Time // when a member came, went, or became ready
	untold  bool      // the others were not yet told of that
	spoken  uint64    // the seq of the first hello that told of it
	asked   bool      // another told of a change, and waits to be told that it was heard
	gone    []*member // vanished without a farewell, for as long as LoginAfter needs them
	pulse   time.Time // when this process was last seen running
	needs   uint64    // only our own hello of this seq or a later one proves that we hear
	since   time.Time // since when we hear, without a gap; zero: we do not
	heeded  bool      // we were ready once
	double  time.Time // when another satellite under our name was last heard
}

// hear takes in a hello. The answer is a line for the log, empty where nothing is new.
func (v *view) hear(h hello, now time.Time) (news string) {
	news = v.expire(now)
	if h.Name == v.me.Name && !h.same(v.me) {
		return join(news, v.hearDouble(h, now))
	}
	i := slices.IndexFunc(v.members, func(m *member) bool { return m.Name == h.Name })
	switch {
	case i >= 0 && v.members[i].Started.After(h.Started), i >= 0 && v.members[i].same(h.peer) && v.members[i].Seq >= h.Seq:
		return news // of an earlier life, or a duplicate
	case h.Leaving && i >= 0:
		v.members = slices.Delete(v.members, i, i+1)
		v.change(now)
		return join(news, h.Name+" left")
	case h.Leaving:
		return news
	}
	if h.Name == v.me.Name {
		v.hearMyself(h, now)
	}
	m := &member{hello: h, heard: now, hash: hashOf(h.Name), holds: make(map[inventory.ID]struct{}, len(h.Holds))}
	for _, id := range h.Holds {
		m.holds[id] = struct{}{}
	}
	if i >= 0 && v.members[i].same(h.peer) {
		return join(news, v.replace(i, m, now))
	}
	v.change(now)
	v.gone = slices.DeleteFunc(v.gone, func(g *member) bool { return g.same(h.peer) })
	if i >= 0 {
		v.gone = append(v.gone, v.members[i])
		v.members[i] = m
		return join(news, h.Name+" restarted")
	}
	v.members = append(v.members, m)
	slices.SortFunc(v.members, func(a, b *member) int { return byName(a.peer, b.peer) })
	return join(news, h.Name+" came")
}

func join(a, b string) string { return strings.Trim(a+", "+b, ", ") }

func (v *view) change(now time.Time) { v.changed, v.untold = now, true }

// replace takes in a further hello of the same life.
func (v *view) replace(i int, m *member, now time.Time) (news string) {
	before := v.members[i]
	v.members[i] = m
	if before.Ready != m.Ready {
		v.change(now)
	}
	v.asked = v.asked || !m.same(v.me) && !slices.EqualFunc(before.Sees, m.Sees, alike)
	switch {
	case m.Ready && !before.Ready:
		return m.Name + " is ready"
	case before.Ready && !m.Ready:
		return m.Name + " listens again"
	}
	return ""
}

// hearMyself: whoever was deaf, or stood still, begins to listen anew.
func (v *view) hearMyself(h hello, now time.Time) {
	if h.Seq < v.needs || now.Sub(v.pulse) > frozen {
		v.since = time.Time{}
		return
	}
	if !v.hears(now) {
		v.since = now
	}
}

func (v *view) hearDouble(h hello, now time.Time) string {
	if h.Leaving || h.Started.Before(v.me.Started) {
		return "" // our own earlier life
	}
	first := now.Sub(v.double) > Silence
	v.double = now
	if !first {
		return ""
	}
	return "another satellite was started under our name: this one starts nothing; give each a name of its own"
}

// beat notes that the process runs; false after it stood still. next is the seq of the next hello.
func (v *view) beat(now time.Time, next uint64) bool {
	gap := now.Sub(v.pulse)
	wall := now.Round(0).Sub(v.pulse.Round(0)) // a suspended machine stops the one clock and not the other
	v.pulse = now
	if gap <= frozen && wall <= frozen {
		return true
	}
	v.since, v.needs = time.Time{}, next
	return false
}

// expire lets members go that were silent for too long.
func (v *view) expire(now time.Time) (news string) {
	v.gone = slices.DeleteFunc(v.gone, func(m *member) bool { return now.Sub(m.heard) > Silence+TakeoverWait })
	v.members = slices.DeleteFunc(v.members, func(m *member) bool {
		if now.Sub(m.heard) <= Silence {
			return false
		}
		v.change(now)
		if m.Name == v.me.Name {
			news = join(news, "we do not hear our own hellos")
			return true
		}
		news = join(news, m.Name+" vanished")
		v.gone = append(v.gone, m)
		return true
	})
	return news
}

// hears says whether our own hellos came back of late.
func (v *view) hears(now time.Time) bool {
	i := slices.IndexFunc(v.members, func(m *member) bool { return m.same(v.me) })
	return i >= 0 && !v.since.IsZero() && now.Sub(v.members[i].heard) <= deaf
}

// alive says whether this satellite may act: it hears, it did not stand still, and nobody took its name.
func (v *view) alive(now time.Time) bool {
	return now.Sub(v.pulse) <= frozen && v.hears(now) && (v.double.IsZero() || now.Sub(v.double) > Silence)
}

func (v *view) owner(bmc inventory.ID) *member { return best(v.members, bmc, anybody) }

func (v *view) other(bmc inventory.ID) *member {
	return best(v.members, bmc, func(m *member) bool { return m.Name != v.me.Name && m.Ready && !m.Stopped })
}

// starter is who should start the routine round that was due then. While a new satellite only listens, the others go on with
// what fell due before it could start anything: it may not even know of it.
func (v *view) starter(bmc inventory.ID, due time.Time) *member {
	m := best(v.members, bmc, func(m *member) bool { return m.Ready || !m.Started.Add(Silence).After(due) })
	if m == nil {
		m = v.owner(bmc)
	}
	return m
}

// turn is the rule by which satellites that hear each other never start rounds of the same BMC at the same moment.
func (v *view) turn(bmc inventory.ID, due time.Time, why checks.Why, now time.Time) schedule.Turn {
	m := v.owner(bmc)
	if why == checks.Routine {
		m = v.starter(bmc, due)
	}
	switch {
	case m == nil:
		return schedule.Later // we do not even hear ourselves
	case m.same(v.me) && v.settled(bmc, now):
		return schedule.Now
	case m.same(v.me):
		return schedule.Later
	case why != checks.Routine || m.Frontier.After(due):
		return schedule.Never
	}
	return schedule.Theirs // its owner may be dead
}

// settled says whether all agree on who is there, and nobody but us is busy with bmc. Each of the others has told that it sees
// what we see since it heard that we see it: were it to start a round by another view, it would have told us of that view, and
// have had our answer, which we would not have given.
func (v *view) settled(bmc inventory.ID, now time.Time) bool {
	if !v.ready(now) || now.Sub(v.changed) < settle || v.untold {
		return false
	}
	for _, m := range v.members {
		if m.same(v.me) {
			if !m.Ready {
				return false // the others may not know yet
			}
			continue
		}
		if _, held := m.holds[bmc]; held || !v.agreed(m.Sees) {
			return false
		}
	}
	return true
}

func (v *view) agreed(sees []word) bool {
	return slices.EqualFunc(v.members, sees, func(m *member, w word) bool {
		return alike(m.word, w) && (!m.same(v.me) || w.Seq >= v.spoken)
	})
}

// alike says whether two words mean the same view.
func alike(a, b word) bool { return a.same(b.peer) && a.Ready == b.Ready }

// tell is what the others should hear of the view, in our hello of this seq.
func (v *view) tell(seq uint64, now time.Time) (w word, sees []word) {
	v.asked = false
	if v.untold {
		v.untold, v.spoken = false, seq
	}
	for _, m := range v.members {
		sees = append(sees, m.word)
	}
	return word{peer: v.me, Seq: seq, Ready: v.ready(now)}, sees
}

// ready says whether we have listened for long enough to start rounds.
func (v *view) ready(now time.Time) bool {
	if v.heeded {
		return v.alive(now) && now.Sub(v.since) >= rejoin
	}
	v.heeded = v.alive(now) && now.Sub(v.since) >= Silence
	return v.heeded
}

// loginAfter is when the sessions of an owner that vanished are over; zero: bmc had none.
func (v *view) loginAfter(bmc inventory.ID) (after time.Time) {
	now := v.owner(bmc)
	for _, m := range v.gone {
		at := m.heard.Add(Silence + TakeoverWait)
		if (now == nil || now.Name == m.Name || weigh(m.hash, hashOf(bmc)) > weigh(now.hash, hashOf(bmc))) && at.After(after) {
			after = at
		}
	}
	return after
}
