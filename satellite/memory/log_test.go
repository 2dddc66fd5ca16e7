package memory

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// slowLog is a log in memory that is slow, goes away, and leaves writers unsure.
type slowLog struct {
	mu      sync.Mutex
	records [][]byte
	news    chan struct{}
	start   int64         // position of the first record
	away    bool          // Append fails, and what comes is not handed over
	lose    float64       // share of Appends whose fate the writer does not learn
	delay   time.Duration // at most, of each Append and each hand-over
	random  *rand.Rand
}

var errLost = errors.New("connection lost")

func newLog(seed uint64) *slowLog {
	return &slowLog{news: make(chan struct{}), random: rand.New(rand.NewPCG(seed, 1))}
}

func (l *slowLog) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.news)
	l.news = make(chan struct{})
}

func (l *slowLog) chance() (lost bool, kept bool, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.delay > 0 {
		delay = time.Duration(l.random.Int64N(int64(l.delay)))
	}
	return l.random.Float64() < l.lose, l.random.IntN(2) == 0, delay
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *slowLog) Append(ctx context.Context, _ string, record []byte) error {
	lost, kept, delay := l.chance()
	if err := pause(ctx, delay); err != nil {
		return err
	}
	l.mu.Lock()
	away := l.away
	l.mu.Unlock()
	if away || (lost && !kept) {
		return errLost
	}
	l.set(func() { l.records = append(l.records, bytes.Clone(record)) })
	_, _, delay = l.chance()
	if err := pause(ctx, delay); err != nil {
		return err
	}
	if lost {
		return errLost
	}
	return nil
}

func (l *slowLog) Follow(ctx context.Context, _ string, from int64, see func(int64, []byte) error) error {
	for {
		l.mu.Lock()
		from = max(from, l.start)
		var next []byte
		if i := from - l.start; i < int64(len(l.records)) && !l.away {
			next = l.records[i]
		}
		news := l.news
		l.mu.Unlock()
		if next == nil {
			select {
			case <-news:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if _, _, delay := l.chance(); pause(ctx, delay) != nil {
			return nil
		}
		if err := see(from, next); err != nil {
			return err
		}
		from++
	}
}

func (l *slowLog) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}
