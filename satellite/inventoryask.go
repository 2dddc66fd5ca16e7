package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/inventory"
)

// syncFor is how long a command waits for the process that syncs.
const syncFor = 11 * time.Minute

func newInventorySync() *cobra.Command {
	return inventoryRequest("sync", "ask the sources now, and say what changed", cobra.NoArgs,
		"It asks the process that syncs on this host; where none runs, it syncs by itself.\n", func([]string) inventory.Request { return inventory.Request{} })
}

func newInventoryApprove() *cobra.Command {
	return inventoryRequest("approve DIGEST", "have what is withheld be believed: the BMCs that are missing go at once", cobra.ExactArgs(1),
		"lamplighter inventory diff shows what that is, and its digest.\n", func(args []string) inventory.Request { return inventory.Request{Approve: args[0]} })
}

// inventoryRequest makes a subcommand that has something done.
func inventoryRequest(use, short string, args cobra.PositionalArgs, long string, request func(args []string) inventory.Request) *cobra.Command {
	var config string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n" + long + "\nExit codes: 0 done, 2 usage, configuration or refused, 4 the sources or who syncs did not answer.\n", Args: args,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(config, Config.validateInventory)
			if err != nil {
				return err
			}
			r := request(args)
			r.Who = who()
			text, err := c.request(cmd.Context(), r, cmd.ErrOrStderr())
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			}
			return siteError(cmd.Context(), cmd.ErrOrStderr(), err)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file` of the process that syncs")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// request has the process that syncs here do something; where none runs this one does it.
func (c Config) request(ctx context.Context, r inventory.Request, stderr io.Writer) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, syncFor)
	defer cancel()
	if _, err := os.Stat(c.CMDB.State); err != nil && r.Approve != "" {
		return "", fmt.Errorf("cmdb.state: %w", err)
	}
	keyring, err := inventory.OpenKeyring(c.Keyring)
	if err != nil {
		return "", err
	}
	log := newLog(Log{Level: max(c.Log.Level, slog.LevelWarn), Format: c.Log.Format}, stderr)
	_, targets := c.bounds(ctx, log)
	syncing, _, err := c.openSyncing(keyring, targets, listeners{}, slog.New(slog.DiscardHandler))
	if errors.Is(err, inventory.ErrBusy) {
		text, err := inventory.Ask(ctx, c.CMDB.State, r)
		if err != nil && r.Approve == "" {
			return "", unanswered{err}
		}
		return text, err
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = syncing.Close() }()
	text, err := syncing.Do(ctx, r)
	switch {
	case err == nil:
		r.ID = rand.Text()
		return text, c.writeDown(c.actOf(r))
	case r.Approve == "":
		return "", unanswered{err}
	}
	return "", err
}
