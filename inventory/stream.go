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
}

// read reads the list at a path such as result.items; an empty path: the document is the list. What is behind it is read to the end,
// so that an answer that was cut short is told from a whole one.
func (s *stream) read(from io.Reader, path string) error {
	s.decoder = json.NewDecoder(from)
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
