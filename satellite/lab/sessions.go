package lab

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// sessions is what the BMCs saw.
type sessions struct {
	Logins, Handshakes, Refused int
	// Overlaps are two sessions open at once at one BMC, with nobody killed or frozen to excuse it; Excused are the others.
	Overlaps []string
	Excused  int
	// Quiet are the rounds of Redfish BMCs that no fault was near; Dear are those that took not one handshake but others.
	Quiet int
	Dear  []string
}

// session is an open session.
type session struct {
	id       string
	from, to time.Time
}

func (h History) sessions() (s sessions) {
	byBMC, handshakes := map[inventory.ID][]session{}, map[inventory.ID][]time.Time{}
	for _, e := range h.Events {
		switch e.Kind {
		case bmcsim.Handshake:
			s.Handshakes++
			handshakes[e.BMC] = append(handshakes[e.BMC], e.At)
		case bmcsim.RefusedLogin:
			s.Refused++
		case bmcsim.Login:
			s.Logins++
			byBMC[e.BMC] = append(byBMC[e.BMC], session{id: e.Session, from: e.At})
		case bmcsim.Logout, bmcsim.Expired:
			if all, i := byBMC[e.BMC], find(byBMC[e.BMC], e.Session); i >= 0 {
				all[i].to = e.At
			}
		}
	}
	tasks := h.tasksOf()
	for bmc, all := range byBMC {
		h.overlaps(&s, bmc, all, tasks[bmc])
	}
	for _, bmc := range h.Fleet {
		if bmc.Protocol == inventory.Redfish {
			h.handshakes(&s, bmc.ID, handshakes[bmc.ID], tasks[bmc.ID])
		}
	}
	return s
}

// find is the session of that name which is still open.
func find(all []session, id string) int {
	return slices.IndexFunc(all, func(s session) bool { return s.id == id && s.to.IsZero() })
}

// tasksOf is each BMC's tasks, oldest first.
func (h History) tasksOf() map[inventory.ID][]Task {
	tasks := map[inventory.ID][]Task{}
	for _, t := range h.Tasks {
		tasks[t.Round.BMC] = append(tasks[t.Round.BMC], t)
	}
	for _, all := range tasks {
		slices.SortStableFunc(all, func(a, b Task) int { return a.At.Compare(b.At) })
	}
	return tasks
}

// overlaps finds sessions of a BMC that began before an earlier one had ended. A session that nobody closed and that was not seen
// to run out is open until the end.
func (h History) overlaps(s *sessions, bmc inventory.ID, all []session, tasks []Task) {
	slices.SortFunc(all, func(a, b session) int { return a.from.Compare(b.from) })
	for i, later := range all {
		for _, earlier := range all[:i] {
			if !earlier.to.IsZero() && !earlier.to.After(later.from) {
				continue
			}
			opener := openedBy(tasks, earlier.from)
			gone := func(f Injected) bool { return f.Satellite != "" && f.Satellite == opener }
			if h.disturbed(earlier.from, later.from, 0, gone) {
				s.Excused++
				continue
			}
			s.Overlaps = append(s.Overlaps, fmt.Sprintf("%s: a session of %s, open since %s, and another from %s",
				bmc, cmp.Or(opener, "nobody"), clock(earlier.from), clock(later.from)))
		}
	}
}

// openedBy is the satellite that had the BMC's newest task when a session was opened. The lab sees a task a little later than its
// satellite does.
func openedBy(tasks []Task, at time.Time) (satellite string) {
	for _, t := range tasks {
		if t.At.After(at.Add(50 * time.Millisecond)) {
			break
		}
		satellite = t.Satellite
	}
	return satellite
}

// early is how much later than its satellite the lab may see a round's first task, in quiet times.
const early = 2 * time.Second

// handshakes counts those of each quiet round: from its start to the next one's.
func (h History) handshakes(s *sessions, bmc inventory.ID, at []time.Time, tasks []Task) {
	judged := h.verdicts()
	starts := slices.DeleteFunc(slices.Clone(tasks), func(t Task) bool { return !t.First })
	starts = slices.CompactFunc(starts, func(a, b Task) bool { return a.Round == b.Round }) // started again by a satellite that was not told
	for i, start := range starts {
		v, ok := judged[start.Round]
		end := h.Ended.Add(2 * early)
		if i+1 < len(starts) {
			end = starts[i+1].At
		}
		if !ok || start.At.Before(h.Began) || v.At.After(h.Ended) || h.disturbed(start.At, later(v.At, start.At), quiet, anyFault) {
			continue
		}
		n := 0
		for _, hello := range at {
			if !hello.Before(start.At.Add(-early)) && hello.Before(end.Add(-early)) {
				n++
			}
		}
		s.Quiet++
		if n != 1 {
			s.Dear = append(s.Dear, fmt.Sprintf("%s: %d handshakes", start.Round, n))
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
