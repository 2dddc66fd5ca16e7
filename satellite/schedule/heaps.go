package schedule

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// entry is a round that is due or will be.
type entry struct {
	due time.Time // in ready, its place in the line
	why checks.Why
	bmc inventory.ID
}

// at is the entry's round, due then.
func (e entry) at(due time.Time) checks.Round {
	return checks.Round{BMC: e.bmc, Due: due.UTC().Truncate(time.Millisecond), Why: e.why}
}

// agenda is a heap by due.
type agenda []entry

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due.Before(a[j].due) }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push is for container/heap.
func (a *agenda) Push(x any) { *a = append(*a, x.(entry)) }

// Pop is for container/heap.
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// urgency is a heap by lane, then due.
type urgency struct{ agenda }

func (u urgency) Less(i, j int) bool {
	if a, b := u.agenda[i].why.Lane(), u.agenda[j].why.Lane(); a != b {
		return a < b
	}
	return u.agenda.Less(i, j)
}
