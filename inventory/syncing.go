package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// SyncConfig is what a Syncing follows.
type SyncConfig struct {
	Source Source
	Rule   Rule
	// Logins names the credentials of BMCs whose records name none.
	Logins LoginPath
	// Dir keeps the register, so that a start while the source is away has the last good list. It is made if it is missing.
	Dir string
	// Every is how often the source is asked, give or take a tenth.
	Every time.Duration
	// Site is whose list it is; empty: of all.
	Site string
	// Told, if any, is told how it stands after each sync and approval. Asked, if any, is told of each request of a person that came by a
	// file and was done. Neither may block for long.
	Told  func(Report)
	Asked func(r Request, done string)
	// Changed, if any, is told of each register that has another number, once it is on the disk. It may not block for long.
	Changed func(Register, Diff)
	Log     *slog.Logger
}

// patience is how long a source may take in all.
const patience = 10 * time.Minute

// syncGC is the garbage collector's GOGC during a sync: 100,000 devices make little garbage by now, and hold 100 MB.
const syncGC = 20

// ErrBusy: another process syncs in the same directory.
var ErrBusy = errors.New("another process syncs here")

// Syncing has a register follow a source. One process at a time syncs in a directory. Its methods are safe for concurrent use.
type Syncing struct {
	config SyncConfig
	lock   *os.File
	now    chan struct{} // holds a token when somebody wants a sync now

	turn     chan struct{} // one sync or approval at a time
	mu       sync.RWMutex
	register Register
	status   Status
	report   Report
}

// OpenSyncing takes the directory, and reads what it has. Close must follow. The error wraps ErrBusy where another process has it.
func OpenSyncing(c SyncConfig) (*Syncing, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, requestsName), 0o700); err != nil {
		return nil, fmt.Errorf("make the inventory's directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(c.Dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the inventory's directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrBusy
		}
		return nil, fmt.Errorf("lock the inventory's directory %s: %w", c.Dir, err)
	}
	s := &Syncing{config: c, lock: lock, now: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
	if s.register, s.status, err = ReadRegister(c.Dir); err != nil {
		_ = lock.Close()
		return nil, err
	}
	s.report = ReportOf(c.Site, s.register, s.status, c.Rule.Settle)
	return s, nil
}

// Close lets another process have the directory.
func (s *Syncing) Close() error { return s.lock.Close() }

// Register is what is kept now.
func (s *Syncing) Register() (Register, Status) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.register, s.status
}

// Report is how it stands now.
func (s *Syncing) Report() Report {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.report
	r.At, r.EveryS = time.Now().UTC(), int(s.config.Every.Seconds())
	return r
}

// take waits until it is one's turn, and gives what ends that.
func (s *Syncing) take(ctx context.Context) (end func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the sync that is under way: %w", ctx.Err())
	}
}

// Soon has Run sync now.
func (s *Syncing) Soon() {
	select {
	case s.now <- struct{}{}:
	default:
	}
}

// Run syncs until ctx ends, and then returns nil: at once, then periodically, and whenever somebody asks for it.
func (s *Syncing) Run(ctx context.Context) error {
	look := time.NewTicker(lookForRequests)
	defer look.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			s.answerRequests(ctx)
			continue
		case <-s.now:
		case <-next.C:
		}
		_, err := s.Sync(ctx)
		next.Reset(s.pause(err))
	}
}

// pause is the time until the next sync: soon after a failure, and else spread, so that sites do not ask one CMDB at once.
func (s *Syncing) pause(err error) time.Duration {
	every := s.config.Every
	var later *Later
	switch {
	case errors.As(err, &later) && later.After > 0:
		return max(time.Second, min(later.After, time.Hour))
	case err != nil:
		every = min(every, time.Minute)
	}
	return every - every/10 + rand.N(max(1, every/5))
}

// Sync asks the source once. After an error all is as it was, but for the status.
func (s *Syncing) Sync(ctx context.Context) (Diff, error) {
	end, err := s.take(ctx)
	if err != nil {
		return Diff{}, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer debug.SetGCPercent(debug.SetGCPercent(syncGC))
	was, status := s.Register()
	answer, err := s.config.Source.BMCs(ctx, Known{Held: func(id ID) *BMC { return lookUpIn(was.BMCs, id) }, Complete: s.config.Logins.Complete})
	status.Tried, status.Error = time.Now().UTC(), ""
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return Diff{}, fmt.Errorf("sync the inventory: %w", err) // we end; the source is not to blame
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("%w: the sources took more than %v in all: have them answer sooner, or ask for less by filters or a query", err, patience)
		}
		status.Error, status.Sources = err.Error(), heard(status.Sources, answer, err, status.Tried)
		s.config.Log.Error("the inventory cannot be synced; the last good one holds", "error", err, "bmcs", len(was.BMCs), "age", age(status))
		return Diff{}, errors.Join(fmt.Errorf("sync the inventory: %w", err), s.keep(was, was, status))
	}
	status.Synced, status.Read, status.Of = status.Tried, answer.Read, answer.Of
	status.Sources = heard(status.Sources, answer, nil, status.Tried)
	next, diff := s.config.Rule.Sync(was, answer, status.Synced)
	status.Last = lastOf(was, next, diff, status.Last)
	if err := s.keep(was, next, status); err != nil {
		return Diff{}, fmt.Errorf("sync the inventory: %w", err)
	}
	s.say(was, next, diff)
	return diff, nil
}

// age is how old the last answer is.
func age(s Status) any {
	if s.Synced.IsZero() {
		return "never synced"
	}
	return time.Since(s.Synced).Round(time.Second)
}

// Approve has the withheld answer of that digest be believed.
func (s *Syncing) Approve(ctx context.Context, digest, who string) (Diff, error) {
	end, err := s.take(ctx)
	if err != nil {
		return Diff{}, err
	}
	defer end()
	was, status := s.Register()
	next, diff, err := s.config.Rule.Approve(was, digest, time.Now().UTC())
	if err != nil {
		return Diff{}, err
	}
	status.Last = lastOf(was, next, diff, status.Last)
	if err := s.keep(was, next, status); err != nil {
		return Diff{}, fmt.Errorf("approve %q: %w", digest, err)
	}
	s.config.Log.Warn("a withheld inventory was approved", "who", who, "digest", digest)
	s.say(was, next, diff)
	return diff, nil
}

// keep puts a register on the disk, if it is another, and the status, and lets both be seen.
func (s *Syncing) keep(was, next Register, status Status) error {
	if !alike(was, next) {
		if err := replaceFile(s.config.Dir, registerName, func(w io.Writer) error { return writeRegister(w, next) }); err != nil {
			return fmt.Errorf("keep the inventory in %s: %w", s.config.Dir, err)
		}
	}
	if err := replaceFile(s.config.Dir, statusName, func(w io.Writer) error { return writeJSON(w, status) }); err != nil {
		return fmt.Errorf("keep the inventory's status in %s: %w", s.config.Dir, err)
	}
	s.mu.Lock()
	s.register, s.status, s.report = next, status, ReportOf(s.config.Site, next, status, s.config.Rule.Settle)
	s.mu.Unlock()
	if s.config.Told != nil {
		s.config.Told(s.Report())
	}
	return nil
}

// lastOf counts the change that made a snapshot another; where it is the one before, what was counted last.
func lastOf(was, next Register, d Diff, last *LastChange) *LastChange {
	if next.Number == was.Number {
		return last
	}
	return &LastChange{len(d.Added), len(d.Removed), len(d.Changed), len(d.Moved)}
}

// say logs what changed, and tells who follows.
func (s *Syncing) say(was, next Register, diff Diff) {
	if w := next.Withheld; w != nil && (was.Withheld == nil || was.Withheld.Digest != w.Digest) {
		s.config.Log.Error("far too many BMCs are missing from the inventory's source: nothing is changed until that is approved, or stays so",
			"missing", w.Gone, "of", w.Of, "first", w.First, "digest", w.Digest, "next", "lamplighter inventory diff, then lamplighter inventory approve "+w.Digest)
	}
	if next.Number == was.Number {
		return
	}
	s.config.Log.Info("the inventory changed", "number", next.Number, "bmcs", len(next.BMCs), "added", len(diff.Added), "removed", len(diff.Removed),
		"changed", len(diff.Changed), "moved", len(diff.Moved), "conflicts", len(diff.Conflicts))
	if s.config.Changed != nil {
		s.config.Changed(next, diff)
	}
}
