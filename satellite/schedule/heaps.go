package schedule

import (
	"container/heap"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// entry is a round that is due or will be.
type entry struct {
	due time.Time
	why checks.Why
	bmc inventory.ID
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

// redate gives the routine round of a BMC that waits a later due.
func (u *urgency) redate(e entry) {
	for i := range u.agenda {
		if u.agenda[i].bmc == e.bmc && u.agenda[i].why == e.why {
			u.agenda[i].due = e.due
			heap.Fix(u, i)
			return
		}
	}
}
