package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lamplighter/satellite/bus"
	"lamplighter/satellite/command"
	"lamplighter/satellite/owners"
)

func newStop() *cobra.Command {
	return newSwitch("stop", "stop all probes of the site, within seconds",
		`Stops all probes of a site: no round starts, and what runs is cut short with a logout. It holds until lamplighter go, also
over restarts. Each satellite is listed with whether it says that it stopped.
`, true)
}

func newGo() *cobra.Command {
	return newSwitch("go", "let the site's probes go on after a stop",
		`Lets the probes of a site go on after lamplighter stop. Each satellite is listed with whether it says that it goes on.
`, false)
}

func newSwitch(use, short, long string, stop bool) *cobra.Command {
	var reason string
	cmd := siteCommand(use, short, long+siteExitCodes, cobra.NoArgs, func(cmd *cobra.Command, c Config, _ []string) error {
		r := command.Request{Kind: command.Go, Text: reason}
		if stop {
			r.Kind = command.Stop
		}
		return c.order(cmd, r, func(ctx context.Context, l line) error {
			return confirm(ctx, l, stop, cmd.OutOrStdout())
		})
	})
	cmd.Flags().StringVar(&reason, "reason", "", "`text` that is kept with your name")
	return cmd
}

// confirm listens until every satellite says that it stopped, or goes on, and lists them.
func confirm(ctx context.Context, air bus.Air, stopped bool, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, confirmFor)
	defer cancel()
	var members []owners.Member
	err := owners.Listen(ctx, air, func(now []owners.Member) {
		if members = now; len(unconfirmed(members, stopped)) == 0 {
			cancel()
		}
	})
	if err != nil {
		return unanswered{fmt.Errorf("listen to the satellites: %w", err)}
	}
	words := map[bool]string{true: "stopped", false: "goes on"}
	for _, m := range members {
		if m.Stopped == stopped {
			fmt.Fprintf(stdout, "%s  %s\n", m.Name, words[stopped])
		}
	}
	missing := unconfirmed(members, stopped)
	for _, name := range missing {
		fmt.Fprintf(stdout, "%s  DOES NOT SAY that it %s\n", name, words[stopped])
	}
	switch {
	case len(members) == 0:
		return unanswered{fmt.Errorf("no satellite was heard within %v: whether the site %s is not known", confirmFor, words[stopped])}
	case len(missing) > 0:
		return unanswered{errors.New("not confirmed by " + strings.Join(missing, ", "))}
	}
	return nil
}

// unconfirmed are the satellites that say otherwise, and those that were not heard though others see them.
func unconfirmed(members []owners.Member, stopped bool) (names []string) {
	heard := map[string]bool{}
	for _, m := range members {
		if heard[m.Name] = true; m.Stopped != stopped {
			names = append(names, m.Name)
		}
	}
	for _, m := range members {
		for _, name := range m.Sees {
			if !heard[name] {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
