package memory

import (
	"context"
	"sync"
	"time"
)

// flush appends what is late, in order for each subject, until ctx ends.
func (s *shared) flush(ctx context.Context) {
	for {
		var wait <-chan time.Time
		if s.flushOnce(ctx) > 0 {
			wait = time.After(retry())
		}
		select {
		case <-s.wake:
		case <-wait:
		case <-ctx.Done():
			return
		}
	}
}

// flushOnce appends the first late record of many subjects at once; it returns how many could not be.
func (s *shared) flushOnce(ctx context.Context) (failed int) {
	for ctx.Err() == nil {
		firsts := s.firsts()
		if len(firsts) == 0 {
			return 0
		}
		results := make([]error, len(firsts))
		var group sync.WaitGroup
		for i, f := range firsts {
			group.Go(func() { results[i] = s.append(ctx, f.record, f.under) })
		}
		group.Wait()
		for _, err := range results {
			if err != nil {
				failed++
			}
		}
		if failed > 0 {
			return failed
		}
	}
	return 0
}

type first struct {
	record *record
	under  *under
}

// firsts makes what is late records under way.
func (s *shared) firsts() (all []first) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if !s.read() {
		return nil
	}
	for subject, queue := range s.late {
		if s.busy[subject] != nil || len(all) == appendsMost {
			continue
		}
		var stands Fence
		if o := queue[0].Outcome; o != nil {
			stands = s.base[o.BMC]
		}
		r := *s.m.happened(queue[0], stands)
		all = append(all, first{&r, s.begin(&r)})
	}
	return all
}

// append writes a record; one whose place was taken is decided anew by the next flush.
func (s *shared) append(ctx context.Context, r *record, u *under) error {
	ctx, cancel := context.WithTimeout(ctx, appendMost)
	defer cancel()
	defer s.end(r.subject())
	_, err := s.publish(ctx, r, u)
	return err
}

// drain gives what is late a little time.
func (s *shared) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainMost)
	defer cancel()
	for {
		wait := s.anyLate()
		if wait == nil {
			return
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
	}
}

func (s *shared) anyLate() <-chan struct{} {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, queue := range s.late {
		return queue[0].written
	}
	return nil
}

// renew writes what is old and ours again, before the log forgets it. What belongs to no BMC is everybody's.
func (s *shared) renew(ctx context.Context) {
	for _, r := range s.old() {
		if r.BMC != "" && (s.m.Own == nil || !s.m.Own(r.BMC)) {
			continue
		}
		err := s.agree(ctx, func() *record { return s.again(r) })
		if err != nil {
			s.Say.Warn("site memory is renewed later", "error", err)
			return
		}
	}
}

// old are the records that were written long ago.
func (s *shared) old() (all []record) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, r := range s.m.live(s.base) {
		if s.isOld(r) {
			all = append(all, r)
		}
	}
	return all
}

func (s *shared) isOld(r record) bool { return time.Since(s.stood[r.key()].Written) > renewAfter }

// again is what stands now in r's place, if it is still old. m.mu is held.
func (s *shared) again(r record) *record {
	if !s.isOld(r) {
		return nil
	}
	now := s.m.current(r)
	next := &record{Kind: r.Kind, BMC: r.BMC, Credential: r.Credential, Renews: s.stood[r.key()].ID}
	switch r.Kind {
	case "fence":
		f := s.base[r.BMC]
		next.Fence = &f
	case "known":
		next.Known = now.Known
	case "hold":
		next.Hold = now.Hold
	case "stop":
		next.Stop = now.Stop
	}
	return next
}
