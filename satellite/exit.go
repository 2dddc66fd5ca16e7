package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"lamplighter/checks"
)

// exitCode is how the process ends. As an error it carries no text: whatever there was to say has been said.
type exitCode int

// The exit codes; exitCodesText explains them.
const (
	exitOK          exitCode = 0
	exitUnavailable exitCode = 1
	exitEnded       exitCode = 1 // of role satellite: by something that a new start may mend
	exitUsage       exitCode = 2
	exitDegraded    exitCode = 3
	exitUnknown     exitCode = 4
	exitInterrupted exitCode = 130
)

const exitCodesText = `0    every BMC is available
1    at least one BMC is unavailable
2    usage or configuration: nothing was checked
3    at least one BMC is degraded, none is unknown or unavailable
4    at least one BMC is unknown (we could not find out), none is unavailable
130  interrupted; what was found until then has been printed
`

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// exitFor is the exit code of a run that found these healths; nil for exitOK.
func exitFor(found map[checks.Health]int) error {
	switch {
	case found[checks.Unavailable] > 0:
		return exitUnavailable
	case found[checks.Unknown] > 0:
		return exitUnknown
	case found[checks.Degraded] > 0:
		return exitDegraded
	}
	return nil
}

// newExitCodesHelp is a help topic: lamplighter help exit-codes.
func newExitCodesHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "what the exit codes of check and sweep mean",
		Long:  exitCodesText,
	}
}
