package rmcp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// errNotOurs is what a reader of answers returns for one that is well-formed, but not the answer to its question.
var errNotOurs = errors.New("another question's answer")

// kind is which message of a BMC a waiter waits for.
type kind uint8

const (
	fromCapabilities kind = iota // id: request sequence number
	fromOpenSession              // id: message tag, as for the RAKP messages
	fromRAKP2
	fromRAKP4
	fromSession     // id: our session ID
	fromSealedRAKP4 // id: our session ID
)

// waiter is one question that waits for its answer.
type waiter struct {
	addr    netip.AddrPort
	kind    kind
	id      uint32
	console uint32 // our session ID, while it waits for RAKP 4
	more    uint32 // so many tags after id are this question's too
	answers chan answer

	rtt time.Duration // what the BMC was seen to take; for whoever asks alone
}

// answer is a packet, or an error: ErrMalformed is not the end, because anybody can send nonsense in the BMC's name.
type answer struct {
	packet packet
	err    error
}

// expect registers a question under a fresh random id below limit (0: any) among those that wait for this BMC.
func (c *Client) expect(addr netip.AddrPort, k kind, limit uint32) *waiter {
	w := &waiter{addr: addr, kind: k, answers: make(chan answer, 4)}
	c.mu.Lock()
	defer c.mu.Unlock()
	others := c.waiting[plainAddr(addr)]
	for range 16 { // random, and only so often: with hundreds of questions to one BMC a collision is the lesser evil
		if w.id = random(); limit > 0 {
			w.id %= limit
		}
		if w.id != 0 && !slices.ContainsFunc(others, func(o *waiter) bool { return o.kind == k && o.id == w.id }) {
			break
		}
	}
	c.waiting[plainAddr(addr)] = append(others, w)
	return w
}

func (c *Client) forget(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	addr := plainAddr(w.addr)
	left := slices.DeleteFunc(c.waiting[addr], func(o *waiter) bool { return o == w })
	if c.waiting[addr] = left; len(left) == 0 {
		delete(c.waiting, addr)
	}
}

// await has w wait for another message of the same handshake.
func (c *Client) await(w *waiter, k kind, console uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.kind, w.console, w.more = k, console, 0
}

// widen has w take answers under the next tag, too.
func (c *Client) widen(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.more++
}

// deliver hands a datagram to whoever waits for it. A flood finds the channel full and is dropped.
func (c *Client) deliver(from netip.AddrPort, datagram []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.waiting[from]
	if len(waiting) == 0 {
		return
	}
	p, err := parsePacket(slices.Clone(datagram))
	for _, w := range waiting {
		switch {
		case err != nil:
			w.offer(answer{err: err})
		case w.waitsFor(p):
			w.offer(answer{packet: p})
		}
	}
}

func (w *waiter) waitsFor(p packet) bool {
	if w.kind == fromOpenSession && p.kind == fromOpenSession {
		return uint32(uint8(p.id-w.id)) <= w.more
	}
	return w.kind == p.kind && w.id == p.id || w.kind == fromRAKP4 && p.kind == fromSealedRAKP4 && w.console == p.id
}

// fail ends the questions to a BMC that the network said cannot be reached.
func (c *Client) fail(to netip.AddrPort, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiting[plainAddr(to)] {
		w.offer(answer{err: err})
	}
}

func (w *waiter) offer(a answer) {
	select {
	case w.answers <- a:
	default:
	}
}

// Retransmission: the first wait, doubled each time up to the last. A context that ends sooner makes it shorter, so that a
// single lost datagram is survived; a BMC that was seen to be slower makes it longer, so that nothing is repeated whose answer
// is on its way.
const (
	firstWait = time.Second
	lastWait  = 4 * time.Second
)

// ask sends a datagram, again and again while ctx lasts, until read takes an answer or fails for good. What read calls
// malformed, forged or not ours is passed over, because anybody can send it; it is the error only if nothing better came.
func (c *Client) ask(ctx context.Context, w *waiter, datagram func() []byte, read func(packet) error) error {
	wait := w.patience(ctx)
	w.drain()
	var flaw error
	for ; ; wait = max(wait, min(2*wait, lastWait)) {
		if ctx.Err() != nil {
			return ended(ctx, flaw)
		}
		if err := c.send(w.addr, datagram()); err != nil {
			return err
		}
		err := w.listen(ctx, wait, &flaw, read)
		if !errors.Is(err, errSilence) {
			return err
		}
	}
}

// patience is how long the first transmission is given.
func (w *waiter) patience(ctx context.Context) time.Duration {
	wait := firstWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, max(time.Until(deadline)/3, 10*time.Millisecond))
	}
	return max(wait, 2*w.rtt)
}

// drain drops what came before the question was asked.
func (w *waiter) drain() {
	for {
		select {
		case <-w.answers:
		default:
			return
		}
	}
}

var errSilence = errors.New("no answer yet")

// listen waits for the answer to one transmission; errSilence: send it again. flaw keeps the last nonsense that came.
func (w *waiter) listen(ctx context.Context, wait time.Duration, flaw *error, read func(packet) error) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return errSilence
		case <-ctx.Done():
			return ended(ctx, *flaw)
		case got := <-w.answers:
			err := got.judge(read)
			switch {
			case errors.Is(err, errNotOurs):
			case errors.Is(err, ErrMalformed), errors.Is(err, ErrForged):
				*flaw = err
			default:
				return err
			}
		}
	}
}

func (a answer) judge(read func(packet) error) error {
	if a.err != nil {
		return a.err
	}
	return read(a.packet)
}

// ended is the error when time is up: cancellation stays what it is, silence is ErrTimeout, nonsense is named.
func ended(ctx context.Context, flaw error) error {
	switch err := ctx.Err(); {
	case !errors.Is(err, context.DeadlineExceeded):
		return err
	case flaw != nil:
		return flaw
	}
	return ErrTimeout
}
