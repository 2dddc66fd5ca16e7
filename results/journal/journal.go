// Package journal is an append-only file of lines that several processes may share: what was appended is on the disk, a torn
// last line is cut off, and a decision can be taken and written down before anybody else decides.
//
// The verdict file (results) and site memory (satellite/memory) are kept in one.
package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// File is an open journal. Its methods are safe for concurrent use.
type File struct {
	path string
	perm os.FileMode

	mu   sync.Mutex // guards the following; held only while lines are read and written, never during fsync
	file *os.File
	read int64 // how far Update has read
	gen  int64 // lines written by us so far

	syncing sync.Mutex // guards synced; whoever holds it syncs for all who wait
	synced  int64
}

// Open opens or makes a journal.
func Open(path string, perm os.FileMode) (*File, error) {
	f := &File{path: path, perm: perm}
	file, err := f.open()
	f.file = file
	return f, err
}

func (f *File) open() (*os.File, error) {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, f.perm)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return file, nil
}

// Close puts what was written on the disk and closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(syncFile(f.file), f.file.Close())
}

// Append writes one line; on return it is on the disk.
func (f *File) Append(line []byte) error {
	return f.Update(nil, func() ([]byte, error) { return line, nil })
}

// Update gives every line that it has not seen to see, then appends what decide returns, if anything. No other process
// appends in between, so a decision rests on all that was written. On return without error the line is on the disk. A line
// may be seen twice, after the file was replaced: whoever sees it must not mind. see may be nil.
func (f *File) Update(see func(line []byte) error, decide func() ([]byte, error)) error {
	mine, file, err := f.update(see, decide)
	if err != nil || mine == 0 {
		return err
	}
	return f.sync(mine, file)
}

func (f *File) update(see func([]byte) error, decide func() ([]byte, error)) (mine int64, file *os.File, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.lock(); err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, flock(f.file, syscall.LOCK_UN)) }()
	end, err := f.cutTorn()
	if err == nil && see != nil {
		err = f.catchUp(end, see)
	}
	if err != nil {
		return 0, nil, err
	}
	line, err := decide()
	if err != nil || line == nil {
		return 0, nil, err
	}
	if err := f.write(end, line); err != nil {
		return 0, nil, err
	}
	f.gen++
	return f.gen, f.file, nil
}

// lock takes the lock of the file that has the name now: it may have been replaced or rotated away.
func (f *File) lock() error {
	for {
		if err := flock(f.file, syscall.LOCK_EX); err != nil {
			return fmt.Errorf("lock %s: %w", f.path, err)
		}
		open, err := f.file.Stat()
		if err != nil {
			return err
		}
		if named, err := os.Stat(f.path); err == nil && os.SameFile(open, named) {
			return nil
		}
		fresh, err := f.open()
		if err != nil {
			return errors.Join(err, flock(f.file, syscall.LOCK_UN))
		}
		if err := errors.Join(syncFile(f.file), f.file.Close()); err != nil {
			return err
		}
		f.file, f.read = fresh, 0
	}
}

func flock(file *os.File, how int) error {
	for {
		if err := syscall.Flock(int(file.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// cutTorn removes a last line without an end: its writer died, and nobody was told that it was written.
func (f *File) cutTorn() (end int64, err error) {
	info, err := f.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, err
	}
	end = info.Size()
	block := make([]byte, 4096)
	for end > 0 {
		from := max(0, end-int64(len(block)))
		tail := block[:end-from]
		if _, err := f.file.ReadAt(tail, from); err != nil {
			return 0, fmt.Errorf("read the end of %s: %w", f.path, err)
		}
		if i := bytes.LastIndexByte(tail, '\n'); i >= 0 {
			end = from + int64(i) + 1
			break
		}
		end = from
	}
	if end < info.Size() {
		if err := f.file.Truncate(end); err != nil {
			return 0, fmt.Errorf("cut the torn line off %s: %w", f.path, err)
		}
	}
	return end, nil
}

// catchUp reads from where the last Update stopped to end.
func (f *File) catchUp(end int64, see func([]byte) error) error {
	if f.read >= end {
		return nil
	}
	news, err := io.ReadAll(io.NewSectionReader(f.file, f.read, end-f.read))
	if err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	for line := range bytes.Lines(news) {
		if err := see(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return fmt.Errorf("%s at byte %d: %w", f.path, f.read, err)
		}
		f.read += int64(len(line))
	}
	return nil
}

// write appends a line whole or not at all.
func (f *File) write(end int64, line []byte) error {
	if _, err := f.file.Write(append(bytes.Clone(line), '\n')); err != nil {
		return errors.Join(fmt.Errorf("append to %s: %w", f.path, err), f.file.Truncate(end))
	}
	return nil
}

// sync returns once line mine is on the disk. Writers that wait at the same time share one fsync.
func (f *File) sync(mine int64, file *os.File) error {
	f.syncing.Lock()
	defer f.syncing.Unlock()
	if f.synced >= mine {
		return nil
	}
	f.mu.Lock()
	all, current := f.gen, f.file
	f.mu.Unlock()
	if current != file { // replaced since, and synced before it was closed
		return nil
	}
	if err := syncFile(file); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	f.synced = all
	return nil
}

// syncFile passes over what has no disk beneath it, a pipe or a terminal.
func syncFile(file *os.File) error {
	if err := file.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// Replace puts lines in the place of the whole file, for everybody who has it open. Lines that others appended meanwhile are
// seen first, so that keep may return them too.
func (f *File) Replace(see func(line []byte) error, keep func() ([][]byte, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.lock(); err != nil {
		return err
	}
	old := f.file
	defer func() { _ = flock(old, syscall.LOCK_UN) }()
	end, err := f.cutTorn()
	if err == nil {
		err = f.catchUp(end, see)
	}
	if err != nil {
		return err
	}
	lines, err := keep()
	if err != nil {
		return err
	}
	return f.swap(lines)
}

func (f *File) swap(lines [][]byte) (err error) {
	next, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*")
	if err != nil {
		return fmt.Errorf("replace %s: %w", f.path, err)
	}
	defer func() { err = errors.Join(err, next.Close()) }()
	_, err = next.Write(append(bytes.Join(lines, []byte("\n")), '\n'))
	err = errors.Join(err, next.Chmod(f.perm), next.Sync())
	if err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("replace %s: %w", f.path, errors.Join(err, os.Remove(next.Name())))
	}
	return syncDir(filepath.Dir(f.path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
