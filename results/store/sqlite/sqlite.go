// Package sqlite is the store of the role results in one SQLite file: a store.Store.
//
// One connection writes, a few read. What is written is on the disk when the call returns, so that a position in Kafka never says
// more than is kept. The newest span of each BMC is in memory too, as the file has it.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"lamplighter/inventory"
	"lamplighter/results/store"
)

// readers is how many may read at once.
const readers = 4

// SQLite is a store.
type SQLite struct {
	path string
	lock *os.File
	read *sql.DB
	// write is the one connection that writes, and turn holds a token for whoever may use it, and what follows.
	write *sql.DB
	conn  *sql.Conn
	turn  chan struct{}
	made  statements
	rows  map[inventory.ID]*row
	// version is the newest batch's.
	version uint64
	epoch   string
	pack    packer
}

var _ store.Store = (*SQLite)(nil)

// Open opens the store in a directory, or makes it. One process at a time may have it open.
func Open(ctx context.Context, dir string) (s *SQLite, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	s = &SQLite{path: filepath.Join(dir, "results.db"), turn: make(chan struct{}, 1), rows: map[inventory.ID]*row{}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open store %s: %w", s.path, full(err)), s.Close())
			s = nil
		}
	}()
	if err := s.alone(dir); err != nil {
		return s, err
	}
	if err := s.connect(ctx); err != nil {
		return s, err
	}
	if err := migrate(ctx, s.conn); err != nil {
		return s, err
	}
	if s.made, err = prepare(ctx, s.conn); err != nil {
		return s, err
	}
	return s, s.load(ctx)
}

// alone keeps other processes out.
func (s *SQLite) alone(dir string) (err error) {
	if s.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process has it open: %w", err)
	}
	return nil
}

func (s *SQLite) connect(ctx context.Context) (err error) {
	if s.write, err = sql.Open("sqlite", source(s.path, "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)",
		"cache_size(-65536)", "busy_timeout(10000)")); err != nil {
		return err
	}
	if s.conn, err = s.write.Conn(ctx); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", source(s.path, "query_only(1)", "cache_size(-16384)", "busy_timeout(10000)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return nil
}

func source(path string, pragmas ...string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{"_pragma": pragmas}.Encode()}).String()
}

// Close closes the store, after the last call of any other method.
func (s *SQLite) Close() error {
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Size is of the file and of what is not yet in it.
func (s *SQLite) Size() (int64, error) {
	var size int64
	for _, name := range []string{s.path, s.path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, fmt.Errorf("size of the store: %w", err)
		}
		if err == nil {
			size += info.Size()
		}
	}
	return size, nil
}

// Version is the newest batch's.
func (s *SQLite) Version(ctx context.Context) (epoch string, version uint64, err error) {
	if err := s.take(ctx); err != nil {
		return "", 0, err
	}
	defer s.give()
	return s.epoch, s.version, nil
}

func (s *SQLite) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *SQLite) give() { <-s.turn }

// writing does what in one transaction; what was done is kept whole or not at all. A transaction is short, and not ended by ctx,
// which would cost a goroutine for each statement.
func (s *SQLite) writing(ctx context.Context, do func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	if err := s.made.begin.exec(ctx); err != nil {
		return full(err)
	}
	if err := do(ctx); err != nil {
		return full(errors.Join(err, s.back(ctx)))
	}
	if err := s.made.commit.exec(ctx); err != nil {
		return full(errors.Join(err, s.back(ctx)))
	}
	return nil
}

// back undoes a transaction. Some errors have undone it already.
func (s *SQLite) back(ctx context.Context) error {
	err := s.made.rollback.exec(ctx)
	if failed := new(driver.Error); errors.As(err, &failed) && failed.Code() == lib.SQLITE_ERROR {
		return nil
	}
	return err
}

// full says it in our words when the disk is full.
func full(err error) error {
	failed := new(driver.Error)
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR_SHMSIZE:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

// newEpoch names a store that begins.
func newEpoch() string { return rand.Text()[:8] }

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
