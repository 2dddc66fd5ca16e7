package spool

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lamplighter/inventory"
)

// rewrite writes what is kept of files into new ones, which then take the place of the first of them. There are never more
// new ones than old ones: the last takes all that is left.
type rewrite struct {
	spool  *Spool
	files  []segment
	done   []segment
	counts map[inventory.ID]int // how many records more wait afterwards

	file   *os.File
	writer *bufio.Writer
}

func (w *rewrite) keep(r Record) error {
	last := len(w.done) - 1
	if w.file != nil && w.done[last].size >= w.spool.config.Segment && len(w.done) < len(w.files) {
		if err := w.seal(); err != nil {
			return err
		}
	}
	if w.file == nil {
		number := w.files[len(w.done)].number
		file, err := os.OpenFile(w.spool.path(number)+newEnd, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		w.file, w.writer, w.done = file, bufio.NewWriterSize(file, 1<<16), append(w.done, segment{number: number})
		last = len(w.done) - 1
	}
	n, err := w.writer.Write(appendFrame(nil, r))
	w.done[last].size += int64(n)
	return err
}

func (w *rewrite) seal() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.writer.Flush(), w.file.Sync(), w.file.Close())
	w.file = nil
	return err
}

// swapping is the order to replace files, as it lies on the disk: whoever opens the spool after a crash carries it out.
type swapping struct {
	Replace []uint64 `json:"replace"`
	Remove  []uint64 `json:"remove"`
}

func (s *Spool) swapPath() string { return filepath.Join(s.config.Dir, "swap") }

func (s *Spool) swap(replace, remove []segment) error {
	var order swapping
	for _, g := range replace {
		order.Replace = append(order.Replace, g.number)
	}
	for _, g := range remove {
		order.Remove = append(order.Remove, g.number)
	}
	text, err := json.Marshal(order)
	if err != nil {
		return err
	}
	if err := writeSynced(s.swapPath()+newEnd, text); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(s.swapPath()+newEnd, s.swapPath()), syncDir(s.config.Dir)); err != nil {
		return err
	}
	return s.finishSwap()
}

func writeSynced(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// finishSwap carries out the order that lies there, from the beginning or from where a crash ended it, and removes files that
// never became part of one.
func (s *Spool) finishSwap() error {
	text, err := os.ReadFile(s.swapPath())
	if err == nil {
		if err := s.obey(text); err != nil {
			return fmt.Errorf("replace segments: %w", err)
		}
	} else if !os.IsNotExist(err) {
		return err
	}
	entries, err := os.ReadDir(s.config.Dir)
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), newEnd) {
			err = errors.Join(err, os.Remove(filepath.Join(s.config.Dir, entry.Name())))
		}
	}
	return err
}

func (s *Spool) obey(text []byte) error {
	var order swapping
	if err := json.Unmarshal(text, &order); err != nil {
		return fmt.Errorf("%s: %w", s.swapPath(), err)
	}
	for _, number := range order.Replace {
		if err := missingOK(os.Rename(s.path(number)+newEnd, s.path(number))); err != nil {
			return err
		}
	}
	for _, number := range order.Remove {
		if err := missingOK(os.Remove(s.path(number))); err != nil {
			return err
		}
	}
	// The files must be in place for good before the order is gone.
	return errors.Join(syncDir(s.config.Dir), os.Remove(s.swapPath()), syncDir(s.config.Dir))
}

// missingOK passes over what was done before a crash.
func missingOK(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
