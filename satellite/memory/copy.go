package memory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// head is the first line of a copy; what follows are lines, each a record or something late.
type head struct {
	Log string `json:"log"`
	// Position is that of the last record that the copy knows.
	Position int64  `json:"position"`
	Lines    int    `json:"lines"`
	Sum      uint32 `json:"sum"` // CRC-32C of all that follows
}

type copyLine struct {
	Record *record `json:"record,omitempty"`
	Late   *late   `json:"late,omitempty"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeCopy(log string, position int64, lines []copyLine) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	for _, l := range lines {
		if err := encoder.Encode(l); err != nil {
			return nil, err
		}
	}
	first, err := json.Marshal(head{log, position, len(lines), crc32.Checksum(body.Bytes(), castagnoli)})
	if err != nil {
		return nil, err
	}
	return append(append(first, '\n'), body.Bytes()...), nil
}

// decodeCopy reads a copy of log, whole and undamaged, or not at all.
func decodeCopy(log string, text []byte) (position int64, lines []copyLine, err error) {
	first, body, _ := bytes.Cut(text, []byte("\n"))
	var h head
	if err := json.Unmarshal(first, &h); err != nil {
		return 0, nil, fmt.Errorf("first line: %w", err)
	}
	if h.Log != log {
		return 0, nil, fmt.Errorf("is of %q, not of %q", h.Log, log)
	}
	if sum := crc32.Checksum(body, castagnoli); sum != h.Sum || h.Position < -1 {
		return 0, nil, fmt.Errorf("position %d, checksum %08x, the text's is %08x", h.Position, h.Sum, sum)
	}
	for line := range bytes.Lines(body) {
		var l copyLine
		if err := json.Unmarshal(line, &l); err != nil {
			return 0, nil, fmt.Errorf("line %.80q: %w", line, err)
		}
		if err := l.whole(); err != nil {
			return 0, nil, fmt.Errorf("line %.80q: %w", line, err)
		}
		lines = append(lines, l)
	}
	if len(lines) != h.Lines {
		return 0, nil, fmt.Errorf("%d lines, want %d", len(lines), h.Lines)
	}
	return h.Position, lines, nil
}

func (l copyLine) whole() error {
	switch {
	case l.Record != nil && l.Late == nil:
		return l.Record.whole()
	case l.Record != nil || l.Late == nil:
		return errors.New("want a record or what is late")
	case l.Late.Record != nil && l.Late.Outcome == nil:
		return l.Late.Record.whole()
	case l.Late.Record != nil || l.Late.Outcome == nil || l.Late.Outcome.BMC == "":
		return errors.New("want an outcome or a record")
	}
	return nil
}

// load reads the copy. One that is damaged is set aside: the log is read from its start then.
func (s *shared) load() error {
	if s.Path == "" {
		return nil
	}
	text, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the copy of site memory: %w", err)
	}
	position, lines, err := decodeCopy(s.Name, text)
	if err != nil {
		aside := s.Path + ".damaged"
		s.Say.Error("the copy of site memory is set aside, the log is read from its start", "copy", s.Path, "to", aside, "error", err)
		if err := os.Rename(s.Path, aside); err != nil {
			return fmt.Errorf("set a damaged copy of site memory aside: %w", err)
		}
		return nil
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	for _, l := range lines {
		if l.Record != nil {
			s.take(*l.Record)
		} else {
			s.queue(l.Late)
		}
	}
	s.at, s.dirty = position, false
	return nil
}

// save writes the copy anew, if there is something new.
func (s *shared) save() error {
	if s.Path == "" {
		return nil
	}
	s.saving.Lock()
	defer s.saving.Unlock()
	position, lines := s.snapshot()
	if lines == nil {
		return nil
	}
	text, err := encodeCopy(s.Name, position, lines)
	if err == nil {
		err = replace(s.Path, text)
	}
	if err != nil {
		s.m.mu.Lock()
		s.dirty = true
		s.m.mu.Unlock()
		return fmt.Errorf("write the copy of site memory: %w", err)
	}
	return nil
}

// snapshot is what the copy is to hold; no lines when it holds it.
func (s *shared) snapshot() (position int64, lines []copyLine) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if !s.dirty {
		return 0, nil
	}
	lines = []copyLine{}
	for _, r := range s.m.live(s.base) {
		stood := s.stood[r.key()]
		r.ID, r.Written = stood.ID, stood.Written
		lines = append(lines, copyLine{Record: &r})
	}
	for _, queue := range s.late {
		for _, l := range queue {
			lines = append(lines, copyLine{Late: &late{Outcome: l.Outcome, Record: l.Record}})
		}
	}
	s.dirty = false
	return s.at, lines
}

// replace puts text in the place of a file, on the disk and whole.
func replace(path string, text []byte) (err error) {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = next.Write(text)
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
