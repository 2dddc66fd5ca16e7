// Package spool keeps verdicts on the disk while Kafka is away: many append, one takes from the head what Kafka has again.
//
// It is a queue of segments. A record is length, CRC32C and content; it counts as kept once it was fsynced, and appends of the
// same tenth of a second share one fsync. Under pressure repeats are coalesced, never a change of health or reason.
// results/kafka is its user.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"lamplighter/inventory"
)

// Config says where a spool is and how large it may become.
type Config struct {
	Dir string
	Limits
	// Site and Satellite are whose gaps these are.
	Site, Satellite string
	// Batch is how long an append waits for others to share the fsync with; 0: 100 ms.
	Batch time.Duration
	// Segment is how large a file becomes; 0: 8 MiB.
	Segment int64
}

// ErrFull is returned when nothing can be taken in any more.
var ErrFull = errors.New("spool is full")

// Spool is an open spool. Append, Has and Stats are safe for concurrent use; Head, Done and Coalesce belong to one consumer.
type Spool struct {
	config Config
	lock   *os.File
	news   chan struct{}

	mu       sync.Mutex // guards the following, and is held while the active file is written and synced
	segments []segment  // the last one is being written while active is set
	highest  uint64     // number of the newest file that ever was
	active   *os.File
	synced   int64                // how much of the active file is on the disk
	unsynced []Record             // what the rest of it holds, without values
	batch    *batch               // those who wait for the next fsync
	waiting  map[inventory.ID]int // records by BMC
	records  int
	bytes    int64
	cut      int64
	dropped  uint64
	oldest   time.Time // of the next record, as the consumer saw it last

	// The consumer's own:
	head      reading
	bytesThen int64 // how large the spool was after it was coalesced last
	folded    time.Time
}

// batch is those who share an fsync.
type batch struct {
	done chan struct{}
	err  error
}

// Open opens or makes a spool, cuts off what its last writer did not finish, and finishes a coalescing that was interrupted.
// Only one process may have it open.
func Open(c Config) (*Spool, error) {
	if c.Batch == 0 {
		c.Batch = 100 * time.Millisecond
	}
	if c.Segment == 0 {
		c.Segment = 8 << 20
	}
	s := &Spool{config: c, news: make(chan struct{}, 1), waiting: map[inventory.ID]int{}}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool %s: %w", c.Dir, err), s.unlock())
	}
	return s, nil
}

func (s *Spool) open() error {
	if err := os.MkdirAll(s.config.Dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.config.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another process has it: %w", err)
	}
	if err := s.finishSwap(); err != nil {
		return err
	}
	numbers, err := s.list()
	for _, number := range numbers {
		var found segment
		if found, err = s.recoverSegment(number); err != nil {
			break
		}
		s.segments = append(s.segments, found)
		s.bytes += found.size
		s.highest = number
	}
	return err
}

func (s *Spool) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Close syncs and closes the spool, after the last call of anything else.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.seal(), s.head.close(), s.unlock())
}

// count adds to what is waiting.
func (s *Spool) count(r Record, n int) {
	s.records += n
	if s.waiting[r.BMC] += n; s.waiting[r.BMC] == 0 {
		delete(s.waiting, r.BMC)
	}
}

// Has says whether records of a BMC are waiting: a newer one must not overtake them.
func (s *Spool) Has(bmc inventory.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting[bmc] > 0
}

// News is signalled when something was appended.
func (s *Spool) News() <-chan struct{} { return s.news }

// Stats are a spool's numbers, for metrics and logs.
type Stats struct {
	Records int
	Bytes   int64
	// Torn is how many bytes were cut off at the start, Coalesced how many records were dropped since.
	Torn      int64
	Coalesced uint64
	// Oldest is how old the next record is, as of the last Head; zero: none waits, or nobody looked yet.
	Oldest time.Time
}

// Stats says how full the spool is.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{Records: s.records, Bytes: s.bytes, Torn: s.cut, Coalesced: s.dropped}
	if s.records > 0 {
		stats.Oldest = s.oldest
	}
	return stats
}
