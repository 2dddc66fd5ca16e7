package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/inventory"
)

const inventoryExitCodes = "\nExit codes: 0 done, 1 there are conflicts, or something is withheld, 2 usage, configuration or refused.\n"

// stock is what a host knows of an inventory.
type stock struct {
	inventory.Register
	Status inventory.Status
}

// inventoryCommand makes a subcommand that shows something.
func inventoryCommand(use, short, long string, show func(cmd *cobra.Command, s stock, format string) error) *cobra.Command {
	var config, format string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n" + long + inventoryExitCodes, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" && format != "csv" {
				return fmt.Errorf("--output %q: want table, json or csv", format)
			}
			c, err := inventoryConfig(config)
			if err != nil {
				return err
			}
			s, err := c.stock()
			if err != nil {
				return err
			}
			return show(cmd, s, format)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "configuration `file` of the process that syncs or follows")
	cmd.Flags().StringVarP(&format, "output", "o", "table", "`format`: table, json or csv")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

func inventoryConfig(path string) (Config, error) {
	c, err := loadConfig(path, func(c Config, bad func(key, want string)) { c.Validate(withoutSite(bad)) })
	if err == nil && c.Inventory != fromCMDB {
		err = fmt.Errorf("%s: inventory: want cmdb; a CSV file is its own list", path)
	}
	return c, err
}

// stock is what this host synced, or else what it was told.
func (c Config) stock() (s stock, err error) {
	s.Register, s.Status, err = inventory.ReadRegister(c.CMDB.State)
	if err == nil && s.Number == 0 && s.Status.Tried.IsZero() {
		s.Register, err = inventory.ReadFollowed(c.CMDB.State)
	}
	if err == nil && s.Number == 0 && s.Status.Tried.IsZero() {
		err = fmt.Errorf("%s: nobody has synced here yet, or been told of an inventory", c.CMDB.State)
	}
	return s, err
}

// heading says how old what follows is.
func (s stock) heading(w io.Writer) {
	fmt.Fprintf(w, "snapshot %d of %s, %d BMCs", s.Number, s.Made.Local().Format(time.DateTime), len(s.BMCs))
	if !s.Status.Synced.IsZero() {
		fmt.Fprintf(w, "; synced %s ago", time.Since(s.Status.Synced).Round(time.Second))
	}
	if s.Status.Of > 0 {
		fmt.Fprintf(w, ", read %d of %d records", s.Status.Read, s.Status.Of)
	}
	fmt.Fprintln(w)
	if s.Status.Error != "" {
		fmt.Fprintf(w, "the last sync failed %s ago: %s\n", time.Since(s.Status.Tried).Round(time.Second), s.Status.Error)
	}
	if s.Withheld != nil {
		fmt.Fprintf(w, "WITHHELD: %s\n", s.Withheld)
	}
}

// print prints rows, or value as JSON.
func printRows(w io.Writer, format string, header []string, rows [][]string, value any) error {
	switch format {
	case "json":
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(value)
	case "csv":
		out := csv.NewWriter(w)
		_ = out.Write(header) // the writer keeps its error for Error
		for _, row := range rows {
			for i := range row {
				row[i] = harmless(row[i])
			}
			_ = out.Write(row)
		}
		out.Flush()
		return out.Error()
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.ToUpper(strings.Join(header, "\t")))
	for _, row := range rows {
		for i := range row {
			row[i] = dash(row[i])
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// harmless keeps a spreadsheet from taking a cell for a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func newInventoryList() *cobra.Command {
	return inventoryCommand("list", "list the BMCs that are checked", "With -o csv it is an inventory as every command reads one.\n",
		func(cmd *cobra.Command, s stock, format string) error {
			if format == "csv" {
				return inventory.WriteCSV(cmd.OutOrStdout(), s.BMCs)
			}
			s.heading(cmd.ErrOrStderr())
			rows := make([][]string, len(s.BMCs))
			for i, b := range s.BMCs {
				since := ""
				if gone, missing := s.Missing[b.ID]; missing {
					since = gone.Local().Format(time.DateTime)
				}
				rows[i] = []string{string(b.ID), b.Address.String(), b.Site, b.Room, b.Rack, unit(b.Unit), b.Vendor, b.Model, string(b.Protocol), b.Login, since}
			}
			return printRows(cmd.OutOrStdout(), format, []string{"bmc", "address", "site", "room", "rack", "unit", "vendor", "model", "protocol", "login", "missing since"}, rows, s.BMCs)
		})
}

func newInventoryConflicts() *cobra.Command {
	return inventoryCommand("conflicts", "list what the sources contradict themselves in, or the site's rules",
		"Of a conflict that hinders, the record is not taken: the BMC keeps the record that it had, if it had one.\n",
		func(cmd *cobra.Command, s stock, format string) error {
			s.heading(cmd.ErrOrStderr())
			rows := make([][]string, len(s.Conflicts))
			for i, c := range s.Conflicts {
				hinders := "no"
				if c.Kind.Hinders() {
					hinders = "yes"
				}
				who := fmt.Sprintf("%d BMCs", len(c.BMCs))
				if len(c.BMCs) < 4 {
					who = strings.Trim(fmt.Sprint(c.BMCs), "[]")
				}
				rows[i] = []string{string(c.Kind), hinders, who, c.Text}
			}
			all := s.Conflicts
			if all == nil {
				all = []inventory.Conflict{}
			}
			if err := printRows(cmd.OutOrStdout(), format, []string{"conflict", "hinders", "bmcs", "what"}, rows, all); err != nil || len(all) == 0 {
				return err
			}
			return exitUnavailable
		})
}

// newInventoryDiff shows what would change if what is withheld were approved, and who is missing.
func newInventoryDiff() *cobra.Command {
	return inventoryCommand("diff", "show what is withheld, and who is missing", "It changes nothing. lamplighter inventory approve DIGEST has what is withheld be believed.\n",
		func(cmd *cobra.Command, s stock, format string) error {
			s.heading(cmd.ErrOrStderr())
			lines := s.Differences()
			rows := make([][]string, len(lines))
			for i, l := range lines {
				rows[i] = []string{l.Change, string(l.BMC), l.Was, l.Is}
			}
			if err := printRows(cmd.OutOrStdout(), format, []string{"change", "bmc", "was", "is"}, rows, lines); err != nil || s.Withheld == nil {
				return err
			}
			return exitUnavailable
		})
}
