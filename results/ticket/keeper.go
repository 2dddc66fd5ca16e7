package ticket

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"lamplighter/results"
)

// Config says what a Keeper keeps. Desks and Write are needed.
type Config struct {
	// Name is this process's, for dead letters.
	Name   string
	Desks  map[string]Desk
	Routes []Route
	Rules  Rules
	// Most new tickets of a desk within Within: the rest is listed in one. 0: no end.
	Most   int
	Within time.Duration
	// Resend is how often a desk is told again of what is open there, by name; 0: never.
	Resend map[string]time.Duration
	// Link is the template of the link to an incident; empty: none.
	Link string
	// Tries is how often a desk is told the same until it counts as undeliverable; 0: 8.
	Tries int
	// Write keeps what a desk has, and returns once it is kept for good. Several goroutines call it.
	Write func(context.Context, results.Ticket) error
	// Bury keeps what could not be told; nil: it is only logged.
	Bury func(context.Context, results.DeadLetter) error
	Log  *slog.Logger // nil: nothing is logged
}

// Nowhere is where an incident comes from that was read from no partition.
const Nowhere = -1

// Keeper keeps the desks in step with the incidents that it was given. All methods may be called at the same time.
type Keeper struct {
	config Config
	log    *slog.Logger
	wake   chan struct{} // holds a token when there may be something to do

	mu      sync.Mutex // guards the following
	held    map[string]*held
	tickets map[place]results.Ticket
	lines   map[string]*line
	running int
	ended   *sync.Cond // a job has ended
	numbers Numbers
}

// place is an incident at a desk.
type place struct{ incident, desk string }

// held is an incident that some desk has to be told of, or may have to be.
type held struct {
	doc    results.Incident
	from   int32
	offset int64
	jobs   map[string]*job // by desk
}

// New makes a Keeper; Run runs it.
func New(c Config) *Keeper {
	c.Tries = cmp.Or(c.Tries, 8)
	k := &Keeper{config: c, log: c.Log, wake: make(chan struct{}, 1), held: map[string]*held{}, tickets: map[place]results.Ticket{}, lines: map[string]*line{}}
	k.ended = sync.NewCond(&k.mu)
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	for name := range c.Desks {
		k.lines[name] = &line{desk: name, brake: Brake{Most: c.Most, Within: c.Within}}
		if c.Resend[name] > 0 { // what forgets by itself groups by itself
			k.lines[name].brake = Brake{}
		}
	}
	return k
}

// Note takes in what is known of a ticket, from an earlier run or from another process. What is newer here stays.
func (k *Keeper) Note(t results.Ticket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := place{t.Incident, t.Desk}
	before, known := k.tickets[at]
	if known && t.At.Before(before.At) {
		return
	}
	k.tickets[at] = t
	if l := k.lines[t.Desk]; l != nil && t.In == "" && !t.OpenedAt.IsZero() && !t.OpenedAt.Equal(before.OpenedAt) {
		l.brake.Count(t.Incident, t.OpenedAt)
	}
	if t.In != "" {
		k.refresh(t.Desk, t.In, Nowhere, false)
	}
}

// Take takes in an incident as it is now, read at an offset of a partition. One that is older than what is held is passed over.
func (k *Keeper) Take(i results.Incident, from int32, offset int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for desk := range k.lines {
		if storm := stormOf(i.ID); k.tickets[place{i.ID, desk}].In == storm {
			defer k.refresh(desk, storm, from, true)
		}
	}
	h := k.held[i.ID]
	if h == nil {
		if i.Status == results.Resolved && k.over(i.ID) {
			return // nobody was ever told, or all know that it is closed
		}
		h = &held{jobs: map[string]*job{}}
		k.held[i.ID] = h
	} else if i.Seq <= h.doc.Seq {
		return
	}
	h.doc, h.from, h.offset = i, from, offset
	k.plan(h, time.Now())
}

// Whole says that there is no other Keeper: every storm is this one's.
func (k *Keeper) Whole() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for at, t := range k.tickets {
		if t.In != "" {
			k.refresh(at.desk, t.In, Nowhere, true)
		}
	}
}

// over says that no desk has to hear of an incident that is closed.
func (k *Keeper) over(incident string) bool {
	for desk := range k.lines {
		t, known := k.tickets[place{incident, desk}]
		if known && (t.Open || t.Error != "" || t.Said.Status != results.Resolved) {
			return false
		}
	}
	return true
}

// plan gives each desk that gets an incident, or has a ticket of it, a job.
func (k *Keeper) plan(h *held, now time.Time) {
	wanted := Takes(k.config.Routes, h.doc)
	for desk := range k.lines {
		if _, known := k.tickets[place{h.doc.ID, desk}]; known {
			wanted = append(wanted, desk)
		}
	}
	for _, desk := range wanted {
		l := k.lines[desk]
		if l == nil {
			continue
		}
		if h.jobs[desk] == nil {
			h.jobs[desk] = &job{held: h, line: l, index: idle}
		}
		if j := h.jobs[desk]; !j.running {
			j.tries = 0
			k.schedule(j, now)
		}
	}
	k.release(h)
}

// schedule says when a job is looked at next.
func (k *Keeper) schedule(j *job, now time.Time) {
	known := k.tickets[j.place()]
	due, again := Due(known, j.held.doc, now, k.config.Rules)
	resend := k.config.Resend[j.line.desk]
	switch {
	case due || j.unwritten:
		again = now
	case resend > 0 && known.Open && known.In == "":
		if at := j.told.Add(resend); again.IsZero() || at.Before(again) {
			again = at
		}
	}
	if !due {
		j.seen = j.held.doc.Seq
	}
	if again.IsZero() {
		j.line.remove(j)
		return
	}
	j.line.put(j, again)
	k.nudge()
}

// release forgets an incident that is closed, and of which all desks know that.
func (k *Keeper) release(h *held) {
	if h.doc.Status != results.Resolved {
		return
	}
	for _, j := range h.jobs {
		if j.running || j.index != idle {
			return
		}
	}
	delete(k.held, h.doc.ID)
}

func (k *Keeper) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Unsettled is the lowest offset of a partition whose incident was not tried to be told yet; false: there is none.
func (k *Keeper) Unsettled(from int32) (lowest int64, any bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.held {
		if h.from == from && h.unsettled() && (!any || h.offset < lowest) {
			lowest, any = h.offset, true
		}
	}
	return lowest, any
}

func (h *held) unsettled() bool {
	for _, j := range h.jobs {
		if j.seen < h.doc.Seq {
			return true
		}
	}
	return false
}

// Drop forgets the incidents of a partition that goes to somebody else. It returns once none of them is being told of.
func (k *Keeper) Drop(from int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var gone []*held
	for id, h := range k.held {
		if h.from != from {
			continue
		}
		for _, j := range h.jobs {
			j.line.remove(j)
			j.dropped = true
			if j.line.storm == id {
				j.line.storm = ""
			}
		}
		delete(k.held, id)
		gone = append(gone, h)
	}
	for _, h := range gone {
		for h.busy() {
			k.ended.Wait()
		}
	}
}

func (h *held) busy() bool {
	for _, j := range h.jobs {
		if j.running {
			return true
		}
	}
	return false
}

// Tickets are what desks have of an incident, by desk.
func (k *Keeper) Tickets(incident string) (all []results.Ticket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for desk := range k.lines {
		if t, known := k.tickets[place{incident, desk}]; known {
			all = append(all, t)
		}
	}
	return all
}
