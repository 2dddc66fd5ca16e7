// Some BMCs need what Go no longer speaks by default: SHA-1 handshake signatures, RSA keys under 1024 bits, negative serial
// numbers. The strict profile refuses them all the same; these switches are per process, not per connection.
//
//go:debug tlssha1=1
//go:debug rsa1024min=0
//go:debug x509negativeserial=1

// Command lamplighter goes round every BMC of a site and says of each that fails where in the chain it broke, why, whose job
// it is and what to do next. One binary with roles: what one process does for a small site, several do for a large one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lamplighter/results"
)

// version is set by the Makefile.
var version = "development"

func main() {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	out := pipe{gone: stop}
	code := execute(ctx, os.Args[1:], os.Stdin, out.stdout(os.Stdout), os.Stderr)
	stop()
	if out.broken.Load() {
		code = int(exitInterrupted)
	}
	os.Exit(code)
}

// execute is main without the process: tests call it.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var code exitCode
	switch {
	case err == nil:
		return int(exitOK)
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintf(stderr, "lamplighter: %v%s\n", err, nextStep(cmd, err))
		return int(exitUsage)
	}
}

// nextStep completes what the library says of a command line that lacks something.
func nextStep(cmd *cobra.Command, err error) string {
	for _, prefix := range []string{"required flag(s)", "accepts ", "want one "} {
		if strings.HasPrefix(err.Error(), prefix) {
			return "; " + cmd.CommandPath() + " --help shows the use"
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return "; another process listens there: end it, or choose another address"
	}
	return ""
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "lamplighter",
		Short:         "proves that every BMC can be reached, trusted, logged in to and asked for the power state",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	grouped(root, "Check from here, once:", newCheck(), newSweep())
	grouped(root, "Ask what is believed:", newGet(), newWhy(), newAck(), newQuiet(results.Silencing), newQuiet(results.Maintenance), newToken())
	grouped(root, "Ask a site that runs:", newRecheck(), newFence(), newStop(), newGo(), newAudit())
	grouped(root, "Run a site:", newSatellite(), newInventory(), newResults(), newTickets(), newAll(), newTopics())
	grouped(root, "Without hardware:", newSim(), newDemo())
	root.AddCommand(newVersion(), newReasons(), newExitCodesHelp())
	return root
}

// one wants one argument, and says of what.
func one(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("want one %s, got %d", what, len(args))
		}
		return nil
	}
}

// grouped adds commands that help lists under a title.
func grouped(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, cmd := range commands {
		cmd.GroupID = title
		root.AddCommand(cmd)
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "lamplighter", version)
			return err
		},
	}
}
