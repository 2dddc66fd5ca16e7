package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/spool"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
	"lamplighter/satellite/command"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/metrics"
	"lamplighter/satellite/run"
	"lamplighter/satellite/schedule"
)

// daemon is what the roles all and satellite share: everything but the bus, and what several satellites agree on.
type daemon struct {
	config  Config
	log     *slog.Logger
	fleet   *inventory.Fleet
	intake  *intake
	keyring inventory.Keyring
	sinks   sinks
	tour    *tour
	books   books         // nil where nobody would read them
	desk    *command.Desk // nil where nobody can ask
	beliefs *beliefs      // nil where the role results has them, or nobody
	tickets *insider      // nil where no desk is told, or the role tickets tells them
	metrics *metrics.Metrics
	ready   metrics.Ready
	pulse   *metrics.Pulse

	satellite *run.Satellite
}

// openDaemon reads what a configuration names and opens it; nothing is sent yet. close must follow. Without a broker the daemon
// serves its site alone.
func (c Config) openDaemon(ctx context.Context, broker *amqp.Bus, stdout, stderr io.Writer) (d *daemon, err error) {
	d = &daemon{config: c, log: newLog(c.Log, stderr), metrics: metrics.New(version), pulse: metrics.NewPulse(), fleet: new(inventory.Fleet)}
	if d.keyring, err = inventory.OpenKeyring(c.Keyring); err != nil {
		return nil, err
	}
	inventory.LogOutages(d.keyring, d.log)
	if err := d.openIntake(ctx, broker == nil); err != nil {
		return nil, err
	}
	remembered, err := c.openMemory(broker, d.log)
	if err != nil {
		d.intake.close()
		return nil, err
	}
	if d.tour, err = c.tour(d.fleet.BMCs(), d.intake.targets, d.keyring, remembered, stderr); err != nil {
		d.intake.close()
		return nil, err
	}
	if d.sinks, err = c.openSinks(ctx, stdout, d.log); err != nil {
		d.intake.close()
		d.tour.close()
		return nil, err
	}
	if broker == nil {
		if err := d.believe(ctx, stderr); err != nil {
			d.close()
			return nil, err
		}
	}
	d.tell()
	if broker != nil {
		d.join(broker)
	}
	d.satellite = run.New(d.tour.config)
	d.serve(d.tour.config.Bus)
	d.measure()
	return d, nil
}

// nameless is what the mailboxes of a satellite are called that works alone and names no site.
const nameless = "local"

// believe has a satellite that works alone keep what follows from its verdicts, and answer for it.
func (d *daemon) believe(ctx context.Context, stderr io.Writer) (err error) {
	r, t := d.config.Results, d.config.Tickets
	if r.off() && len(t.Desks) > 0 {
		return errors.New("results.store: none: want a directory where there are tickets.desks")
	}
	if health := d.intake.health; r.off() && health != nil && len(health.fields) > 0 {
		return errors.New("results.store: none: want a directory where a source of cmdb.sources has a health_field, since nobody would know health")
	}
	if r.off() {
		return nil
	}
	if err := r.made(); err != nil {
		return err
	}
	inside := new(bus.Memory)
	d.tour.config.Bus = inside
	from := follow.Config{Name: d.config.Satellite, Interval: d.config.Interval, Incidents: d.config.rule(), Record: d.fleet.Look}
	w := around{again: inProcess(inside, cmp.Or(d.config.Site, nameless)), listed: d.fleet.BMCs}
	if d.intake.syncing != nil {
		w.inventories = ownInventory{d.intake.syncing}
	}
	d.beliefs, err = r.openBeliefs(ctx, from, w, d.config.settle(), d.log)
	if err == nil && len(t.Desks) > 0 {
		d.tickets, err = t.openInsider(ctx, d.beliefs, r, d.config.Satellite, stderr, d.log)
	}
	return err
}

// openMemory opens site memory: the site's, or a file where there is no broker.
func (c Config) openMemory(broker *amqp.Bus, log *slog.Logger) (*memory.Memory, error) {
	if broker == nil {
		return openMemory(c.Memory)
	}
	if err := makeHome(c.Memory); err != nil {
		return nil, err
	}
	return memory.OpenShared(memory.Shared{Path: c.Memory, Log: broker, Name: c.Site + ".memory", Satellite: c.Satellite, Say: log})
}

// tell has what a satellite does written down: verdicts, what became of rounds, dead letters, numbers.
func (d *daemon) tell() {
	config := &d.tour.config
	config.Skipped, config.Opined, config.Looked = d.metrics.Skipped, d.metrics.Opined, d.metrics.Looked
	config.Observe = func(round checks.Round, r checks.Result) {
		d.metrics.Observe(round, r)
		if d.desk != nil {
			d.desk.Observe(round, r)
		}
	}
	var sink results.Sink = d.sinks
	if d.beliefs != nil {
		sink = d.beliefs.after(sink)
	}
	if d.books = d.openBooks(); d.books != nil {
		sink = kept(sink, d.books)
		config.Started = d.books.Started
		config.Skipped = func(round checks.Round, why string) {
			d.metrics.Skipped(round, why)
			d.books.Skipped(round, why)
		}
	}
	config.Sink = d.metrics.Counting(sink)
	kafka := d.sinks.kafka
	if kafka == nil {
		return
	}
	config.Buried = func(ctx context.Context, letter results.DeadLetter) error {
		letter.Site = d.config.Site
		record, err := spool.OfDeadLetter(letter)
		if err != nil {
			return err
		}
		return kafka.Record(ctx, record)
	}
}

func (d *daemon) close() {
	d.intake.close()
	d.tour.close()
	d.sinks.close()
	if d.tickets != nil {
		d.tickets.close()
	}
	if d.beliefs != nil {
		if err := d.beliefs.close(); err != nil {
			d.log.Error("close the store", "error", err)
		}
	}
}

// measure has metrics ask what has numbers of its own.
func (d *daemon) measure() {
	memory, satellite := d.tour.memory, d.satellite
	d.metrics.Visits(satellite.Visiting)
	d.metrics.View(func() int { return max(1, len(satellite.View())) })
	d.metrics.Fences(func() metrics.Fences { return countFences(memory.Fences()) })
	d.metrics.Fleet(d.fleet.Len)
	if health, elsewhere := inventory.HealthOf(d.keyring); elsewhere {
		d.metrics.Keyring(health)
	}
	d.intake.measure(d.metrics)
	d.metrics.Stopped(func() bool { return memory.Stopped().On })
	if d.sinks.kafka != nil {
		d.metrics.Kafka(d.sinks.kafka.Stats)
		d.ready.Need("topics", d.sinks.kafka.Missing)
	}
	if d.beliefs != nil {
		d.beliefs.measure(d.metrics)
		d.ready.Need("results", d.beliefs.full)
	}
	if d.tickets != nil {
		d.metrics.Tickets(d.tickets.keeper.Numbers)
		d.ready.Need("desks", d.tickets.keeper.Ready)
	}
	d.ready.Need("inventory", func() error {
		if d.fleet.Len() == 0 {
			return errors.New("no BMC")
		}
		return nil
	})
}

func countFences(all []memory.Standing) (n metrics.Fences) {
	for _, f := range all {
		switch {
		case f.Unsure:
			n.Unsure++
		case f.Final:
			n.Final++
		default:
			n.Paused++
		}
	}
	return n
}

// run has work work while the numbers are served.
func (d *daemon) run(ctx context.Context, work func(context.Context) error) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // a shutdown is watched, too
	defer stop()
	server, err := d.listen()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	behind, serving := errgroup.WithContext(serving)
	defer context.AfterFunc(serving, cancel)()
	behind.Go(func() error { return server.Run(serving) })
	behind.Go(func() error { return d.intake.run(serving) })
	if d.beliefs != nil {
		behind.Go(func() error { return d.beliefs.run(serving) })
		if health := d.intake.health; health != nil {
			behind.Go(func() error { return health.run(serving, health.ofLive(d.beliefs.follower.Live())) })
		}
	}
	if d.books != nil {
		behind.Go(func() error { return d.books.Run(serving) })
	}
	err = d.telling(ctx, work)
	stop()
	return errors.Join(err, behind.Wait())
}

func (d *daemon) listen() (*metrics.Server, error) {
	server := &metrics.Server{Metrics: d.metrics, Ready: &d.ready, Pulse: d.pulse}
	if d.config.Listen == "" {
		return server, nil
	}
	if err := server.Listen(d.config.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	d.log.Info("serving metrics", "url", "http://"+server.Address()+"/metrics")
	return server, nil
}

// goRound goes round the fleet until ctx ends, then drains and returns nil.
func (d *daemon) goRound(ctx context.Context) error {
	c := d.config
	d.log.Info("started", "site", c.Site, "satellite", c.Satellite, "bmcs", d.fleet.Len(), "interval", c.Interval, "verdicts", c.Verdicts)
	s := d.satellite
	err := d.tour.wired(ctx, func(ctx context.Context) error {
		d.intake.begin(s)
		behind, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var beside errgroup.Group
		beside.Go(func() error { return d.pulse.Run(behind, time.Second, func() { s.Skipped() }) }) // it waits for the scheduler's lock
		if d.desk != nil {
			beside.Go(func() error {
				defer cancel()
				return d.desk.Run(ctx)
			})
		}
		err := s.Run(ctx)
		stop()
		cancel()
		return errors.Join(err, beside.Wait())
	})
	if missing := new(schedule.Missing); errors.As(err, &missing) && ctx.Err() != nil {
		d.log.Warn("stopped before all rounds ended", "error", err)
		return nil
	}
	d.log.Info("stopped")
	return err
}
