package icmp

import (
	"context"
	"sync"
	"time"
)

// Requests leave at most this fast: a switch's control plane, which answers for many BMCs' ports, polices more than that.
const (
	perSecond = 5000
	burst     = 64
)

// pace is a token bucket, kept as the time at which it would be full.
type pace struct {
	mu   sync.Mutex // guards full
	full time.Time
	// every is the time between tokens; 0: one perSecond-th of a second.
	every time.Duration
}

// take takes a token and says how long to wait before using it.
func (p *pace) take(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	every := p.every
	if every == 0 {
		every = time.Second / perSecond
	}
	if p.full.Before(now) {
		p.full = now
	}
	p.full = p.full.Add(every)
	return max(0, p.full.Sub(now)-burst*every)
}

// wait returns when a request may be sent, or with ctx's error when that ends first.
func (p *pace) wait(ctx context.Context) error {
	delay := p.take(time.Now())
	if delay == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
