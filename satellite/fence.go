package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/inventory"
	"lamplighter/satellite/command"
	"lamplighter/satellite/memory"
)

func newFence() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fence",
		Short: "list or clear what stands against logins after a refusal",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFenceList(), newFenceClear())
	return cmd
}

// fences are what stands against logins; the document of fence list --json.
type fences struct {
	Fences []memory.Standing `json:"fences"`
	Held   []memory.Held     `json:"held"`
}

func newFenceList() *cobra.Command {
	var asJSON bool
	cmd := siteCommand("list", "list the BMCs and credentials that no login is tried with",
		`Lists the fences of a site: after a refused login none is tried until the time shown, or until the credential changes,
a person clears the fence, or a person checks again. A credential that many BMCs refused is stopped everywhere.
`+siteExitCodes,
		cobra.NoArgs, func(cmd *cobra.Command, c Config, _ []string) error {
			stand, err := c.fences(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(stand)
			}
			return stand.print(cmd.OutOrStdout())
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// fences asks the site, or reads the memory file of a satellite that works alone.
func (c Config) fences(cmd *cobra.Command) (stand fences, err error) {
	stand = fences{[]memory.Standing{}, []memory.Held{}}
	err = c.onLine(cmd.Context(), cmd.ErrOrStderr(), func(ctx context.Context, l line) error {
		return c.ask(ctx, l, command.Request{Kind: command.FenceList}, func(a command.Answer) error {
			stand.Fences, stand.Held = append(stand.Fences, a.Fences...), append(stand.Held, a.Held...)
			return nil
		})
	})
	if errors.Is(err, errNoBroker) {
		err = c.onMemory(func(m *memory.Memory) error {
			stand = fences{m.Fences(), m.Holds()}
			return nil
		})
	}
	return stand, err
}

func (f fences) print(w io.Writer) error {
	if len(f.Fences) == 0 && len(f.Held) == 0 {
		_, err := fmt.Fprintln(w, "no fence stands")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BMC\tCREDENTIAL\tTRIES\tSINCE\tNEXT LOGIN\tWHY")
	for _, s := range f.Fences {
		next, why := moment(s.Until), "refused"
		if s.Final {
			next = "never: clear it, or change the credential"
		}
		if s.Unsure {
			why = "a login was cut short, its outcome is not known"
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", s.BMC, s.Credential, s.Tries, moment(s.Since), next, why)
	}
	for _, h := range f.Held {
		fmt.Fprintf(table, "all\t%s\t\t\t%s\t%s\n", h.Credential, moment(h.Until), "many BMCs refused it")
	}
	return table.Flush()
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func newFenceClear() *cobra.Command {
	var credential string
	cmd := siteCommand("clear [BMC]", "let logins go on at a BMC, or with a credential",
		`Clears the fence of one BMC: its next round logs in again. With --credential the logins with a credential that many BMCs
refused go on; the fences of its single BMCs stay. Clear it after the cause is gone: another refusal may lock the account.
`+siteExitCodes,
		cobra.MaximumNArgs(1), func(cmd *cobra.Command, c Config, args []string) error {
			r := command.Request{Kind: command.FenceClear, Credential: credential}
			if len(args) == 1 {
				bmc, err := c.listed(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				r.BMC = bmc.ID
			}
			if (r.BMC == inventory.ID("")) == (credential == "") {
				return errors.New("fence clear: want either a BMC or --credential")
			}
			return c.order(cmd, r, nil)
		})
	cmd.Flags().StringVar(&credential, "credential", "", "`name` of a credential in the keyring")
	return cmd
}

// order has the site do what is asked, then, if it is a site of several satellites, after.
func (c Config) order(cmd *cobra.Command, r command.Request, after func(context.Context, line) error) error {
	stdout := cmd.OutOrStdout()
	err := c.onLine(cmd.Context(), cmd.ErrOrStderr(), func(ctx context.Context, l line) error {
		err := c.ask(ctx, l, r, func(a command.Answer) error {
			if a.Kind != command.Done {
				return nil
			}
			_, err := fmt.Fprintf(stdout, "%s (written down by %s)\n", a.Text, a.Satellite)
			return err
		})
		if err != nil || after == nil {
			return err
		}
		return after(ctx, l)
	})
	if errors.Is(err, errNoBroker) {
		return c.doAlone(cmd, r)
	}
	return err
}
