package memory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	saveEvery   = 5 * time.Second
	drainMost   = 3 * time.Second  // how long Run goes on after its end, for what is late
	anewAfter   = time.Minute      // how long a mark that the log has may take to come by while nothing else does
	doubtAfter  = 20 * time.Second // the same once a record that the log has did not come by in time
	signEvery   = 5 * time.Minute
	renewEvery  = 10 * time.Minute
	renewAfter  = 48 * time.Hour // a log keeps a record for 7 days
	appendsMost = 64             // how many late records are under way at once
	appendMost  = 30 * time.Second
)

var errAnew = errors.New("the log was made anew")

// run follows the log, appends what is late, renews, and keeps the copy. It ends only with ctx, or with the bus.
func (s *shared) run(ctx context.Context) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var followed error
	var group sync.WaitGroup
	group.Go(func() {
		if followed = s.follow(working); followed != nil {
			stop()
		}
	})
	group.Go(func() { s.flush(working) })
	group.Go(func() {
		if s.ready(working) == nil {
			s.renew(working)
		}
		s.every(working, renewEvery, s.renew)
	})
	group.Go(func() {
		s.every(working, saveEvery, func(context.Context) {
			if err := s.save(); err != nil {
				s.Say.Error("keep the copy of site memory", "error", err)
			}
		})
	})
	select {
	case <-ctx.Done():
		s.drain(working)
	case <-working.Done():
	}
	stop()
	group.Wait()
	return errors.Join(followed, s.save())
}

func (s *shared) every(ctx context.Context, pause time.Duration, do func(context.Context)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			do(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// follow reads the log. The first time it appends a mark: what comes before it was there before.
func (s *shared) follow(ctx context.Context) error {
	for {
		reading, stop := context.WithCancelCause(ctx)
		var group sync.WaitGroup
		group.Go(func() { s.sign(reading, stop) })
		s.m.mu.Lock()
		from := s.at + 1
		s.m.mu.Unlock()
		err := s.Log.Follow(reading, s.Name, from, s.see)
		if errors.Is(context.Cause(reading), errAnew) {
			err = errAnew
		}
		stop(nil)
		group.Wait()
		if !errors.Is(err, errAnew) {
			return err
		}
		s.Say.Error("site memory is read from the start, and written again", "log", s.Name, "reason", err)
		s.forget()
	}
}

// sign appends the mark, at first so that it is known when all was read, then now and again: a log that has it and shows nothing
// is not the one that was read before.
func (s *shared) sign(ctx context.Context, stop context.CancelCauseFunc) {
	id, _ := s.signature()
	line, err := json.Marshal(record{Kind: "mark", ID: id, By: s.Satellite, Written: time.Now().UTC()})
	for most := anewAfter; err == nil && ctx.Err() == nil; {
		before := s.position()
		if s.Log.Append(ctx, s.Name, line) != nil {
			wait(ctx, retry())
			continue
		}
		if most == doubtAfter {
			wait(ctx, most)
		} else if s.doubted(ctx, most) {
			most = doubtAfter
			continue
		}
		if ctx.Err() == nil && s.position() == before {
			stop(errAnew)
			return
		}
		if most = anewAfter; s.doubted(ctx, signEvery) {
			most = doubtAfter
		}
	}
	if err != nil {
		stop(err)
	}
}

// doubted waits for so long, or until a record that the log took was not shown in time, and says which.
func (s *shared) doubted(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.doubt:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (s *shared) position() int64 {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.at
}

func (s *shared) signature() (id string, marked <-chan struct{}) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.mark, s.marked
}

// forget starts over at a log that was made anew. What is known stands; what the log does not have is renewed once it was read.
func (s *shared) forget() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.at, s.mark = -1, intent()
	if s.read() {
		s.marked = make(chan struct{})
	}
	for key := range s.stood {
		s.stood[key] = mark{}
	}
}

// see takes in a record of the log. What cannot be read is passed over: it must not keep a site from what comes after it.
func (s *shared) see(at int64, line []byte) error {
	r, err := decode(line)
	if err != nil {
		s.Say.Error("site memory: a record is passed over", "log", s.Name, "position", at, "error", err)
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if at <= s.at {
		return fmt.Errorf("%w: position %d after %d", errAnew, at, s.at)
	}
	s.at, s.dirty = at, true
	if err == nil {
		s.tell(r, s.take(r))
	}
	return nil
}

// decode reads a record of the log; one without what its kind needs is an error, one of an unknown kind is not.
func decode(line []byte) (r record, err error) {
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("record %.80q: %w", line, err)
	}
	if err := r.whole(); err != nil {
		return r, fmt.Errorf("record %.80q: %w", line, err)
	}
	return r, nil
}

// take lets r count if it does. m.mu is held.
func (s *shared) take(r record) bool {
	stood := s.stood[r.key()]
	switch r.Kind {
	case "mark":
		if r.ID == s.mark {
			s.markSeen()
		}
		return true
	case "fence":
		if r.Fence.Seq <= s.base[r.BMC].Seq {
			if stood.ID == "" && r.Fence.Seq == s.base[r.BMC].Seq { // read again
				s.stood[r.key()] = mark{r.ID, r.Written}
			}
			return false
		}
		s.base[r.BMC] = *r.Fence
	case "known", "hold", "stop":
		if r.Renews != "" && stood.ID != "" && stood.ID != r.Renews {
			return false
		}
	default:
		return true
	}
	s.stood[r.key()] = mark{r.ID, r.Written}
	if s.written(r); r.Kind == "fence" || !s.newer(r) {
		s.overlay(r)
	}
	return true
}

// markSeen says that all is known that was written before Run. m.mu is held.
func (s *shared) markSeen() {
	if !s.read() {
		close(s.marked)
		s.nudge()
	}
}

// written drops what is late no longer. m.mu is held.
func (s *shared) written(r record) {
	subject := r.subject()
	for i, l := range s.late[subject] {
		if (l.Outcome != nil && l.Outcome.Intent == r.Ends) || (l.Record != nil && l.Record.ID == r.ID && r.ID != "") {
			close(l.written)
			s.late[subject] = append(append([]*late{}, s.late[subject][:i]...), s.late[subject][i+1:]...)
			break
		}
	}
	if len(s.late[subject]) == 0 {
		delete(s.late, subject)
	}
}

// newer says whether a record of the same key is late, and will come after r. m.mu is held.
func (s *shared) newer(r record) bool {
	for _, l := range s.late[r.subject()] {
		if l.Record != nil && l.Record.Kind == r.Kind {
			return true
		}
	}
	return false
}

// tell tells whoever has a record about the same subject under way what became of it. m.mu is held.
func (s *shared) tell(r record, counted bool) {
	u := s.busy[r.subject()]
	switch {
	case u == nil:
		return
	case u.id == r.ID:
	case counted && u.seq > 0 && r.Kind == "fence" && r.Fence.Seq >= u.seq:
		counted = false // its place is taken
	default:
		return
	}
	select {
	case u.done <- counted:
	default:
	}
}
