package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
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
	board := newBoard(bmcs)
	tour.config.Sink = results.Func(func(ctx context.Context, v results.Verdict) error {
		if err := sink.Emit(ctx, v); err != nil {
			return err
		}
		return board.Emit(ctx, v)
	})
	show := demoShow{board: board, planted: fleet.Planted(), dir: dir, started: time.Now(), w: stdout}
	return demoRun(ctx, fleet, tour, bmcs, show)
}

// demoRun serves, checks and shows until ctx ends; the simulated BMCs outlive the satellite, so that it can log out.
func demoRun(ctx context.Context, fleet *bmcsim.Fleet, tour *tour, bmcs []inventory.BMC, show demoShow) error {
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	var servers errgroup.Group
	servers.Go(func() error { return fleet.Run(serving) })

	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error {
		return tour.run(ctx, func(ctx context.Context, s *satelliteRun) error {
			if err := s.Sweep(ctx, bmcs); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(demoPause):
			}
			s.Set(bmcs)
			return s.Run(ctx)
		})
	})
	both.Go(func() error { show.run(ctx); return nil })
	err := both.Wait()
	stopServing()
	if missing := new(schedule.Missing); errors.As(err, &missing) && ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, servers.Wait())
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
	dead := bmcs[45].Rack // the third rack of the first site
	free := slices.DeleteFunc(slices.Clone(bmcs), func(b inventory.BMC) bool { return b.Site == bmcs[0].Site && b.Rack == dead })
	for _, b := range bmcs {
		if b.Site == bmcs[0].Site && b.Rack == dead {
			if _, err := fleet.Set(string(b.ID), bmcsim.Dead); err != nil {
				return err
			}
		}
	}
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
	wires, err := checks.OpenWires(settings)
	if err != nil {
		return nil, err
	}
	t, err := newTour(settings, chain, bmcs, checks.NewSight(bmcs, nil, wires.Ask), wires, keyring, filepath.Join(dir, "memory"))
	if err != nil {
		return nil, err
	}
	t.config.Name, t.config.Visits, t.config.Interval, t.config.Drain = "demo", 64, demoInterval, 5*time.Second
	t.config.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return t, nil
}

// demoShow draws the board: redrawn on a terminal, else a page when everything has been checked and every half minute.
type demoShow struct {
	board   *board
	planted map[inventory.ID][]bmcsim.Fault
	dir     string
	started time.Time
	w       io.Writer
}

func (d demoShow) run(ctx context.Context) {
	file, ok := d.w.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var drawn time.Time
	for {
		select {
		case <-ctx.Done():
			d.draw("")
			return
		case now := <-tick.C:
			complete := len(d.board.snapshot()) == len(d.board.bmcs)
			if terminal {
				d.draw("\x1b[H\x1b[2J")
			} else if complete && now.Sub(drawn) > 30*time.Second || drawn.IsZero() && now.Sub(d.started) > 9*time.Second {
				drawn = now
				d.draw("")
			}
		}
	}
}

func (d demoShow) draw(before string) {
	newest := d.board.snapshot()
	var page strings.Builder
	fmt.Fprintf(&page, "%sLamplighter demo: %d simulated BMCs in 3 sites, %d with a verdict, after %s\n\n", before,
		len(d.board.bmcs), len(newest), time.Since(d.started).Round(time.Second))
	d.board.drawRacks(&page, newest)
	fmt.Fprint(&page, "\n· available  d degraded  P ping  T tls  L login  W power  ? unknown\n\nWhat is wrong\n")
	d.board.drawWrong(&page, newest)
	page.WriteString(d.score(newest))
	fmt.Fprintf(&page, "Verdicts are written to %s\n", filepath.Join(d.dir, "verdicts.ndjson"))
	_, _ = io.WriteString(d.w, page.String())
}

// score compares what was planted with what was found.
func (d demoShow) score(newest map[inventory.ID]results.Verdict) string {
	named, wrongly, faulty := 0, 0, 0
	var missed []string
	for _, bmc := range d.board.bmcs {
		v, known := newest[bmc.ID]
		want := expected(d.planted[bmc.ID])
		faulty += min(1, len(want))
		switch {
		case !known:
		case len(want) == 0 && v.Health != checks.Available:
			wrongly++
		case len(want) > 0 && slices.Contains(want, v.Reason):
			named++
		case len(want) > 0:
			missed = append(missed, fmt.Sprintf("%s: planted %v, found %s", bmc.ID, d.planted[bmc.ID], cmp.Or(string(v.Reason), v.Health.String())))
		}
	}
	score := fmt.Sprintf("\n%d BMCs have a planted fault: %d named with the right reason; healthy BMCs shown as failed: %d\n", faulty, named, wrongly)
	for _, line := range missed {
		score += "  not (yet) named rightly: " + line + "\n"
	}
	return score
}

// expected are the reasons that a BMC's faults may show as. After the first refusal logins are fenced.
func expected(faults []bmcsim.Fault) (reasons []checks.Reason) {
	for _, f := range faults {
		if reason := checks.Reason(f.Info().Reason); reason != "" {
			reasons = append(reasons, reason)
			if reason == checks.AuthRejected || reason == checks.AuthLocked {
				reasons = append(reasons, checks.AuthFenced)
			}
		}
	}
	return reasons
}
