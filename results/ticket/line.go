package ticket

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// parallel is how many incidents one desk is told of at once.
	parallel = 4
	// drain is how long what is being told when Run ends may take.
	drain = 20 * time.Second
	// locked is how long a desk is left alone that does not let us in.
	locked = 10 * time.Minute
	// later is how long what is undeliverable waits for another try.
	later = time.Hour
	// secondLook is when a desk is asked once more whether a new ticket is the only one.
	secondLook = time.Minute
)

// job is one incident at one desk. It is in its line's heap, running, or has nothing to do.
type job struct {
	held  *held
	line  *line
	due   time.Time
	index int // in the heap, or idle

	running, dropped bool
	tries            int
	// seen is the number of the incident's document that was tried, buried the one of the last dead letter.
	seen, buried uint64
	// unwritten: the ticket as it is in memory is not kept yet.
	unwritten bool
	// told is when the desk was told last by this process, look when it is to be asked for a second ticket.
	told, look time.Time
}

const idle = -1

func (j *job) place() place { return place{j.held.doc.ID, j.line.desk} }

// line is what one desk has to be told, by time.
type line struct {
	desk    string
	jobs    []*job
	running int
	// paused is until when nothing is told, fails how often in a row that failed, and refused why we are not let in.
	paused  time.Time
	fails   int
	refused error
	brake   Brake
	// storm is the incident whose ticket lists those that have none.
	storm string
}

func (l *line) Len() int           { return len(l.jobs) }
func (l *line) Less(a, b int) bool { return l.jobs[a].due.Before(l.jobs[b].due) }
func (l *line) Swap(a, b int) {
	l.jobs[a], l.jobs[b] = l.jobs[b], l.jobs[a]
	l.jobs[a].index, l.jobs[b].index = a, b
}

// Push is for package heap.
func (l *line) Push(x any) {
	j := x.(*job)
	j.index = len(l.jobs)
	l.jobs = append(l.jobs, j)
}

// Pop is for package heap.
func (l *line) Pop() any {
	j := l.jobs[len(l.jobs)-1]
	l.jobs[len(l.jobs)-1] = nil
	l.jobs, j.index = l.jobs[:len(l.jobs)-1], idle
	return j
}

func (l *line) put(j *job, due time.Time) {
	if j.due = due; j.index == idle {
		heap.Push(l, j)
		return
	}
	heap.Fix(l, j.index)
}

func (l *line) remove(j *job) {
	if j.index != idle {
		heap.Remove(l, j.index)
	}
}

// room is how many more may be told at once: after failures one tries for all.
func (l *line) room() int {
	if l.fails > 0 {
		return 1 - l.running
	}
	return parallel - l.running
}

// next is when there is something to do; false: not until something changes.
func (l *line) next() (at time.Time, any bool) {
	if len(l.jobs) == 0 || l.room() <= 0 {
		return at, false
	}
	at = l.jobs[0].due
	if l.paused.After(at) {
		at = l.paused
	}
	return at, true
}

// Run tells desks until ctx ends, and then waits for what is being told.
func (k *Keeper) Run(ctx context.Context) error {
	late, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var group sync.WaitGroup
	defer group.Wait()
	defer context.AfterFunc(ctx, func() {
		enough := time.NewTimer(drain)
		defer enough.Stop()
		select {
		case <-enough.C:
			cut()
		case <-late.Done():
		}
	})()
	for {
		timer := time.NewTimer(k.launch(late, &group, time.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// launch starts what is due, and says how long there is nothing more to do.
func (k *Keeper) launch(ctx context.Context, group *sync.WaitGroup, now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	wait := time.Hour
	for _, l := range k.lines {
		for {
			at, any := l.next()
			if !any {
				break
			}
			if at.After(now) {
				wait = min(wait, at.Sub(now))
				break
			}
			j := heap.Pop(l).(*job)
			j.running = true
			l.running++
			k.running++
			group.Go(func() { k.work(ctx, j) })
		}
	}
	return wait
}

// backoff is how long to wait before another try: 1 s at most first, five minutes later, with jitter.
func backoff(tries int) time.Duration {
	most := 5 * time.Minute
	if tries < 9 {
		most = time.Second << max(tries-1, 0)
	}
	return most/2 + rand.N(most/2)
}
