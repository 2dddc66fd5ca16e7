package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// stream reads a JSON document whose records are in a list, one at a time, so that no page lies in memory as a whole.
type stream struct {
	decoder *json.Decoder
	each    func(*json.Decoder) error // decodes one record
	// beside gets each value that stands beside the list, or beside what it is in, by its path.
	beside func(path string, value json.RawMessage)
	found  bool
	budget *budget
}

// mostRecord bounds a value, which has to be in memory as a whole.
const mostRecord = 16 << 20

// budget fails where more is read than was granted since.
type budget struct {
	from io.Reader
	left int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("a record of more than %d MiB", mostRecord>>20)
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// grant is for the next value.
func (b *budget) grant() { b.left = mostRecord }

// read reads the list at a path such as result.items; an empty path: the document is the list. What is behind it is read to the end,
// so that an answer that was cut short is told from a whole one.
func (s *stream) read(from io.Reader, path string) error {
	s.budget = &budget{from, mostRecord}
	s.decoder = json.NewDecoder(s.budget)
	var keys []string
	if path != "" {
		keys = strings.Split(path, ".")
	}
	if err := s.descend("", keys); err != nil {
		return s.cut(err)
	}
	if !s.found {
		return fmt.Errorf("there is no list at %q", path)
	}
	if _, err := s.decoder.Token(); !errors.Is(err, io.EOF) {
		return s.cut(errors.Join(errors.New("something follows the document"), err))
	}
	return nil
}

// cut says so where the document ended too soon.
func (s *stream) cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the answer is cut short after %d bytes: %w", s.decoder.InputOffset(), io.ErrUnexpectedEOF)
	}
	return err
}

// descend reads the value at which the decoder is.
func (s *stream) descend(at string, keys []string) error {
	token, err := s.decoder.Token()
	if err != nil {
		return err
	}
	switch {
	case len(keys) == 0 && token == json.Delim('['):
		s.found = true
		for s.decoder.More() {
			s.budget.grant()
			if err := s.each(s.decoder); err != nil {
				return err
			}
		}
		_, err = s.decoder.Token()
		return err
	case len(keys) == 0 || token != json.Delim('{'):
		return fmt.Errorf("want a list of records at %q, got %v", strings.Join(append([]string{at}, keys...), "."), token)
	}
	for s.decoder.More() {
		key, err := s.decoder.Token()
		if err != nil {
			return err
		}
		path := strings.TrimPrefix(fmt.Sprintf("%s.%s", at, key), ".")
		if key == keys[0] {
			err = s.descend(path, keys[1:])
		} else {
			var value json.RawMessage
			s.budget.grant()
			if err = s.decoder.Decode(&value); err == nil {
				s.beside(path, value)
			}
		}
		if err != nil {
			return err
		}
	}
	_, err = s.decoder.Token()
	return err
}
