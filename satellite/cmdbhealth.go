package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/kafka"
	"lamplighter/satellite/metrics"
)

// healthFields are the fields of the CMDB that are kept what is believed. None where no source has one.
type healthFields struct {
	site   string // empty: all
	fields []*inventory.NetBoxHealth
	log    *slog.Logger
}

func (h *healthFields) set(all map[inventory.ID]string) {
	for _, f := range h.fields {
		f.WantAll(all)
	}
}

func (h *healthFields) want(id inventory.ID, health string) {
	for _, f := range h.fields {
		f.Want(id, health)
	}
}

// waiting is how many BMCs have another health in the CMDB than is believed, and why, if it cannot be written.
func (h *healthFields) waiting() (bmcs int, err error) {
	var errs []error
	for _, f := range h.fields {
		n, err := f.Waiting()
		bmcs += n
		errs = append(errs, err)
	}
	return bmcs, errors.Join(errs...)
}

func (h *healthFields) measure(m *metrics.Metrics) {
	if len(h.fields) > 0 {
		m.HealthFields(h.waiting)
	}
}

// run keeps the fields what feed says, until ctx ends. Whatever becomes of it, nothing else does: it returns nil.
func (h *healthFields) run(ctx context.Context, feed func(context.Context) error) error {
	if len(h.fields) == 0 {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range h.fields {
		group.Go(func() error { return f.Run(ctx) })
	}
	group.Go(func() error {
		return insist(ctx, h.log, "health for the CMDB cannot be followed", func() error { return feed(ctx) })
	})
	return group.Wait()
}

// ofKafka follows what role results believes. What the topic says before its end is history: only with it is known what is believed.
func (h *healthFields) ofKafka(connection kafka.Config) func(context.Context) error {
	return func(ctx context.Context) error {
		known, whole := map[inventory.ID]string{}, false
		return kafka.Read(ctx, connection, kafka.Reading{
			Topics: []string{kafka.StateTopic},
			See: func(r kafka.Record) error {
				id, health, ours := h.said(r)
				if !ours {
					return nil
				}
				if whole {
					h.want(id, health)
				} else if known[id] = health; health == "" {
					delete(known, id)
				}
				return nil
			},
			Follow: func(time.Time) error {
				if !whole {
					whole = true
					h.set(known)
					known = nil
				}
				return nil
			},
		})
	}
}

// said is what a record of the topic says of a BMC; empty: nothing any more. Of one that stands at another site by now, who syncs there says
// it: if both did, each would put the other's right with every sync.
func (h *healthFields) said(r kafka.Record) (id inventory.ID, health string, ours bool) {
	id = inventory.ID(r.Key)
	if len(r.Value) == 0 {
		return id, "", true
	}
	var s results.State
	if err := json.Unmarshal(r.Value, &s); err != nil || s.Schema != results.StateSchema || s.BMC != id {
		return id, "", false
	}
	if h.site != "" && s.Site != h.site {
		return id, "", true
	}
	return id, s.Health.String(), true
}

// ofLive follows what this process believes itself.
func (h *healthFields) ofLive(live *follow.Live) func(context.Context) error {
	return func(ctx context.Context) error {
		_, deltas, stop := live.Subscribe()
		defer stop()
		all, _ := live.All()
		known := make(map[inventory.ID]string, len(all))
		for _, b := range all {
			known[b.State.BMC] = b.State.Health.String()
		}
		h.set(known)
		for {
			select {
			case <-ctx.Done():
				return nil
			case d, more := <-deltas:
				if !more {
					return errors.New("too much changed at once")
				}
				for _, b := range d.BMCs {
					h.want(b.State.BMC, b.State.Health.String())
				}
				for _, id := range d.Gone {
					h.want(id, "")
				}
			}
		}
	}
}
