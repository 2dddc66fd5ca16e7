package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/follow"
	"lamplighter/results/incident"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/command"
	"lamplighter/satellite/run"
	"lamplighter/satellite/schedule"
)

func newDemo() *cobra.Command {
	var duration time.Duration
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "3 simulated sites with planted faults, live; no root, no broker, no network",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if duration > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, duration)
				defer cancel()
			}
			return runDemo(ctx, dir, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().DurationVar(&duration, "for", 0, "end by itself after this time; 0: on Ctrl-C")
	cmd.Flags().StringVar(&dir, "dir", "", "`directory` for verdicts, inventory and keyring; default a new temporary one")
	return cmd
}

// The demo's pace: fast enough to show everything within ten seconds. The longest round is that of an IPMI BMC that answers
// nonsense from its login on: two seconds for the login, the power check's timeout, three for the logout. Real BMCs need the
// default timeouts.
var demoTimeouts = map[checks.Name]time.Duration{
	checks.Ping: 2 * time.Second, checks.TLS: 3 * time.Second, checks.RedfishLogin: 4 * time.Second,
	checks.IPMILogin: 4 * time.Second, checks.Power: 2 * time.Second,
}

const (
	demoInterval = 30 * time.Second
	demoPause    = 15 * time.Second // before the second rounds, so that first refusals can be seen: later they are fenced
	demoHold     = 3 * time.Second  // until what fails together is an incident
	demoSlow     = 1500 * time.Millisecond
)

func runDemo(ctx context.Context, dir string, stdout, stderr io.Writer) error {
	dir, err := demoDir(dir)
	if err != nil {
		return err
	}
	fleet, err := demoFleet()
	if err != nil {
		return err
	}
	if err := errors.Join(fleet.Listen(0, 0), fleet.WriteFiles(dir)); err != nil {
		return err
	}
	bmcs := fleet.BMCs()
	verdicts := filepath.Join(dir, "verdicts.ndjson")
	sink, closeSink, err := openSink(verdicts, nil)
	if err != nil {
		return err
	}
	defer closeSink()
	tour, err := demoTour(dir, bmcs, stderr)
	if err != nil {
		return err
	}
	defer tour.close()
	beliefs, err := demoBeliefs(ctx, dir, bmcs, tour)
	if err != nil {
		return err
	}
	desk := newDeskPanel()
	tickets, err := demoTickets().openInsider(ctx, beliefs, demoResults(dir), tour.config.Name, desk, tour.config.Log)
	if err != nil {
		return errors.Join(err, beliefs.close())
	}
	defer tickets.close()
	listed := new(inventory.Fleet)
	if _, err := listed.Set(bmcs); err != nil {
		return err
	}
	written := newShelf(audit.Config{Satellite: tour.config.Name, Version: version, Write: beliefs.look.watch.Write}, listed)
	tour.config.Started, tour.config.Skipped = written.Started, written.Skipped
	board := newBoard(bmcs)
	tour.config.Sink = kept(beliefs.after(results.Func(func(ctx context.Context, v results.Verdict) error {
		if err := sink.Emit(ctx, v); err != nil {
			return err
		}
		return board.Emit(ctx, v)
	})), written)
	show := demoShow{board: board, desk: desk, planted: fleet.Planted(), dir: dir, api: beliefs.url(), started: time.Now(), w: stdout}
	return errors.Join(demoRun(ctx, fleet, tour, beliefs, written, tickets, bmcs, show), beliefs.close())
}

func demoResults(dir string) Results {
	r := defaultResults()
	r.Store = filepath.Join(dir, "results")
	return r
}

// demoBeliefs answers questions where the API usually does, or, where somebody else does so already, at a free port.
func demoBeliefs(ctx context.Context, dir string, bmcs []inventory.BMC, tour *tour) (*beliefs, error) {
	r := demoResults(dir)
	tour.config.Bus = new(bus.Memory)
	from := follow.Config{Name: tour.config.Name, Interval: tour.config.Interval, Incidents: incident.Defaults(tour.config.Interval), Record: records(bmcs)}
	from.Incidents.Hold = demoHold
	w := around{again: inProcess(tour.config.Bus, nameless), listed: func() []inventory.BMC { return bmcs }}
	b, err := r.openBeliefs(ctx, from, w, demoSettle(), tour.config.Log)
	if errors.Is(err, syscall.EADDRINUSE) {
		r.Listen = "127.0.0.1:0"
		b, err = r.openBeliefs(ctx, from, w, demoSettle(), tour.config.Log)
	}
	return b, err
}

// demoRun serves, checks and shows until ctx ends; the simulated BMCs outlive the satellite, so that it can log out.
func demoRun(ctx context.Context, fleet *bmcsim.Fleet, tour *tour, beliefs *beliefs, written books, tickets *insider, bmcs []inventory.BMC, show demoShow) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	var servers errgroup.Group
	servers.Go(func() error { return fleet.Run(serving) })
	servers.Go(func() error { return beliefs.run(serving) })
	servers.Go(func() error { return written.Run(serving) })

	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		return demoRounds(ctx, tour, func(ctx context.Context, s *run.Satellite) error {
			if err := seenBeforeItDies(ctx, s, fleet); err != nil {
				return err
			}
			if err := s.Sweep(ctx, bmcs); err != nil {
				return err
			}
			pause := time.After(demoPause)
			if err := confirmDead(ctx, s, fleet); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-pause:
			}
			s.Set(bmcs)
			return s.Run(ctx)
		})
	})
	both.Go(func() error { return tickets.run(ctx) })
	both.Go(func() error { show.run(ctx); return nil })
	err := both.Wait()
	stopServing()
	if missing := new(schedule.Missing); errors.As(err, &missing) && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, servers.Wait())
}

// seenBeforeItDies has the dead rack work for one round: what was never seen to work wakes nobody, and a rack that dies does.
func seenBeforeItDies(ctx context.Context, s *run.Satellite, fleet *bmcsim.Fleet) error {
	rack := rackThatDies(fleet.BMCs())
	if err := each(rack, fleet.Clear, bmcsim.Dead); err != nil {
		return err
	}
	return errors.Join(s.Sweep(ctx, rack), each(rack, fleet.Set, bmcsim.Dead))
}

// confirmDead finds the dead rack dead as often as it takes to be believed (docs/states.md), so that nobody waits a minute for its incident.
func confirmDead(ctx context.Context, s *run.Satellite, fleet *bmcsim.Fleet) error {
	rack := rackThatDies(fleet.BMCs())
	return errors.Join(s.Sweep(ctx, rack), s.Sweep(ctx, rack))
}

// demoRounds has work work with a satellite that people can ask to check a BMC again.
func demoRounds(ctx context.Context, tour *tour, work func(context.Context, *run.Satellite) error) error {
	var desk *command.Desk
	tour.config.Observe = func(round checks.Round, r checks.Result) { desk.Observe(round, r) }
	return tour.run(ctx, func(ctx context.Context, s *run.Satellite) error {
		desk = command.NewDesk(command.Config{
			Site: nameless, Satellite: tour.config.Name, Bus: tour.config.Bus, Request: s.Request, Memory: tour.memory, Log: tour.config.Log,
		})
		both, ctx := errgroup.WithContext(ctx)
		both.Go(func() error { return desk.Run(ctx) })
		both.Go(func() error { return work(ctx, s) })
		return both.Wait()
	})
}

// demoSettle is how long after its planned start a round of the demo may take to be judged and counted.
func demoSettle() time.Duration {
	return Config{Interval: demoInterval, Timeouts: demoTimeouts}.settle()
}

func demoDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "lamplighter-demo-")
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// demoFleet is three sites with one BMC for every fault there is, a dead rack, and a credential that six BMCs refuse.
func demoFleet() (*bmcsim.Fleet, error) {
	fleet, err := bmcsim.NewFleet(bmcsim.Plan{
		Seed: 7, Off: 0.1, Auto: 0.1, Multi: 0.05, Slow: demoSlow + time.Second,
		Sites: []bmcsim.Site{{Name: "ams1", BMCs: 200, IPMI: 0.3}, {Name: "fra1", BMCs: 160, IPMI: 0.3}, {Name: "sin1", BMCs: 140, IPMI: 0.3}},
	})
	if err != nil {
		return nil, err
	}
	return fleet, plant(fleet)
}

// plant spreads the faults over the racks, a different BMC for each.
func plant(fleet *bmcsim.Fleet) error {
	bmcs := fleet.BMCs()
	dead := rackThatDies(bmcs)
	if err := each(dead, fleet.Set, bmcsim.Dead); err != nil {
		return err
	}
	free := slices.DeleteFunc(slices.Clone(bmcs), func(b inventory.BMC) bool { return b.Site == dead[0].Site && b.Rack == dead[0].Rack })
	faults := slices.Repeat([]bmcsim.Fault{bmcsim.WrongPassword}, 5)
	for _, info := range bmcsim.Faults {
		if info.Trust == "" || info.Trust == inventory.TrustCA {
			faults = append(faults, info.Fault)
		}
	}
	next := 0
	for _, fault := range faults {
		for planted := 0; planted == 0; next += 7 {
			planted, _ = fleet.Set(string(free[next%len(free)].ID), fault) // none where the BMC cannot have it
		}
	}
	return nil
}

// rackThatDies is the third rack of the first site.
func rackThatDies(bmcs []inventory.BMC) []inventory.BMC {
	of := bmcs[45]
	return slices.DeleteFunc(slices.Clone(bmcs), func(b inventory.BMC) bool { return b.Site != of.Site || b.Rack != of.Rack })
}

// each does what do says with fault to every one of bmcs.
func each(bmcs []inventory.BMC, do func(match string, fault bmcsim.Fault) (int, error), fault bmcsim.Fault) error {
	for _, b := range bmcs {
		if _, err := do(string(b.ID), fault); err != nil {
			return err
		}
	}
	return nil
}

func demoTour(dir string, bmcs []inventory.BMC, stderr io.Writer) (*tour, error) {
	roots, err := loadRoots(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	keyring, err := inventory.OpenKeyring(filepath.Join(dir, "keyring.yaml"))
	if err != nil {
		return nil, err
	}
	settings := checks.DefaultSettings()
	settings.Roots, settings.Slow, settings.Ways = roots, demoSlow, []checks.Way{checks.WayRMCP}
	chain := checks.Default()
	for name, timeout := range demoTimeouts {
		setTimeout(chain, name, timeout)
	}
	remembered, err := openMemory(filepath.Join(dir, "memory"))
	if err != nil {
		return nil, err
	}
	t, err := newTour(settings, chain, bmcs, nil, keyring, remembered)
	if err != nil {
		return nil, err
	}
	t.config.Name, t.config.Visits, t.config.Interval, t.config.Drain = "demo", 64, demoInterval, time.Second
	t.config.Look = lookRound
	t.config.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return t, nil
}
