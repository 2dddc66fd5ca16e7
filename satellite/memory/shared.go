package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"lamplighter/inventory"
	"lamplighter/satellite/bus"
)

// Shared says how satellites share a memory.
type Shared struct {
	// Path is the file of the local copy: the newest record of each key, and the position. A satellite that starts while the broker
	// is away knows its fences and the stop from it. Empty: no copy.
	Path string
	// Log and Name are the log that all satellites of the site follow.
	Log  bus.Log
	Name string
	// Satellite is written into records, for people.
	Satellite string
	// Say is told what people should know; nil: slog.Default.
	Say *slog.Logger
}

// waitMost is how long a decision waits for the log.
const waitMost = 5 * time.Second

// shared keeps the records in a log. Its order decides: a fence counts only if its Seq is higher than that of the one that stands
// at its place in the log, so that of two satellites that decided on the same fence the first has decided, for everybody.
type shared struct {
	Shared
	m *Memory

	// The following are guarded by m.mu. m.fences, m.known and m.holds are what the log says and, on top, what is late.
	at    int64                  // position of the last record taken in; -1: none
	base  map[inventory.ID]Fence // fences as the log has them
	stood map[string]mark        // by key: the record that counts
	late  map[string][]*late     // by subject, in order
	busy  map[string]*under      // by subject: the one record that is under way from here
	dirty bool                   // the copy is behind

	mark   string        // ID of the mark that Run appends
	marked chan struct{} // closed when it came by

	wake   chan struct{} // something is late, or a subject is free again
	doubt  chan struct{} // the log took a record and did not show it in time
	saving sync.Mutex    // one writes the copy at a time
}

// mark says which record counts for a key, and when it was written.
type mark struct {
	ID      string
	Written time.Time
}

// under is a record under way.
type under struct {
	id   string
	seq  uint64
	done chan bool     // whether it counted, once that is known
	free chan struct{} // closed when the subject is free again
}

// OpenShared knows what the copy says; Run follows the log.
func OpenShared(c Shared) (*Memory, error) {
	if c.Say == nil {
		c.Say = slog.Default()
	}
	m := empty()
	s := &shared{
		Shared: c, m: m, at: -1, base: map[inventory.ID]Fence{}, stood: map[string]mark{}, late: map[string][]*late{}, busy: map[string]*under{},
		mark: intent(), marked: make(chan struct{}), wake: make(chan struct{}, 1), doubt: make(chan struct{}, 1),
	}
	m.store = s
	return m, s.load()
}

func (s *shared) close() error { return s.save() }

func (s *shared) ready(ctx context.Context) error {
	_, marked := s.signature()
	select {
	case <-marked:
		return nil
	default:
	}
	select {
	case <-marked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("read %s to its end: %w", s.Name, ctx.Err())
	}
}

// agree decides on what stands and appends, until a record counted. What is late about the same subject goes first.
func (s *shared) agree(ctx context.Context, decide func() *record) error {
	ctx, cancel := context.WithTimeout(ctx, waitMost)
	defer cancel()
	for {
		s.m.mu.Lock()
		r := decide()
		if r == nil {
			s.m.mu.Unlock()
			return nil
		}
		subject := r.subject()
		if wait := s.blocked(subject); wait != nil {
			s.m.mu.Unlock()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return fmt.Errorf("write %s to %s: what comes before it could not be: %w, %w", r, s.Name, errNotTried, ctx.Err())
			}
		}
		u := s.begin(r)
		s.m.mu.Unlock()
		counted, err := s.publish(ctx, r, u)
		s.end(subject)
		if counted || err != nil {
			return err
		}
	}
}

// read says whether all is known that was written before Run. m.mu is held.
func (s *shared) read() bool {
	select {
	case <-s.marked:
		return true
	default:
		return false
	}
}

// blocked is closed when the next record about a subject may go; nil: now. m.mu is held.
func (s *shared) blocked(subject string) <-chan struct{} {
	if !s.read() {
		return s.marked
	}
	if u := s.busy[subject]; u != nil {
		return u.free
	}
	if first := s.late[subject]; len(first) > 0 {
		return first[0].written
	}
	return nil
}

// begin makes r the record under way about its subject. m.mu is held.
func (s *shared) begin(r *record) *under {
	if r.ID == "" {
		r.ID = intent()
	}
	r.By, r.Written = s.Satellite, time.Now().UTC()
	u := &under{id: r.ID, done: make(chan bool, 1), free: make(chan struct{})}
	if r.Fence != nil {
		r.Fence.Seq = s.base[r.BMC].Seq + 1
		u.seq = r.Fence.Seq
	}
	s.busy[r.subject()] = u
	return u
}

func (s *shared) end(subject string) {
	s.m.mu.Lock()
	close(s.busy[subject].free)
	delete(s.busy, subject)
	s.m.mu.Unlock()
	s.nudge()
}

// nudge wakes the goroutine that appends what is late.
func (s *shared) nudge() { signal(s.wake) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// publish appends r until it comes by in the log or never can, and says whether it counted. On an error it still may come.
func (s *shared) publish(ctx context.Context, r *record, u *under) (bool, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", r, err)
	}
	for {
		err := s.Log.Append(ctx, s.Name, line)
		var again <-chan time.Time
		if err != nil { // nobody knows whether it is there; twice does no harm
			again = time.After(retry())
		}
		select {
		case counted := <-u.done:
			return counted, nil
		case <-again:
		case <-ctx.Done():
			if err == nil {
				signal(s.doubt)
			}
			return false, fmt.Errorf("write %s to %s: %w", r, s.Name, errors.Join(ctx.Err(), err))
		}
	}
}

// retry is 0.25 to 0.5 s.
func retry() time.Duration { return 250*time.Millisecond + rand.N(250*time.Millisecond) }

// note makes l count here, and leaves it to Run to append it.
func (s *shared) note(_ context.Context, l *late) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if !s.m.nothingNew(l) {
		if l.Record != nil {
			l.Record.ID = intent()
		}
		s.queue(l)
		s.nudge()
	}
	return nil
}

// queue lets l count. m.mu is held.
func (s *shared) queue(l *late) {
	r := s.m.happened(l, Fence{})
	l.written, s.dirty = make(chan struct{}), true
	s.late[r.subject()] = append(s.late[r.subject()], l)
	s.overlay(*r)
}

// overlay lets what is late count here: a fence as it will be settled on what stands, and the newest of other records.
func (s *shared) overlay(r record) {
	if r.Kind != "fence" {
		s.m.apply(r)
		return
	}
	f := s.base[r.BMC]
	for _, l := range s.late[r.subject()] {
		if l.Outcome != nil {
			seq := f.Seq
			f = s.m.Rule.settle(f, *l.Outcome)
			f.Seq = seq
		}
	}
	s.m.fences[r.BMC] = f
}
