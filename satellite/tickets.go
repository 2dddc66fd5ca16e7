package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/ticket"
	"lamplighter/satellite/metrics"
)

func newTickets() *cobra.Command {
	var config string
	var dry bool
	cmd := &cobra.Command{
		Use:   "tickets",
		Short: "tell ticket desks of incidents: one ticket each, a comment on change, closed when it is over",
		Long: `Reads incidents from Kafka (bmc.incident.v1), and keeps the desks of the configuration in step with them: Alertmanager, Jira, ServiceNow,
webhooks. What a desk has is written to Kafka (bmc.ticket.v1). Several processes share the work; none opens a second ticket. It runs until
SIGTERM or Ctrl-C. What cannot be told is tried again, then written to bmc.dead.v1, and tried again each hour.
With --dry-run it prints what it would tell, and changes nothing: not at a desk, and not on Kafka. docs/tickets.md sets up each desk.

Exit codes: 0 after a stop, 1 something failed that a new start may mend, 2 usage or configuration.
`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config, Config.validateTickets)
			if err != nil {
				return err
			}
			return runTickets(cmd.Context(), c, dry, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file`")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print what would be told, and tell nobody")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// validateTickets is Validate for a process that asks no BMC and keeps nothing on the disk.
func (c Config) validateTickets(bad func(key, want string)) {
	c.Validate(withoutSite(bad))
	if len(c.Kafka.Brokers) == 0 {
		bad("kafka.brokers", "want at least one for role tickets; lamplighter all does without")
	}
	if len(c.Tickets.Desks) == 0 {
		bad("tickets.desks", "want at least one for role tickets")
	}
}

// withoutSite passes over what a process that asks no BMC does not need.
func withoutSite(bad func(key, want string)) func(key, want string) {
	return func(key, want string) {
		switch key {
		case "inventory", "keyring", "memory", "verdicts":
		default:
			bad(key, want)
		}
	}
}

// clerk is the role tickets.
type clerk struct {
	config  Config
	kafka   kafka.Config
	log     *slog.Logger
	desks   deskSet
	keeper  *ticket.Keeper
	post    *post
	metrics *metrics.Metrics
	ready   metrics.Ready
	pulse   *metrics.Pulse
	heard   hearing
}

// runTickets tells desks until ctx ends, and returns nil then.
func runTickets(ctx context.Context, c Config, dry bool, stdout, stderr io.Writer) error {
	k := &clerk{config: c, log: newLog(c.Log, stderr), metrics: metrics.New(version), pulse: metrics.NewPulse()}
	if err := k.open(ctx, dry, stdout); err != nil {
		return err
	}
	defer k.desks.close()
	defer k.post.close()
	work := k.share
	if dry {
		work = k.readOnly
	}
	if err := k.run(ctx, work); err != nil {
		k.log.Error("ended", "error", err)
		return exitEnded
	}
	k.log.Info("stopped")
	return nil
}

func (k *clerk) open(ctx context.Context, dry bool, stdout io.Writer) (err error) {
	c := k.config
	if k.kafka, err = c.Kafka.connection(ctx); err != nil {
		return err
	}
	k.kafka.Site, k.kafka.Satellite, k.kafka.Log = c.Site, c.Satellite, k.log
	if k.desks, err = c.Tickets.open(ctx, dry, stdout); err != nil {
		return err
	}
	k.post = &post{post: kafka.Post{Config: k.kafka}}
	keep := c.Tickets.keeper(c.Satellite, k.desks.desks, k.log)
	keep.Write, keep.Bury = k.post.ticket, k.post.dead
	if dry {
		keep.Write, keep.Bury = func(context.Context, results.Ticket) error { return nil }, nil
	}
	k.keeper = ticket.New(keep)
	k.metrics.Tickets(k.keeper.Numbers)
	k.ready.Need("kafka", k.heard.met)
	k.ready.Need("desks", k.keeper.Ready)
	return nil
}

// keeper is how a Keeper keeps the configured desks.
func (t Tickets) keeper(name string, desks map[string]ticket.Desk, log *slog.Logger) ticket.Config {
	return ticket.Config{
		Name: name, Desks: desks, Routes: t.routes(), Rules: t.rules(), Most: t.Most, Within: t.Within, Resend: t.resends(), Link: t.Link, Tries: t.Tries, Log: log,
	}
}

func (k *clerk) run(ctx context.Context, work func(context.Context) error) error {
	server := &metrics.Server{Metrics: k.metrics, Ready: &k.ready, Pulse: k.pulse}
	if k.config.Listen != "" {
		if err := server.Listen(k.config.Listen); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		k.log.Info("serving metrics", "url", "http://"+server.Address()+"/metrics")
	}
	k.log.Info("started", "desks", k.config.Tickets.ordered, "kafka", k.config.Kafka.Brokers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return k.keeper.Run(ctx) })
	group.Go(func() error { return work(ctx) })
	group.Go(func() error { return k.followTickets(ctx) })
	group.Go(func() error { return k.pulse.Run(ctx, time.Second, func() { k.keeper.Numbers() }) })
	group.Go(func() error { return k.heard.say(ctx, k.log, k.config.Kafka.Brokers) })
	return group.Wait()
}

// share has this process deal with some partitions of the incidents, and others with the others.
func (k *clerk) share(ctx context.Context) error {
	return kafka.Share(ctx, k.kafka, kafka.Sharing{
		Topic: kafka.IncidentTopic, Group: k.config.Tickets.Group,
		Begin: func(ctx context.Context, partitions []int32) error {
			if err := k.readAll(ctx, partitions); err != nil {
				return err
			}
			k.heard.since(time.Now())
			k.log.Info("dealing with incidents", "partitions", len(partitions))
			return nil
		},
		See: func(r kafka.Record) { k.see(ctx, r, r.Partition, true) },
		Done: func(partition int32, next int64) int64 {
			if lowest, any := k.keeper.Unsettled(partition); any {
				return min(next, lowest)
			}
			return next
		},
		End: func(partitions []int32) {
			k.heard.since(time.Time{})
			for _, p := range partitions {
				k.keeper.Drop(p)
			}
		},
	})
}

// readAll reads what every desk has, and then the incidents of some partitions: those that are open, or whose end some desk was not
// told of, are dealt with again.
func (k *clerk) readAll(ctx context.Context, partitions []int32) error {
	err := kafka.Read(ctx, k.kafka, kafka.Reading{Topics: []string{kafka.TicketTopic}, See: k.note})
	if err != nil || len(partitions) == 0 {
		return err
	}
	return kafka.Read(ctx, k.kafka, kafka.Reading{
		Topics: []string{kafka.IncidentTopic}, Only: map[string][]int32{kafka.IncidentTopic: partitions},
		See: func(r kafka.Record) error { k.see(ctx, r, r.Partition, false); return nil },
	})
}

// readOnly reads all incidents, without leaving a trace.
func (k *clerk) readOnly(ctx context.Context) error {
	return insist(ctx, k.log, "incidents cannot be read", func() error {
		if err := k.readAll(ctx, nil); err != nil {
			return err
		}
		defer k.heard.since(time.Time{})
		return kafka.Read(ctx, k.kafka, kafka.Reading{
			Topics: []string{kafka.IncidentTopic},
			See:    func(r kafka.Record) error { k.see(ctx, r, ticket.Nowhere, false); return nil },
			Follow: func(now time.Time) error { k.heard.since(now); return nil },
		})
	})
}

// followTickets takes in what other processes write of tickets.
func (k *clerk) followTickets(ctx context.Context) error {
	from := time.Now().Add(-time.Minute)
	return insist(ctx, k.log, "tickets cannot be read", func() error {
		return kafka.Read(ctx, k.kafka, kafka.Reading{Topics: []string{kafka.TicketTopic}, From: from, See: k.note, Follow: func(time.Time) error { return nil }})
	})
}

// note takes in a record of a ticket; what is none is not ours.
func (k *clerk) note(r kafka.Record) error {
	var t results.Ticket
	if json.Unmarshal(r.Value, &t) == nil && t.Schema == results.TicketSchema && string(r.Key) == t.Incident+"/"+t.Desk {
		k.keeper.Note(t)
	}
	return nil
}

// see takes in a record of an incident. What is none is a dead letter, once.
func (k *clerk) see(ctx context.Context, r kafka.Record, from int32, bury bool) {
	if len(r.Value) == 0 {
		return // it is forgotten
	}
	var i results.Incident
	err := json.Unmarshal(r.Value, &i)
	if err == nil && (i.Schema != results.IncidentSchema || i.ID == "" || i.ID != string(r.Key)) {
		err = fmt.Errorf("schema %q, id %q under the key %q: it is no incident", i.Schema, i.ID, r.Key)
	}
	if err == nil {
		k.keeper.Take(i, from, r.Offset)
		return
	}
	if !bury {
		return
	}
	id := fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
	k.log.Error("a record is no incident", "id", id, "error", err)
	letter := results.DeadLetter{Schema: results.DeadLetterSchema, Satellite: k.config.Satellite, ID: id, Why: "tickets: " + err.Error(), Body: r.Value[:min(len(r.Value), 128<<10)], At: time.Now().UTC()}
	if err := k.post.dead(ctx, letter); err != nil {
		k.log.Error("a dead letter cannot be written", "id", id, "error", err)
	}
}

// insist does something again and again until ctx ends, after an error not at once.
func insist(ctx context.Context, log *slog.Logger, what string, do func() error) error {
	for ctx.Err() == nil {
		err := do()
		if err == nil || ctx.Err() != nil {
			continue
		}
		log.Warn(what, "error", strings.ReplaceAll(err.Error(), "\n", "; "))
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
	return nil
}
