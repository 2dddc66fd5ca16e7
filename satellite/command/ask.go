package command

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/satellite/bus"
)

// fellSilent is after what time a satellite that accepted a request is taken for lost.
const fellSilent = 3 * reassure

// Refused is the answer of a satellite that did not do what was asked.
type Refused struct{ Satellite, Text string }

func (r *Refused) Error() string { return r.Satellite + ": " + r.Text }

// Ask asks a site and hands each answer to each, one at a time, the last one too, until the request is done. Of the request
// Kind, Who and what it is about are enough. The error is a *Refused when a satellite refused, or the first one of each.
func Ask(ctx context.Context, b bus.Bus, site string, r Request, each func(Answer) error) error {
	r.ID = cmp.Or(r.ID, rand.Text())
	r.Reply, r.Expires = bus.Reply(r.ID), time.Now().Add(TimeToLive).UTC()
	if err := r.validate(); err != nil {
		return err
	}
	a := asker{Request: r, each: each, here: make(chan struct{}), heard: make(chan struct{}, 1), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var receiver errgroup.Group
	receiver.Go(func() error {
		defer cancel()
		return b.Receive(ctx, r.Reply, 1, 1, a.receive)
	})
	err := a.ask(ctx, b, site)
	cancel()
	if lost := receiver.Wait(); lost != nil {
		return fmt.Errorf("receive answers: %w", lost)
	}
	return err
}

type asker struct {
	Request
	each  func(Answer) error
	here  chan struct{} // closed once answers find us
	heard chan struct{} // holds a token when there was an answer of late
	ended chan error
	over  bool // only receive uses it
}

// receive is called for one answer after the other, in the order that they were sent in.
func (a *asker) receive(_ context.Context, m bus.Message) error {
	var answer Answer
	switch err := json.Unmarshal(m.Body, &answer); {
	case err != nil:
		a.end(fmt.Errorf("answer %.80q: %w", m.Body, err))
		return nil
	case answer.Kind == "":
		select {
		case <-a.here:
		default:
			close(a.here)
		}
		return nil
	case a.over || answer.ID != a.ID:
		return nil
	}
	select {
	case a.heard <- struct{}{}:
	default:
	}
	err := a.each(answer)
	switch {
	case err != nil:
		a.end(err)
	case answer.Kind == Failed:
		a.end(&Refused{answer.Satellite, answer.Text})
	case answer.Kind == Done:
		a.end(nil)
	}
	return nil
}

func (a *asker) end(err error) {
	if !a.over {
		a.over = true
		a.ended <- err
	}
}

func (a *asker) ask(ctx context.Context, b bus.Bus, site string) error {
	if err := a.arrive(ctx, b); err != nil {
		return err
	}
	if err := send(ctx, b, a.mailbox(site), "", a.Request); err != nil {
		return fmt.Errorf("ask site %s: %w", site, err)
	}
	silence := time.NewTimer(time.Until(a.Expires) + patience) // what was taken at the last moment is answered, too
	defer silence.Stop()
	answered := false
	for {
		select {
		case err := <-a.ended:
			return err
		case <-a.heard:
			answered = true
			silence.Reset(fellSilent)
		case <-silence.C:
			if answered {
				return fmt.Errorf("site %s: the satellite that answered fell silent for %v", site, fellSilent)
			}
			return fmt.Errorf("site %s: no satellite answered within %v", site, TimeToLive)
		case <-ctx.Done():
			return fmt.Errorf("wait for site %s: %w", site, ctx.Err())
		}
	}
}

// arrive waits until answers find us: what is sent to a reply mailbox before its receiver is there is lost.
func (a *asker) arrive(ctx context.Context, b bus.Bus) error {
	ctx, cancel := context.WithTimeoutCause(ctx, TimeToLive, errors.New("our own message did not come back"))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		sent := b.Send(ctx, a.Reply, bus.Message{ID: a.ID, Body: []byte("{}")})
		select {
		case <-a.here:
			return nil
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("open the mailbox for answers: %w", errors.Join(context.Cause(ctx), sent))
		}
	}
}

// send encodes what and sends it.
func send(ctx context.Context, b bus.Bus, to, spill bus.Mailbox, r Request) error {
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", r.ID, err)
	}
	return b.Send(ctx, to, bus.Message{ID: r.ID, Body: body, Spill: spill})
}
