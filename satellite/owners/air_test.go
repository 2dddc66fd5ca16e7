package owners

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ether is an Air with faults: delays, losses, partitions, stations that stand still.
type ether struct {
	loss  float64
	delay func() time.Duration

	mu       sync.Mutex
	rand     *rand.Rand
	stations []*station
}

type station struct {
	e    *ether
	name string
	side int  // only stations of the same side hear each other
	off  bool // hears and tells nothing
	held bool // what arrives waits

	wake  chan struct{}
	queue []letter // in order of arrival
}

type letter struct {
	body []byte
	at   time.Time
}

func newEther(seed uint64, loss float64) *ether {
	e := &ether{loss: loss, rand: rand.New(rand.NewPCG(seed, 1))}
	e.delay = func() time.Duration { return time.Duration(e.rand.IntN(40)) * time.Millisecond }
	return e
}

func (e *ether) station(name string) *station {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &station{e: e, name: name, wake: make(chan struct{}, 1)}
	e.stations = append(e.stations, s)
	return s
}

func (e *ether) set(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
	for _, s := range e.stations {
		s.ring()
	}
}

func (s *station) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *station) Tell(ctx context.Context, body []byte) error {
	e := s.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.off {
		return errors.New("no connection")
	}
	for _, to := range e.stations {
		if to.off || to.side != s.side || e.rand.Float64() < e.loss {
			continue
		}
		at := time.Now().Add(e.delay())
		if n := len(to.queue); n > 0 && to.queue[n-1].at.After(at) {
			at = to.queue[n-1].at
		}
		to.queue = append(to.queue, letter{slices.Clone(body), at})
		to.ring()
	}
	return ctx.Err()
}

func (s *station) Hear(ctx context.Context, h func([]byte)) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s.e.mu.Lock()
		var body []byte
		next := time.Hour
		switch {
		case s.held || len(s.queue) == 0:
		case !s.queue[0].at.After(time.Now()):
			body, s.queue = s.queue[0].body, s.queue[1:]
		default:
			next = time.Until(s.queue[0].at)
		}
		s.e.mu.Unlock()
		if body != nil {
			h(body)
			continue
		}
		timer.Reset(next)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
	}
}
