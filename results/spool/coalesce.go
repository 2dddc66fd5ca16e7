package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

// Relieve coalesces when the spool is under pressure.
func (s *Spool) Relieve(now time.Time) error {
	first, err := s.Head(1)
	if err != nil || len(first) == 0 {
		return err
	}
	f := fill{bytes: s.Stats().Bytes, bytesThen: s.bytesThen, oldest: now.Sub(first[0].At), sinceFolds: now.Sub(s.folded)}
	if !s.config.pressed(f) {
		return nil
	}
	return s.Coalesce(now)
}

// Coalesce drops repeats from all that waits, see fold, and puts one gap record before the rest. Appends go on meanwhile.
func (s *Spool) Coalesce(now time.Time) error {
	files, skip, err := s.sealed()
	if err == nil && len(files) > 0 {
		err = s.coalesce(files, skip, now)
	}
	s.bytesThen, s.folded = s.Stats().Bytes, now
	if err != nil {
		return fmt.Errorf("coalesce spool %s: %w", s.config.Dir, err)
	}
	return nil
}

// sealed ends the file that is being written and returns all files, with how much of the first is done.
func (s *Spool) sealed() ([]segment, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.seal(); err != nil {
		return nil, 0, err
	}
	at := entry{segment: s.head.segment, start: s.head.offset}
	if len(s.head.ahead) > 0 {
		at = s.head.ahead[0]
	}
	if len(s.segments) == 0 || s.segments[0].number != at.segment {
		at.start = 0
	}
	return append([]segment(nil), s.segments...), at.start, nil
}

func (s *Spool) coalesce(files []segment, skip int64, now time.Time) error {
	f, missing := newFold(), gap{}
	err := s.each(files, skip, func(r Record) error {
		f.add(r)
		if r.Kind == Gap {
			missing = missing.with(gapOf(r))
		}
		return nil
	})
	if err != nil || f.gap.records == 0 && f.skips == 0 {
		return err
	}
	out := &rewrite{spool: s, files: files, counts: map[inventory.ID]int{}}
	if missing = missing.with(f.gap); missing.records > 0 {
		err = out.keep(s.gapRecord(missing, now))
		out.counts[""]++
	}
	i := 0
	err = errors.Join(err, s.each(files, skip, func(r Record) error {
		r.Rounds = f.rounds[i]
		i++
		if r.Rounds == 0 {
			out.counts[r.BMC]--
			return nil
		}
		return out.keep(r)
	}))
	if err = errors.Join(err, out.seal()); err != nil {
		return errors.Join(err, s.finishSwap()) // removes what was written
	}
	if err := s.swap(out.done, files[len(out.done):]); err != nil {
		return err
	}
	s.settle(files, out, f.gap.records+uint64(f.skips))
	return s.head.close()
}

// settle counts what is left after the files were replaced; the consumer starts again at the first.
func (s *Spool) settle(files []segment, out *rewrite, dropped uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range files {
		s.bytes -= g.size
	}
	for _, g := range out.done {
		s.bytes += g.size
	}
	for bmc, n := range out.counts {
		s.count(Record{BMC: bmc}, n)
	}
	s.dropped += dropped
	s.segments = append(out.done, s.segments[len(files):]...)
	for _, e := range s.head.ahead {
		if e.done { // before one that is not: it comes again
			s.count(e.Record, 1)
		}
	}
	s.head.segment, s.head.offset, s.head.ahead, s.head.bytes, s.head.window = s.segments[0].number, 0, nil, 0, nil
}

// each reads the records of files, from skip on in the first.
func (s *Spool) each(files []segment, skip int64, see func(Record) error) error {
	for i, g := range files {
		file, err := os.Open(s.path(g.number))
		if err != nil {
			return err
		}
		from := int64(0)
		if i == 0 {
			from = skip
		}
		_, err = scan(io.NewSectionReader(file, from, g.size-from), see)
		if err = errors.Join(nonEOF(err), file.Close()); err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
	}
	return nil
}

func nonEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func gapOf(r Record) gap {
	var doc results.Gap
	if err := json.Unmarshal(r.Value, &doc); err != nil {
		return gap{} // it was written by us and has a checksum
	}
	return gap{doc.Verdicts, doc.From, doc.To}
}

func (s *Spool) gapRecord(g gap, now time.Time) Record {
	doc := results.Gap{
		Schema: results.GapSchema, Site: s.config.Site, Satellite: s.config.Satellite,
		From: g.from.UTC(), To: g.to.UTC(), Verdicts: g.records, At: now.UTC(),
	}
	value, err := json.Marshal(doc)
	if err != nil {
		panic(err) // texts, numbers and times of our own
	}
	id := fmt.Sprintf("gap/%s@%s/%s#%d", doc.Satellite, doc.From.Format(time.RFC3339Nano), doc.To.Format(time.RFC3339Nano), doc.Verdicts)
	return Record{Kind: Gap, ID: id, At: now, Value: value}
}
