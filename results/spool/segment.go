package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	segmentEnd = ".seg" // 0000000001.seg, counted up
	newEnd     = ".new" // a coalesced segment that has not taken its place yet
)

// segment is one file of records. Only the last one is written to.
type segment struct {
	number uint64
	size   int64
}

func (s *Spool) path(number uint64) string {
	return filepath.Join(s.config.Dir, fmt.Sprintf("%010d%s", number, segmentEnd))
}

// segments lists the files by number.
func (s *Spool) list() ([]uint64, error) {
	entries, err := os.ReadDir(s.config.Dir) // by name
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), segmentEnd)
		if !ok {
			continue
		}
		number, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no segment of a spool", filepath.Join(s.config.Dir, entry.Name()))
		}
		numbers = append(numbers, number)
	}
	return numbers, nil
}

// scan reads every record of r and says where the last whole one ends.
func scan(r io.Reader, see func(Record) error) (end int64, err error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	for {
		record, n, err := readFrame(buffered)
		if err != nil {
			return end, err
		}
		if err := see(record); err != nil {
			return end, err
		}
		end += n
	}
}

// recoverSegment counts the records of a segment and cuts off a torn end.
func (s *Spool) recoverSegment(number uint64) (segment, error) {
	file, err := os.OpenFile(s.path(number), os.O_RDWR, 0)
	if err != nil {
		return segment{}, err
	}
	defer file.Close()
	end, err := scan(file, func(r Record) error { s.count(r, 1); return nil })
	if errors.Is(err, errTorn) {
		info, statErr := file.Stat()
		if statErr != nil {
			return segment{}, statErr
		}
		s.cut += info.Size() - end
		err = errors.Join(file.Truncate(end), file.Sync())
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return segment{}, fmt.Errorf("read %s: %w", file.Name(), err)
	}
	return segment{number, end}, nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
