package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lamplighter/checks"
)

func newReasons() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "reasons",
		Short: "print the table of reasons: health, owner, meaning and next step of each",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if markdown {
				return reasonsMarkdown(cmd.OutOrStdout())
			}
			return reasonsTable(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print it as docs/reasons.md")
	return cmd
}

func reasonsTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REASON\tCHECK\tHEALTH\tOWNER\tMEANING\tNEXT STEP")
	for _, r := range checks.Reasons {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Reason, r.Letter, r.Health, r.Owner, r.Meaning, r.NextStep)
	}
	return table.Flush()
}

// reasonsMarkdown writes docs/reasons.md; a test holds the file against it.
func reasonsMarkdown(w io.Writer) error {
	var page strings.Builder
	page.WriteString(`# Reasons

Drawn from checks/reason.go by ` + "`lamplighter reasons --markdown`" + `. A reason that ends the chain gives the verdict its
health, owner and next step; the same reason as a note lets the chain go on and makes the round degraded.
Letters: P ping, T tls, L both logins, W power, S the satellite itself.

| reason | check | health | owner | meaning | next step |
|---|---|---|---|---|---|
`)
	for _, r := range checks.Reasons {
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | %s | %s |\n", r.Reason, r.Letter, r.Health, r.Owner, r.Meaning, r.NextStep)
	}
	_, err := io.WriteString(w, page.String())
	return err
}
