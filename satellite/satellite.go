package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/results/spool"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
	"lamplighter/satellite/command"
)

func newSatellite() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "satellite",
		Short: "be one of several satellites of a site: RabbitMQ between them, verdicts on Kafka",
		Long: `Shares the BMCs of a site with its other satellites, and takes over what a lost one leaves. It runs until SIGTERM or Ctrl-C, then
finishes what runs, logs out and ends. While RabbitMQ or Kafka is away, or a topic is missing, it waits and says so every 10 s.
docs/deploy.md sets up a site step by step; deploy/lamplighter.yaml shows every key.

Exit codes: 0 after a stop, 1 something failed that a new start may mend, 2 usage, configuration, or a queue on RabbitMQ that has
other properties than it should have.
`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := LoadConfig(config)
			if err == nil {
				err = c.needsSite(config)
			}
			if err != nil {
				return err
			}
			return runSatellite(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// needsSite says what role satellite misses in a configuration.
func (c Config) needsSite(path string) error {
	var errs []error
	require := func(ok bool, key string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s: %s: want at least one for role satellite; lamplighter all does without", path, key))
		}
	}
	require(len(c.RabbitMQ.URLs) > 0, "rabbitmq.urls")
	require(len(c.Kafka.Brokers) > 0, "kafka.brokers")
	return errors.Join(errs...)
}

// runSatellite is one satellite of several until ctx ends; then it drains and returns nil. Away brokers are waited for.
func runSatellite(ctx context.Context, c Config, stdout, stderr io.Writer) error {
	broker, err := c.openBus(ctx, newLog(c.Log, stderr))
	if err != nil {
		return err
	}
	d, err := c.openDaemon(ctx, broker, stdout, stderr)
	if err != nil {
		return err
	}
	defer d.close()
	return d.run(ctx, func(ctx context.Context) error { return d.worthARestart(withBus(ctx, broker, d.log, d.goRound)) })
}

// worthARestart makes an end that a new start may mend another exit code than 2, which systemd leaves alone.
func (d *daemon) worthARestart(err error) error {
	if err == nil || errors.Is(err, amqp.ErrMismatch) {
		return err
	}
	d.log.Error("ended", "error", err)
	return exitEnded
}

// join has a daemon share its site over a broker.
func (d *daemon) join(broker *amqp.Bus) {
	d.tour.config.Bus, d.tour.config.Air, d.tour.config.Prefix = broker, broker, d.config.Site
	d.tour.config.Talk = broker.Talk()
	d.metrics.Bus(broker.State)
	d.metrics.Depth(broker.Depth, d.mailboxes())
	d.ready.Need("memory", d.read)
	d.ready.Need("bus", func() error {
		if state := broker.State(); !state.Connected {
			return fmt.Errorf("not connected since %s: %w", state.Since.UTC().Format(time.RFC3339), state.Err)
		}
		return nil
	})
}

// read says whether site memory was read to its end.
func (d *daemon) read() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return d.tour.memory.Ready(now)
}

// serve opens the desk for people's requests.
func (d *daemon) serve(over bus.Bus) {
	if over == nil {
		return
	}
	d.desk = command.NewDesk(command.Config{
		Site: cmp.Or(d.config.Site, nameless), Satellite: d.config.Satellite, Bus: over, Owner: d.satellite.Owner, Request: d.satellite.Request,
		Memory: d.tour.memory, Did: d.did, Log: d.log,
	})
}

// did writes down what a person had done by the command line, where the role results reads it.
func (d *daemon) did(ctx context.Context, r command.Request) error {
	if d.sinks.kafka == nil {
		return nil
	}
	record, err := spool.OfAct(r.Act(d.config.Site, time.Now()))
	if err != nil {
		return err
	}
	return d.sinks.kafka.Record(ctx, record)
}

// mailboxes are those whose depth is measured, by what metrics call them.
func (d *daemon) mailboxes() map[string]bus.Mailbox {
	boxes := map[string]bus.Mailbox{
		"dead": bus.Dead, "unroutable": amqp.Unroutable,
		"own": bus.Own(d.config.Site, d.config.Satellite), "command": command.Mailbox(d.config.Site),
	}
	for _, check := range checks.Default() {
		boxes[string(check.Name)] = actor.Mailbox(d.config.Site, check.Name)
	}
	return boxes
}

// withBus has work work once the broker is there, and keeps the connection until it has returned. What no new connection
// heals ends work, and its error is returned.
func withBus(ctx context.Context, broker *amqp.Bus, log *slog.Logger, work func(context.Context) error) error {
	connecting, disconnect := context.WithCancel(context.WithoutCancel(ctx))
	defer disconnect()
	lines, connecting := errgroup.WithContext(connecting)
	lines.Go(func() error { return broker.Run(connecting) })
	lines.Go(func() error { return sayAway(connecting, broker.State, log) })

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(connecting, cancel)() // without the bus work can only stop
	var err error
	if connected(ctx, broker.State) {
		err = work(ctx)
	}
	disconnect()
	return errors.Join(lines.Wait(), err)
}

// connected waits for the broker, and says whether it came before ctx ended.
func connected(ctx context.Context, state func() amqp.State) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !state().Connected {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// sayAway says every ten seconds that the broker is away, for how long and why.
func sayAway(ctx context.Context, state func() amqp.State, log *slog.Logger) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		switch now := state(); {
		case !now.Connected:
			log.Warn("waiting for rabbitmq", "away", time.Since(now.Since).Round(time.Second), "error", now.Err)
		case now.Blocked:
			log.Warn("waiting for rabbitmq: it takes no messages, by an alarm of its memory or disk")
		}
	}
}
