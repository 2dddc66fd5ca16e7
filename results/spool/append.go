package spool

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Append returns once r is on the disk. After an error it is not kept.
func (s *Spool) Append(r Record) error {
	frame := appendFrame(nil, r)
	if len(frame) > MaxRecord {
		return fmt.Errorf("spool %s: %d bytes are too long for a record", r.ID, len(frame))
	}
	b, leads, err := s.add(r, frame)
	if err != nil {
		return fmt.Errorf("spool %s in %s: %w", r.ID, s.config.Dir, err)
	}
	if leads {
		s.commit(b)
	}
	<-b.done
	if b.err != nil {
		return fmt.Errorf("spool %s in %s: %w", r.ID, s.config.Dir, b.err)
	}
	return nil
}

// add writes a frame and joins those who wait for the fsync. The first of them leads: it does the waiting.
func (s *Spool) add(r Record, frame []byte) (b *batch, leads bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bytes+int64(len(frame)) > s.config.Bytes {
		return nil, false, ErrFull
	}
	if err := s.write(frame); err != nil {
		return nil, false, err
	}
	s.bytes += int64(len(frame))
	r.Value = nil
	s.unsynced = append(s.unsynced, r)
	s.count(r, 1)
	if s.batch == nil {
		s.batch, leads = &batch{done: make(chan struct{})}, true
	}
	return s.batch, leads, nil
}

// commit waits for others, then syncs for all.
func (s *Spool) commit(b *batch) {
	<-time.After(s.config.Batch)
	s.mu.Lock()
	if err := s.sync(); b.err == nil {
		b.err = err
	}
	s.batch = nil
	s.mu.Unlock()
	close(b.done)
	select {
	case s.news <- struct{}{}:
	default: // it will look anyway
	}
}

// write appends a frame whole or not at all, to a new file when the last one is full.
func (s *Spool) write(frame []byte) error {
	if s.active != nil && s.last().size >= s.config.Segment {
		if err := s.seal(); err != nil {
			return err
		}
	}
	if s.active == nil {
		if err := s.start(); err != nil {
			return err
		}
	}
	if _, err := s.active.Write(frame); err != nil {
		if cut := s.active.Truncate(s.last().size); cut != nil {
			return errors.Join(err, cut, s.seal()) // what is torn stays at the end, and is cut off at the next start
		}
		return err
	}
	s.last().size += int64(len(frame))
	return nil
}

func (s *Spool) last() *segment { return &s.segments[len(s.segments)-1] }

// start makes the next file.
func (s *Spool) start() error {
	number := s.highest + 1
	file, err := os.OpenFile(s.path(number), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := syncDir(s.config.Dir); err != nil {
		return errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	s.active, s.synced, s.highest = file, 0, number
	s.segments = append(s.segments, segment{number: number})
	return nil
}

// seal syncs the file that is being written and closes it.
func (s *Spool) seal() error {
	err := s.sync()
	if s.active != nil {
		err = errors.Join(err, s.active.Close())
		s.active = nil
	}
	return err
}

// sync puts the active file on the disk. After an error nobody knows what of it is there: what was not synced before is cut
// off, those who wait for it are told, and nothing is appended to that file again.
func (s *Spool) sync() error {
	if s.active == nil || s.synced == s.last().size {
		return nil
	}
	err := s.active.Sync()
	if err == nil {
		s.synced, s.unsynced = s.last().size, nil
		return nil
	}
	for _, r := range s.unsynced {
		s.count(r, -1)
	}
	s.bytes -= s.last().size - s.synced
	s.last().size, s.unsynced = s.synced, nil
	err = errors.Join(err, s.active.Truncate(s.synced), s.active.Close())
	s.active = nil
	if s.batch != nil {
		s.batch.err = err
	}
	return err
}
