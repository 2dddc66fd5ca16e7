package bus

import (
	"slices"
	"time"
)

// box is a mailbox in memory. Memory.mu guards it.
type box struct {
	ready     []letter // in an own mailbox in the order of sent
	held      []heldLetter
	owns      []*box        // own mailboxes of which something may spill into this one, or this one if it is such
	planned   time.Time     // when who waits here looks again; zero: only when changed is closed
	receivers int           // a reply mailbox exists while there are some
	changed   chan struct{} // closed and replaced whenever something was put in
}

// letter is a message in a box.
type letter struct {
	Message
	sent time.Time
}

type heldLetter struct {
	letter
	until time.Time
}

// box finds a mailbox or makes it. b.mu is held.
func (b *Memory) box(name Mailbox) *box {
	if b.boxes == nil {
		b.boxes = map[Mailbox]*box{}
	}
	if b.boxes[name] == nil {
		b.boxes[name] = &box{changed: make(chan struct{})}
	}
	return b.boxes[name]
}

// enter and leave count receivers.
func (b *Memory) enter(name Mailbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.box(name).receivers++
}

func (b *Memory) leave(name Mailbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if box := b.box(name); box.receivers > 1 || !name.IsReply() {
		box.receivers--
		return
	}
	delete(b.boxes, name)
}

// put is false for a reply mailbox that nobody receives from.
func (b *Memory) put(to Mailbox, l letter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to.IsReply() && b.boxes[to] == nil {
		return false
	}
	box := b.box(to)
	if to.IsOwn() {
		b.mayspill(box, l)
	}
	box.ready = append(box.ready, l)
	box.wake()
	return true
}

// giveBack puts a message back that nobody is to blame for; of an own mailbox to where it belongs by now.
func (b *Memory) giveBack(to Mailbox, l letter) {
	if !to.IsOwn() {
		b.put(to, l)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	box := b.box(to)
	b.mayspill(box, l)
	at, _ := slices.BinarySearchFunc(box.ready, l, func(a, b letter) int { return a.sent.Compare(b.sent) })
	box.ready = slices.Insert(box.ready, at, l)
	box.wake()
}

// mayspill has those who wait for what l would spill into watch the own mailbox that gets l. b.mu is held.
func (b *Memory) mayspill(own *box, l letter) {
	for _, watcher := range []*box{own, b.box(l.Spill)} {
		if !slices.Contains(watcher.owns, own) {
			watcher.owns = append(watcher.owns, own)
		}
	}
	if to := b.box(l.Spill); to.planned.IsZero() || l.sent.Add(SpillAfter).Before(to.planned) {
		to.wake()
	}
}

// spillInto moves what waited too long in the own mailboxes that box watches, and says when the next will have; zero: nothing
// waits there. b.mu is held.
func (b *Memory) spillInto(watcher *box, now time.Time) (next time.Time) {
	for _, own := range watcher.owns {
		for len(own.ready) > 0 && now.Sub(own.ready[0].sent) >= SpillAfter {
			l := own.pop()
			to := b.box(l.Spill)
			l.Spill = ""
			to.ready = append(to.ready, l)
			to.wake()
		}
		if len(own.ready) > 0 {
			next = earlier(next, own.ready[0].sent.Add(SpillAfter))
		}
	}
	return next
}

// earlier is the earlier of two times; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (b *box) pop() letter {
	l := b.ready[0]
	b.ready[0] = letter{}
	b.ready = b.ready[1:]
	return l
}

func (b *box) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// release makes ready what was held back long enough, and says when the next will be; zero: nothing is held back.
func (b *box) release(now time.Time) (next time.Time) {
	b.held = slices.DeleteFunc(b.held, func(h heldLetter) bool {
		if h.until.After(now) {
			next = earlier(next, h.until)
			return false
		}
		b.ready = append(b.ready, h.letter)
		return true
	})
	return next
}
