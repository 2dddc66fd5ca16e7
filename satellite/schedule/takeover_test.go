package schedule_test

import (
	"hash/fnv"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/schedule"
)

// pair are two satellites that hear each other's frontier every two seconds, and miss each other after six.
type pair [2]*member

type member struct {
	*desk
	heard    time.Time // of its frontier
	frontier time.Time
	gone     bool
}

// said is what the others know of it.
func (m *member) said() (heard, frontier time.Time, gone bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard, m.frontier, m.gone
}

func (p pair) owner(bmc inventory.ID, now time.Time) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(bmc))
	best := int(h.Sum32() >> 7 & 1)
	if heard, _, _ := p[best].said(); now.Sub(heard) > 6*time.Second {
		return 1 - best
	}
	return best
}

func (p pair) turn(me int) func(inventory.ID, time.Time, checks.Why) schedule.Turn {
	return func(bmc inventory.ID, due time.Time, why checks.Why) schedule.Turn {
		owner := p.owner(bmc, time.Now())
		_, frontier, _ := p[owner].said()
		_, _, gone := p[me].said()
		switch {
		case gone:
			return schedule.Later
		case owner == me:
			return schedule.Now
		case why != checks.Routine || frontier.After(due):
			return schedule.Never
		}
		return schedule.Theirs
	}
}

// pass lets time pass, with a hello of each every two seconds.
func (p pair) pass(d time.Duration) {
	for range d / (2 * time.Second) {
		for _, m := range p {
			if !m.gone {
				frontier := m.Frontier()
				m.with(func() { m.heard, m.frontier = time.Now(), frontier })
			}
		}
		pass(2 * time.Second)
	}
}

func TestASatelliteStartsExactlyWhatOneThatDiedHadNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 30 * time.Second
		ids := names(300)
		p := pair{{desk: newDesk(interval, 60)}, {desk: newDesk(interval, 60)}}
		var closed [2]func() error
		for i, m := range p {
			m.turn = p.turn(i)
			m.with(func() { m.heard = time.Now() })
			closed[i] = m.open(t, ids...)
		}
		p.pass(2 * time.Minute)
		for i, m := range p {
			if lag := time.Since(m.Frontier()); lag > time.Millisecond {
				t.Errorf("the frontier of %d is %v behind: it waits for the other's", i, lag)
			}
		}
		p[0].with(func() { p[0].gone = true })
		died := time.Now()
		_ = closed[0]()
		p.pass(time.Minute)
		end := time.Now()
		_ = closed[1]()
		twice := 0
		for _, id := range ids {
			for due := checks.Due(id, interval, p[0].begun); due.Before(end); due = due.Add(interval) {
				r := checks.Round{BMC: id, Due: due, Why: checks.Routine}
				_, first := p[0].started[r]
				at, second := p[1].started[r]
				switch {
				case !first && !second:
					t.Errorf("nobody started %s, due %v after the death", r, due.Sub(died))
				case first && second:
					twice++
				case second && at.Sub(due) > 10*time.Second:
					t.Errorf("%s started %v late", r, at.Sub(due))
				}
			}
		}
		if most := 300 * 2 / 30; twice > most { // what was started after the last hello
			t.Errorf("%d rounds were started twice, want at most %d", twice, most)
		}
	})
}
