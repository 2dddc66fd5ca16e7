package amqp

import (
	"context"
	"fmt"
	"time"
)

// watch ends with the generation, and ends it when its channel ended or the broker has been blocked for too long.
func (p *publisher) watch(ctx context.Context) error {
	blockings := p.blockings
	patience := time.NewTimer(time.Hour)
	defer patience.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case reason := <-p.closed:
			return p.lost(reason)
		case <-patience.C:
			if p.blocked() {
				return fmt.Errorf("%s has been blocked for %s", p.broker, p.bus.limits.blocked)
			}
		case blocking, ok := <-blockings:
			if !ok {
				blockings = nil // closed says why
				continue
			}
			p.block(blocking.Active)
			patience.Reset(p.bus.limits.blocked)
			p.bus.log.Warn("the broker's alarm", "broker", p.broker, "blocked", blocking.Active, "reason", blocking.Reason)
		}
	}
}

func (p *publisher) block(active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch wasBlocked := !isClosed(p.open); {
	case active && !wasBlocked:
		p.open = make(chan struct{})
	case !active && wasBlocked:
		close(p.open)
	}
}

func (p *publisher) blocked() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !isClosed(p.open)
}

func (p *publisher) isGone() bool { return isClosed(p.gone) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
