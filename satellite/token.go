package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/results/api"
)

const tokenExitCodes = `
Exit codes: 0 done, 2 usage, or the file cannot be read or written.
`

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "make, list and revoke tokens for the API",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var file string
	create := newTokenCreate(&file)
	list := &cobra.Command{Use: "list", Short: "list the tokens: names, scopes and when they end, never the tokens", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return listTokens(cmd, file) }}
	revoke := &cobra.Command{Use: "revoke NAME", Short: "make the tokens of a name worthless, within a second", Args: one("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return revokeToken(cmd, file, args[0]) }}
	for _, sub := range []*cobra.Command{create, list, revoke} {
		sub.Long = sub.Short + ".\n" + sub.Long + tokenExitCodes
		sub.Flags().StringVar(&file, "tokens", "", "`file` of tokens, as results.tokens of the configuration names it")
		_ = sub.MarkFlagRequired("tokens")
		cmd.AddCommand(sub)
	}
	return cmd
}

func newTokenCreate(file *string) *cobra.Command {
	var scope, last string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "make a token and print it, this once", Args: one("NAME"),
		Long: "The file keeps its hash alone. A viewer reads; an operator may also acknowledge and have BMCs checked again.\n",
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := api.ParseScope(scope)
			if err != nil {
				return fmt.Errorf("--scope: %w", err)
			}
			valid, err := parseDuration(last)
			if err != nil {
				return fmt.Errorf("--valid %q: want %s", last, wantDuration)
			}
			return createToken(cmd, *file, args[0], parsed, valid)
		},
	}
	cmd.Flags().StringVar(&scope, "scope", string(api.Viewer), "what its holder may do: viewer or operator")
	cmd.Flags().StringVar(&last, "valid", "90d", "for how long, such as 12h or 90d")
	return cmd
}

func createToken(cmd *cobra.Command, file, name string, scope api.Scope, valid time.Duration) error {
	known, err := api.ReadTokens(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if slices.ContainsFunc(known, func(t api.Token) bool { return t.Name == name }) {
		return fmt.Errorf("token %s: there is one of that name in %s; lamplighter token revoke removes it", name, file)
	}
	now := time.Now()
	token, err := api.CreateToken(file, name, scope, now, now.Add(valid))
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "the token of %s, a %s until %s; it is shown this once:\n", name, scope, clock(now.Add(valid)))
	_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
	return err
}

func listTokens(cmd *cobra.Command, file string) error {
	all, err := api.ReadTokens(file)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSCOPE\tCREATED\tEXPIRES\tNOTE")
	for _, t := range all {
		note := ""
		if !time.Now().Before(t.Expires) {
			note = "expired"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", t.Name, t.Scope, clock(t.Created), clock(t.Expires), note)
	}
	return table.Flush()
}

// revokeToken writes the file anew without the tokens of a name.
func revokeToken(cmd *cobra.Command, file, name string) error {
	all, err := api.ReadTokens(file)
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(all), func(t api.Token) bool { return t.Name == name })
	if len(kept) == len(all) {
		return fmt.Errorf("token %s: there is none of that name in %s", name, file)
	}
	var text bytes.Buffer
	for _, t := range kept {
		if err := json.NewEncoder(&text).Encode(t); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	if err := replaceFile(file, text.Bytes()); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: revoked\n", name)
	return err
}

// replaceFile puts a file, for its owner's eyes, in the place of another, whole or not at all. It belongs to whom the other did.
func replaceFile(path string, text []byte) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // mode 0600
	if err != nil {
		return err
	}
	_, err = fresh.Write(text)
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Getuid() == 0 {
		err = errors.Join(err, fresh.Chown(int(owner.Uid), int(owner.Gid)))
	}
	err = errors.Join(err, fresh.Sync(), fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
