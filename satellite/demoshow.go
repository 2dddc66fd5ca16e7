package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

// demoShow shows the board: redrawn in place on a terminal, else as a page when everything has been checked and every half minute.
type demoShow struct {
	board   *board
	desk    *deskPanel
	planted map[inventory.ID][]bmcsim.Fault
	dir     string
	api     string
	started time.Time
	w       io.Writer
}

func (d demoShow) run(ctx context.Context) {
	terminal, live := terminalOf(d.w)
	if live {
		_, _ = io.WriteString(d.w, clearAndHideCursor)
		defer func() { _, _ = io.WriteString(d.w, showCursor) }()
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var drawn time.Time
	for {
		select {
		case <-ctx.Done():
			d.last(terminal, live)
			return
		case now := <-tick.C:
			complete := len(d.board.snapshot()) == len(d.board.bmcs)
			if live {
				if resized, ok := terminalOf(d.w); ok {
					terminal = resized
				}
				terminal.draw(d.live(terminal))
			} else if complete && now.Sub(drawn) > 30*time.Second || drawn.IsZero() && now.Sub(d.started) > 9*time.Second {
				drawn = now
				d.print()
			}
		}
	}
}

func (d demoShow) last(terminal screen, live bool) {
	if live {
		terminal.draw(d.live(terminal))
		return
	}
	d.print()
}

const legend = "· available  d degraded  P ping  T tls  L login  W power  ? unknown"

func (d demoShow) title(verdicts int) string {
	return fmt.Sprintf("Lamplighter demo: %d simulated BMCs in 3 sites, %d with a verdict, after %s", len(d.board.bmcs), verdicts,
		time.Since(d.started).Round(time.Second))
}

// live is the page for a terminal: racks side by side, and as many causes as there is room for.
func (d demoShow) live(terminal screen) string {
	newest := d.board.snapshot()
	var top strings.Builder
	fmt.Fprintf(&top, "%s (Ctrl-C ends it)\n\n", d.title(len(newest)))
	d.board.drawColumns(&top, newest, terminal.width)
	fmt.Fprintf(&top, "%s\n\n", legend)
	score, _ := d.score(newest)
	bottom := fmt.Sprintf("\n%s\n%s\nverdicts: %s\n%s\n", d.desk.line(), score, d.verdicts(), d.ask(newest))
	room := terminal.height - 1 - strings.Count(top.String(), "\n") - strings.Count(bottom, "\n")
	d.board.drawCauses(&top, newest, room)
	return top.String() + bottom
}

// print writes everything, for a file or a pipe.
func (d demoShow) print() {
	newest := d.board.snapshot()
	var page strings.Builder
	fmt.Fprintf(&page, "%s\n\n", d.title(len(newest)))
	d.board.drawRacks(&page, newest)
	fmt.Fprintf(&page, "\n%s\n\nWhat is wrong\n", legend)
	d.board.drawWrong(&page, newest)
	fmt.Fprintf(&page, "\nTickets, as a desk would be told of them (nobody is)\n")
	d.desk.draw(&page)
	score, missed := d.score(newest)
	fmt.Fprintf(&page, "\n%s\n", score)
	for _, line := range missed {
		fmt.Fprintf(&page, "  not (yet) named rightly: %s\n", line)
	}
	fmt.Fprintf(&page, "Verdicts are written to %s\n", d.verdicts())
	fmt.Fprintln(&page, d.ask(newest))
	_, _ = io.WriteString(d.w, page.String())
}

// ask says how to ask why from another terminal, of a BMC that is broken.
func (d demoShow) ask(newest map[inventory.ID]results.Verdict) string {
	flag, bmc := "", inventory.ID("BMC")
	if d.api != defaultResults().url() {
		flag = " --api " + d.api
	}
	for _, b := range d.board.bmcs {
		if newest[b.ID].Health == checks.Unavailable {
			bmc = b.ID
			break
		}
	}
	return fmt.Sprintf("open %s/ in a browser, or ask: lamplighter why %s%s; lamplighter get bmcs --where health=unavailable%s", d.api, bmc, flag, flag)
}

func (d demoShow) verdicts() string { return filepath.Join(d.dir, "verdicts.ndjson") }

// score compares what was planted with what was found.
func (d demoShow) score(newest map[inventory.ID]results.Verdict) (line string, missed []string) {
	named, wrongly, faulty := 0, 0, 0
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
	return fmt.Sprintf("%d BMCs have a planted fault: %d named with the right reason; healthy BMCs shown as failed: %d", faulty, named, wrongly), missed
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
