package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/command"
	"lamplighter/satellite/memory"
)

const (
	reachFor   = 10 * time.Second // how long a command waits for RabbitMQ
	confirmFor = 5 * time.Second  // how long stop and go wait for each satellite
)

const siteExitCodes = `
Exit codes: 0 done, 2 usage, configuration or refused, 4 RabbitMQ or a satellite did not answer: what was asked may be done or not.
`

// line is what a command needs of a site's broker.
type line interface {
	bus.Bus
	bus.Air
}

// errNoBroker: the configuration is of a satellite that works alone.
var errNoBroker = errors.New("no rabbitmq.urls")

// siteCommand makes a command that needs a configuration and no more.
func siteCommand(use, short, long string, args cobra.PositionalArgs, run func(cmd *cobra.Command, c Config, args []string) error) *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := LoadConfig(config)
			if err != nil {
				return err
			}
			return siteError(cmd.Context(), cmd.ErrOrStderr(), run(cmd, c, args))
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file` of a satellite of the site")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// unanswered is an error that leaves open what the site did.
type unanswered struct{ error }

// siteError says what went wrong, and chooses the exit code.
func siteError(ctx context.Context, stderr io.Writer, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "interrupted: what was asked may be done all the same")
		return exitInterrupted
	case errors.As(err, new(unanswered)):
		fmt.Fprintf(stderr, "lamplighter: %v\n", err)
		return exitUnknown
	}
	return err
}

// onLine has work work on the site's broker.
func (c Config) onLine(ctx context.Context, stderr io.Writer, work func(context.Context, line) error) error {
	if len(c.RabbitMQ.URLs) == 0 {
		return errNoBroker
	}
	log := newLog(Log{Level: max(c.Log.Level, slog.LevelWarn), Format: c.Log.Format}, stderr)
	broker, err := c.openBus(ctx, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(reachFor, cancel)
	defer late.Stop()
	reached := false
	err = withBus(ctx, broker, log, func(ctx context.Context) error {
		reached = late.Stop()
		if !reached {
			return ctx.Err()
		}
		return work(ctx, broker)
	})
	if !reached {
		return unanswered{fmt.Errorf("rabbitmq was not reached: %w", errors.Join(err, broker.State().Err))}
	}
	return err
}

// ask asks the site c belongs to; an error that is no refusal leaves open what was done.
func (c Config) ask(ctx context.Context, l line, r command.Request, each func(command.Answer) error) error {
	r.Who = who()
	err := command.Ask(ctx, l, c.Site, r, each)
	if err == nil || errors.As(err, new(*command.Refused)) {
		return err
	}
	return unanswered{err}
}

// who asks, as far as the system knows.
func who() string {
	name, host := "somebody", "somewhere"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// onMemory has work work on the memory file of a satellite that works alone. It makes none: that would be a file that the
// satellite, which may run as another user, could not write to.
func (c Config) onMemory(work func(*memory.Memory) error) error {
	if _, err := os.Stat(c.Memory); err != nil {
		return fmt.Errorf("site memory: %w; lamplighter all makes it when it starts", err)
	}
	m, err := memory.Open(c.Memory)
	if err != nil {
		return err
	}
	return errors.Join(work(m), m.Close())
}

// doAlone does a request on the memory file, and writes down who did it.
func (c Config) doAlone(cmd *cobra.Command, r command.Request) error {
	r.Who, r.ID = who(), rand.Text()
	return c.onMemory(func(m *memory.Memory) error {
		done, err := command.Do(cmd.Context(), m, r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
		return errors.Join(err, c.writeDown(r.Act(c.Site, time.Now())))
	})
}

// writeDown puts what a person did into the record of the process that serves the console on this machine, if one does.
func (c Config) writeDown(act results.Act) error {
	if c.Results.off() {
		return nil
	}
	if err := api.WriteDown(c.Results.record(), act); err != nil {
		return fmt.Errorf("it is done, and is not in the log of who did what: %w", err)
	}
	return nil
}

// listed is the BMC of the configured inventory that is meant.
func (c Config) listed(ctx context.Context, target string) (inventory.BMC, error) {
	fleet, err := c.fleet(ctx)
	if err != nil {
		return inventory.BMC{}, err
	}
	var set inventory.Fleet
	_, _ = set.Set(fleet)
	bmc, ok := set.Find(target)
	if !ok {
		return bmc, fmt.Errorf("%s: neither an ID nor an address in %s", target, c.Inventory)
	}
	return bmc, nil
}
