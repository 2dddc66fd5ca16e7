package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/results/follow"
	"lamplighter/results/store/sqlite"
)

// beliefs are what is believed of all BMCs, kept in a store, and the API that answers for it. The role results has them, and
// all and demo in their own process.
type beliefs struct {
	store    *sqlite.SQLite
	follower *follow.Follower
	server   *api.Server
	look     *onlooker
}

// openBeliefs opens the store and takes the API's address. from says where verdicts come from; close must follow. The address
// may be empty: then nobody can ask. settle says how long after its planned start
// a round may be on the way.
func (r Results) openBeliefs(
	ctx context.Context, from follow.Config, w around, settle time.Duration, log *slog.Logger,
) (*beliefs, error) {
	store, err := sqlite.Open(ctx, r.Store)
	if err != nil {
		return nil, fmt.Errorf("results.store: %w", err)
	}
	b := &beliefs{store: store}
	b.look = newOnlooker(from.Interval, settle, w.listed, func() time.Time { return b.follower.Stats().Listening }, log)
	if err := r.begin(ctx, b, from, w, log); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (r Results) begin(ctx context.Context, b *beliefs, from follow.Config, w around, log *slog.Logger) (err error) {
	from.Store, from.Keep, from.Facts, from.Log = b.store, r.keep(), r.Facts, log
	from.Seen = b.look.seen
	if b.follower, err = follow.Open(ctx, from); err != nil {
		return fmt.Errorf("results.store: %w", err)
	}
	b.server, err = api.NewServer(api.Config{
		Live: b.follower.Live(), Incidents: b.follower, Store: b.store, Labels: labels(from.Record), Recheck: w.again, Inventory: w.listed, Inventories: w.inventories,
		Pace: b.look.pace, Rounds: b.look.watch, Interval: from.Interval, Kept: r.Changes, Zones: r.zones(), Tokens: r.Tokens, Proxy: r.Proxy, Record: r.record(), Log: log,
	})
	if err != nil {
		return err
	}
	if err := b.server.ListenProxy(); err != nil {
		return fmt.Errorf("results.proxy: %w", err)
	}
	if r.Proxy.Socket != "" || r.Proxy.Listen != "" {
		log.Info("people sign in by a proxy", "socket", r.Proxy.Socket, "listen", r.Proxy.Listen, "operators", r.Proxy.Operators)
	}
	if r.Listen == "" {
		return nil
	}
	if err := b.server.Listen(r.Listen); err != nil {
		return fmt.Errorf("results.listen: %w", err)
	}
	log.Info("answering questions", "console", b.url()+"/", "api", b.url())
	return nil
}

// record is the file that says who did what.
func (r Results) record() string { return filepath.Join(r.Store, "acts.ndjson") }

// labels are those of the inventory; nil where there is none.
func labels(record func(inventory.ID) *inventory.BMC) func(inventory.ID) map[string]string {
	if record == nil {
		return nil
	}
	return func(id inventory.ID) map[string]string {
		if bmc := record(id); bmc != nil {
			return bmc.Labels
		}
		return nil
	}
}

// url is where the API answers; "" where it does not.
func (b *beliefs) url() string {
	if b.server.Address() == "" {
		return ""
	}
	return "http://" + b.server.Address()
}

// run follows and answers until ctx ends.
func (b *beliefs) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.follower.Run(ctx) })
	group.Go(func() error { return b.server.Run(ctx) })
	group.Go(func() error { return b.look.watch.Run(ctx) })
	return group.Wait()
}

// close closes the store, after run.
func (b *beliefs) close() error { return b.store.Close() }

// after has verdicts go to the beliefs once sink has them. The rounds of a shutdown that come too late for that are in sink.
func (b *beliefs) after(sink results.Sink) results.Sink {
	return results.Func(func(ctx context.Context, v results.Verdict) error {
		if err := sink.Emit(ctx, v); err != nil {
			return err
		}
		return b.follower.Emit(ctx, v)
	})
}

// full says that nothing is taken in because the disk is full.
func (b *beliefs) full() error {
	if b.follower.Stats().Full {
		return errors.New("the disk is full: nothing is taken in until there is room")
	}
	return nil
}

// off says that a process that goes round keeps nothing of what it believes.
func (r Results) off() bool { return r.Store == noFile }

// made makes the directory above a store.
func (r Results) made() error {
	if err := os.MkdirAll(filepath.Dir(r.Store), 0o700); err != nil {
		return fmt.Errorf("results.store: make its directory: %w", err)
	}
	return nil
}
