package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"lamplighter/results"
	"lamplighter/results/journal"
	"lamplighter/results/store"
	"lamplighter/results/ticket"
)

// insider tells desks of the incidents of its own process. What desks have is kept in the store of results.
type insider struct {
	beliefs *beliefs
	keeper  *ticket.Keeper
	desks   deskSet
	dead    *journal.File
	log     *slog.Logger
}

// openInsider makes the desks; close must follow.
func (t Tickets) openInsider(ctx context.Context, b *beliefs, r Results, name string, w io.Writer, log *slog.Logger) (*insider, error) {
	desks, err := t.open(ctx, false, w)
	if err != nil {
		return nil, err
	}
	dead, err := journal.Open(filepath.Join(r.Store, "dead-tickets.ndjson"), 0o600)
	if err != nil {
		desks.close()
		return nil, fmt.Errorf("results.store: %w", err)
	}
	i := &insider{beliefs: b, desks: desks, dead: dead, log: log}
	keep := t.keeper(name, desks.desks, log)
	keep.Write, keep.Bury = b.follower.PutTicket, i.bury
	i.keeper = ticket.New(keep)
	return i, nil
}

func (i *insider) bury(_ context.Context, l results.DeadLetter) error {
	line, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode %s: %w", l.ID, err)
	}
	return i.dead.Append(line)
}

func (i *insider) close() {
	i.desks.close()
	if err := i.dead.Close(); err != nil {
		i.log.Error("close dead-tickets.ndjson", "error", err)
	}
}

// run tells desks until ctx ends. What is believed has to be followed for longer: it keeps what desks have.
func (i *insider) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return i.keeper.Run(ctx) })
	group.Go(func() error {
		return insist(ctx, i.log, "incidents and tickets cannot be loaded", func() error { return i.feed(ctx) })
	})
	return group.Wait()
}

// feed gives the Keeper what there is, and then what changes, until ctx ends or too much has changed at once.
func (i *insider) feed(ctx context.Context) error {
	_, deltas, stop := i.beliefs.follower.Live().Subscribe()
	defer stop()
	if err := i.load(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, more := <-deltas:
			if !more {
				return nil
			}
			for _, one := range d.Incidents {
				i.keeper.Take(one, ticket.Nowhere, 0)
			}
		}
	}
}

// load gives the Keeper what there is: all incidents that are open, and those whose end some desk was not told of.
func (i *insider) load(ctx context.Context) error {
	tickets, err := i.beliefs.store.Tickets(ctx, "")
	if err != nil {
		return fmt.Errorf("load tickets: %w", err)
	}
	for _, t := range tickets {
		i.keeper.Note(t)
	}
	for _, one := range i.beliefs.follower.Incidents() {
		i.keeper.Take(one, ticket.Nowhere, 0)
	}
	for _, t := range tickets {
		if !t.Open || strings.HasPrefix(t.Incident, ticket.StormPrefix) {
			continue
		}
		one, err := i.beliefs.follower.Incident(ctx, t.Incident)
		if errors.Is(err, store.ErrNone) {
			continue
		}
		if err != nil {
			return fmt.Errorf("load the incident of ticket %s: %w", t.Ref, err)
		}
		i.keeper.Take(one, ticket.Nowhere, 0)
	}
	i.keeper.Whole()
	return nil
}

// telling has desks told while work works.
func (d *daemon) telling(ctx context.Context, work func(context.Context) error) error {
	if d.tickets == nil {
		return work(ctx)
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return d.tickets.run(ctx) })
	both.Go(func() error { return work(ctx) })
	return both.Wait()
}
