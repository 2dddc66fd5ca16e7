package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/results/follow"
	"lamplighter/results/kafka"
	"lamplighter/satellite/metrics"
)

func newResults() *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use:   "results",
		Short: "keep what is believed of every BMC: verdicts from Kafka to state, history and answers",
		Long: `Reads the verdicts of all satellites from Kafka, keeps what follows from them in a store on the disk, writes states and changes to
Kafka (bmc.state.v1, bmc.change.v1), finds what looks like one cause (bmc.incident.v1), and answers lamplighter get, why and ack over HTTP. It runs until SIGTERM or Ctrl-C. While Kafka is
away it answers with what it has, waits, and says so every 10 s. A store that was lost is filled again from bmc.state.v1 and bmc.incident.v1.
It needs no keyring. deploy/lamplighter.yaml shows every key; those of the section results are its own.

Exit codes: 0 after a stop, 1 something failed that a new start may mend, 2 usage or configuration.
`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(config, Config.validateResults)
			if err != nil {
				return err
			}
			return runResults(cmd.Context(), c, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// validateResults is Validate for a process that asks no BMC.
func (c Config) validateResults(bad func(key, want string)) {
	c.Validate(withoutSite(bad))
	if len(c.Kafka.Brokers) == 0 {
		bad("kafka.brokers", "want at least one for role results; lamplighter all does without")
	}
	if c.Results.off() {
		bad("results.store", "want the path of a directory for role results")
	}
}

// believer is the role results.
type believer struct {
	config  Config
	log     *slog.Logger
	beliefs *beliefs
	roster  *roster // nil: every BMC is taken in
	kafka   kafka.Config
	metrics *metrics.Metrics
	ready   metrics.Ready
	pulse   *metrics.Pulse
}

// runResults follows until ctx ends, and returns nil then.
func runResults(ctx context.Context, c Config, stderr io.Writer) error {
	b := &believer{config: c, log: newLog(c.Log, stderr), metrics: metrics.New(version), pulse: metrics.NewPulse()}
	if err := b.open(ctx); err != nil {
		return err
	}
	err := b.run(ctx)
	if closed := b.beliefs.close(); closed != nil {
		err = errors.Join(err, fmt.Errorf("close the store: %w", closed))
	}
	if err != nil {
		b.log.Error("ended", "error", err)
		return exitEnded
	}
	b.log.Info("stopped")
	return nil
}

func (b *believer) open(ctx context.Context) (err error) {
	c := b.config
	if b.kafka, err = c.Kafka.connection(ctx); err != nil {
		return err
	}
	b.kafka.Site, b.kafka.Satellite, b.kafka.Log = c.Site, c.Satellite, b.log
	from := follow.Config{Name: c.Satellite, Interval: c.Interval, Incidents: c.rule(), Kafka: &b.kafka, Read: true}
	if c.Inventory != "" {
		if b.roster, err = readRoster(ctx, c, b.log); err != nil {
			return err
		}
		from.Knows, from.Record = b.roster.knows, b.roster.record
	}
	if err := c.Results.made(); err != nil {
		return err
	}
	var w around // nil, and not a nil pointer in it, where there is none
	if len(c.RabbitMQ.URLs) > 0 {
		w.again = c.overRabbitMQ()
	}
	if b.roster != nil {
		w.listed = b.roster.listed
	}
	if c.Inventory == fromCMDB {
		w.inventories = b.roster.told
	}
	if b.beliefs, err = c.Results.openBeliefs(ctx, from, w, c.settle(), b.log); err != nil {
		return err
	}
	b.beliefs.measure(b.metrics)
	b.ready.Need("results", b.beliefs.full)
	b.ready.Need("kafka", b.listening)
	return nil
}

// listening says whether verdicts are heard as they come.
func (b *believer) listening() error {
	if b.beliefs.follower.Stats().Listening.IsZero() {
		return fmt.Errorf("verdicts of %s are not heard as they come: it is away, or there is a backlog", strings.Join(b.config.Kafka.Brokers, ","))
	}
	return nil
}

func (b *believer) run(ctx context.Context) error {
	server := &metrics.Server{Metrics: b.metrics, Ready: &b.ready, Pulse: b.pulse}
	if b.config.Listen != "" {
		if err := server.Listen(b.config.Listen); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		b.log.Info("serving metrics", "url", "http://"+server.Address()+"/metrics")
	}
	all, _ := b.beliefs.follower.Live().All()
	b.log.Info("started", "store", b.config.Results.Store, "bmcs", len(all), "kafka", b.config.Kafka.Brokers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return b.beliefs.run(ctx) })
	group.Go(func() error { return b.pulse.Run(ctx, time.Second, func() { b.beliefs.follower.Live().All() }) })
	group.Go(func() error { return b.sayWaiting(ctx) })
	group.Go(func() error { return b.readAudit(ctx) })
	if b.roster != nil {
		group.Go(func() error { return b.roster.run(ctx) })
	}
	return group.Wait()
}

// sayWaiting says every ten seconds that Kafka is away, or how far behind we are.
func (b *believer) sayWaiting(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	heard, before := time.Now(), uint64(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		switch now := b.beliefs.follower.Stats(); {
		case !now.Listening.IsZero():
			heard, before = time.Now(), now.Verdicts
		case now.Full:
			b.log.Warn("waiting for room on the disk", "store", b.config.Results.Store)
		case now.Verdicts > before:
			b.log.Info("catching up with kafka", "verdicts", now.Verdicts-before)
			heard, before = time.Now(), now.Verdicts
		default:
			b.log.Warn("waiting for kafka", "brokers", b.config.Kafka.Brokers, "away", time.Since(heard).Round(time.Second))
		}
	}
}

// measure has metrics ask the beliefs.
func (b *beliefs) measure(m *metrics.Metrics) {
	m.Beliefs(b.follower.Stats, func() map[checks.Health]int {
		counts := map[checks.Health]int{}
		all, _ := b.follower.Live().All()
		for _, bmc := range all {
			counts[bmc.State.Health]++
		}
		return counts
	}, b.store.Size)
	m.Incidents(b.follower.Incidents, b.follower.Silences)
}
