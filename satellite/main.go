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
	"syscall"

	"github.com/spf13/cobra"
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
	err := root.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return int(exitOK)
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintf(stderr, "lamplighter: %v\n", err)
		return int(exitUsage)
	}
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
	root.AddCommand(newCheck(), newSweep(), newAll(), newSim(), newDemo(), newVersion(), newReasons(), newTopics(), newExitCodesHelp())
	return root
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
