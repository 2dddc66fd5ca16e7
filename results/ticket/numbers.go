package ticket

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lamplighter/results"
)

// Numbers are a Keeper's, for metrics.
type Numbers struct {
	// Told is how often a desk was told, by act.
	Told map[Act]uint64
	// Failures is how often that failed, Dead how many incidents were given up, Held how many a storm's ticket lists.
	Failures, Dead, Held uint64
	// Waiting is how many incidents have a desk to be told of them now.
	Waiting int
	// Desks says of each desk whether it takes what it is told.
	Desks map[string]bool
}

// Numbers says how things are.
func (k *Keeper) Numbers() Numbers {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.numbers
	n.Told, n.Desks = maps.Clone(k.numbers.Told), map[string]bool{}
	now := time.Now()
	for name, l := range k.lines {
		n.Desks[name] = l.fails == 0
		n.Waiting += l.running
		for _, j := range l.jobs {
			if !j.due.After(now) || j.tries > 0 {
				n.Waiting++
			}
		}
	}
	return n
}

// Ready names the desks that do not take what they are told; nil: there is none.
func (k *Keeper) Ready() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(k.lines)) {
		l := k.lines[name]
		switch {
		case l.refused != nil:
			errs = append(errs, l.refused)
		case l.fails >= k.config.Tries:
			errs = append(errs, fmt.Errorf("desk %s: not told %d times in a row; the log says why", name, l.fails))
		}
	}
	return errors.Join(errs...)
}

// said counts an act, and has a desk that got a new ticket asked once more whether it is the only one.
func (k *Keeper) said(j *job, d Decision, doc results.Incident, told bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	j.look = time.Time{}
	if !told {
		return
	}
	j.told = now
	if d.Act == Nothing {
		return
	}
	k.counted(d.Act)
	if d.Act == Open {
		j.look = now.Add(secondLook)
	}
	k.log.Info("a desk was told", "desk", j.line.desk, "incident", doc.ID, "act", string(d.Act), "why", d.Why)
}

// count counts an act.
func (k *Keeper) count(act Act) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counted(act)
}

func (k *Keeper) counted(act Act) {
	if k.numbers.Told == nil {
		k.numbers.Told = map[Act]uint64{}
	}
	k.numbers.Told[act]++
}
