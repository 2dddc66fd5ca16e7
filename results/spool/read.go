package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"lamplighter/inventory"
)

// reading is how far the consumer has read, and what of it is not done.
type reading struct {
	file    *os.File
	segment uint64 // where the next record is, or in the next file that there is
	offset  int64
	ahead   []entry // the first is not done
	bytes   int64   // of what is not done in ahead
	window  []int   // where in ahead the records are that Head returned
}

// What is read ahead of what is done is bounded: a few windows, so that a window is full also where BMCs come often and in no
// order; of ordinary records, a few of the longest.
const (
	aheadWindows = 4
	aheadBytes   = 8 << 20
)

// entry is a record with its place.
type entry struct {
	Record
	segment uint64
	start   int64
	size    int64
	done    bool
}

func (r *reading) close() (err error) {
	if r.file != nil {
		err = r.file.Close()
		r.file = nil
	}
	return err
}

// Head returns the next records, at most most, and only the first of each BMC: so whatever happens to one of them, no newer
// record of its BMC is on the way. What is about no BMC has no order. The same ones are returned until they are Done. Nothing waits: none.
func (s *Spool) Head(most int) ([]Record, error) {
	for s.head.room(most) {
		more, err := s.readOn(most)
		if err != nil {
			return nil, fmt.Errorf("read spool %s: %w", s.config.Dir, err)
		}
		if !more {
			break
		}
	}
	s.head.window = window(s.head.ahead, most)
	var records []Record
	for _, i := range s.head.window {
		records = append(records, s.head.ahead[i].Record)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.oldest = (time.Time{}); len(records) > 0 {
		s.oldest = records[0].At
	}
	return records, nil
}

func (r *reading) room(most int) bool {
	return len(r.ahead) < aheadWindows*most && r.bytes < aheadBytes
}

// window is the first of each BMC that is not done.
func window(entries []entry, most int) (places []int) {
	seen := map[inventory.ID]bool{}
	for i, e := range entries {
		if len(places) == most {
			break
		}
		if e.done || seen[e.BMC] {
			continue
		}
		seen[e.BMC] = e.BMC != ""
		places = append(places, i)
	}
	return places
}

// readOn reads what is on the disk of the segment that it is in, or goes on to the next one; false at the end.
func (s *Spool) readOn(most int) (bool, error) {
	number, end, sealed, ok := s.place()
	if !ok {
		return false, nil
	}
	if s.head.file == nil {
		file, err := os.Open(s.path(number))
		if err != nil {
			return false, err
		}
		s.head.file, s.head.segment, s.head.offset = file, number, 0
	}
	if s.head.offset < end {
		return true, s.readTo(end, most)
	}
	if !sealed {
		return false, nil
	}
	if len(s.head.ahead) == 0 {
		return true, s.forget() // an empty segment, or one that was done before it was sealed
	}
	return s.next()
}

// place says which segment is being read, how much of it is on the disk, and whether more may come.
func (s *Spool) place() (number uint64, end int64, sealed, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.segments, func(g segment) bool { return g.number >= s.head.segment })
	if i < 0 {
		return 0, 0, false, false
	}
	if i == len(s.segments)-1 && s.active != nil {
		return s.segments[i].number, s.synced, false, true
	}
	return s.segments[i].number, s.segments[i].size, true, true
}

// next goes on to the segment after the one that is being read; false when there is none.
func (s *Spool) next() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last().number <= s.head.segment {
		return false, nil
	}
	err := s.head.close()
	s.head.segment, s.head.offset = s.head.segment+1, 0
	return true, err
}

func (s *Spool) readTo(end int64, most int) error {
	r := bufio.NewReaderSize(io.NewSectionReader(s.head.file, s.head.offset, end-s.head.offset), 1<<16)
	for s.head.room(most) && s.head.offset < end {
		record, n, err := readFrame(r)
		if err != nil {
			return fmt.Errorf("%s at byte %d: %w", s.head.file.Name(), s.head.offset, err)
		}
		s.head.ahead = append(s.head.ahead, entry{record, s.head.segment, s.head.offset, n, false})
		s.head.offset += n
		s.head.bytes += n
	}
	return nil
}

// Done says that the first n records of Head are elsewhere for good. A file whose records are all done is removed; after a
// crash the others of its records come again.
func (s *Spool) Done(n int) error {
	s.mu.Lock()
	for _, i := range s.head.window[:n] {
		e := &s.head.ahead[i]
		s.count(e.Record, -1)
		s.head.bytes -= e.size
		e.done, e.Value = true, nil
	}
	s.mu.Unlock()
	first := slices.IndexFunc(s.head.ahead, func(e entry) bool { return !e.done })
	if first < 0 {
		first = len(s.head.ahead)
	}
	s.head.ahead, s.head.window = slices.Delete(s.head.ahead, 0, first), nil
	return s.forget()
}

// forget removes the files that hold nothing any more, in the end the one that is being written, too.
func (s *Spool) forget() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for len(s.segments) > 0 && s.over(s.segments[0]) {
		first := s.segments[0]
		if len(s.segments) == 1 {
			errs = append(errs, s.seal())
		}
		if first.number == s.head.segment {
			errs = append(errs, s.head.close())
		}
		errs = append(errs, os.Remove(s.path(first.number)))
		s.bytes -= first.size
		s.segments = s.segments[1:]
	}
	return errors.Join(errs...)
}

// over says whether every record of a segment is done, so far as it was written.
func (s *Spool) over(g segment) bool {
	if len(s.head.ahead) > 0 {
		return g.number < s.head.ahead[0].segment
	}
	return g.number < s.head.segment || g.number == s.head.segment && s.head.offset >= g.size
}
