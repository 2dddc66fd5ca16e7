package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// simOptions are the flags of sim.
type simOptions struct {
	bmcs                   int
	ipmi, auto, multi, off float64
	seed                   uint64
	trust                  string
	shared                 bool
	port, rmcpPort         uint16
	faults, write, output  string
	duration               time.Duration
}

func newSim() *cobra.Command {
	var o simOptions
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "simulate a fleet of BMCs on 127.x addresses",
		Long: `Simulates BMCs (Redfish over TLS, IPMI 2.0) on loopback addresses, writes an inventory, a keyring and a CA for them, counts
what reaches them and prints the counters when it ends (and on SIGUSR1). Faults come from a script:

  - bmcs: "sim1-0*"        # IDs: a glob, or a list of them; or site:, row:, rack:, vendor:, share: 10%
    fault: dead            # lamplighter sim faults lists them
    from: 10s              # since the start; both may be left out
    to: 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSim(cmd.Context(), cmd, o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.bmcs, "bmcs", 100, "how many BMCs")
	f.Float64Var(&o.ipmi, "ipmi", 0.3, "share of BMCs, from 0 to 1, that speak IPMI; the others speak Redfish")
	f.Float64Var(&o.auto, "auto", 0, "share of BMCs whose record says protocol auto")
	f.Float64Var(&o.multi, "multi", 0, "share of Redfish BMCs with four systems")
	f.Float64Var(&o.off, "off", 0.1, "share of servers that are powered off")
	f.Uint64Var(&o.seed, "seed", 0, "the same seed gives the same addresses, passwords and keys; 0: another one each time")
	f.BoolVar(&o.shared, "shared", false, "one credential for all machines of a vendor at a site, instead of one for each")
	f.StringVar(&o.trust, "trust", "", "`policy` written into the inventory: ca, pin, tofu or insecure; empty: left to the command")
	f.Uint16Var(&o.port, "port", 0, "TCP port of Redfish; 0: a free one")
	f.Uint16Var(&o.rmcpPort, "rmcp-port", 0, "UDP port of RMCP; 0: a free one")
	f.StringVar(&o.faults, "faults", "", "fault script `file`")
	f.StringVar(&o.write, "write", ".", "`directory` for inventory.csv, keyring.yaml and ca.pem")
	f.StringVarP(&o.output, "output", "o", "table", "how counters are printed: table, or json with each BMC")
	f.DurationVar(&o.duration, "for", 0, "end by itself after this time; 0: on Ctrl-C or SIGTERM")
	cmd.AddCommand(newSimFaults())
	return cmd
}

func newSimFaults() *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "list the faults that a script can plant, and how a checker should name each",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "FAULT\tPROTOCOL\tCHECK\tREASON\tONLY UNDER TRUST\tMEANING")
			for _, f := range bmcsim.Faults {
				protocol := string(f.Protocol)
				if f.Protocol == inventory.Auto {
					protocol = "both"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, protocol, dash(f.Check), dash(f.Reason), dash(f.Trust), f.Meaning)
			}
			return table.Flush()
		},
	}
}

func runSim(ctx context.Context, cmd *cobra.Command, o simOptions) error {
	if o.output != "table" && o.output != "json" {
		return fmt.Errorf("--output %q: want table or json", o.output)
	}
	plan, err := o.plan()
	if err != nil {
		return err
	}
	fleet, err := bmcsim.NewFleet(plan)
	if err != nil {
		return err
	}
	if err := fleet.Listen(int(o.port), int(o.rmcpPort)); err != nil {
		return err
	}
	if err := fleet.WriteFiles(o.write); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), `simulating %d BMCs (seed %d); check them with
  lamplighter sweep --inventory %s --keyring %s --ca %s
`, len(fleet.BMCs()), plan.Seed, filepath.Join(o.write, "inventory.csv"), filepath.Join(o.write, "keyring.yaml"), filepath.Join(o.write, "ca.pem"))
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	stopPrinting := printOnSignal(cmd.OutOrStdout(), fleet, o.output)
	err = fleet.Run(ctx)
	stopPrinting()
	return errors.Join(err, printCounters(cmd.OutOrStdout(), fleet.Counters(), o.output))
}

func (o simOptions) plan() (bmcsim.Plan, error) {
	plan := bmcsim.One(o.bmcs, o.ipmi)
	plan.Auto, plan.Multi, plan.Off, plan.Seed = o.auto, o.multi, o.off, o.seed
	plan.Shared = o.shared
	if plan.Seed == 0 {
		plan.Seed = uint64(rand.Uint32())
	}
	switch mode := inventory.TrustMode(o.trust); mode {
	case "", inventory.TrustCA, inventory.TrustPin, inventory.TrustTOFU, inventory.TrustInsecure:
		plan.Trust = mode
	default:
		return plan, fmt.Errorf("--trust %q: want ca, pin, tofu or insecure", o.trust)
	}
	if o.faults == "" {
		return plan, nil
	}
	file, err := os.Open(o.faults)
	if err != nil {
		return plan, err
	}
	defer file.Close()
	plan.Script, err = bmcsim.LoadScript(file)
	return plan, prefix(o.faults, err)
}

// printOnSignal prints the counters on each SIGUSR1 until the returned function is called, which waits.
func printOnSignal(w io.Writer, fleet *bmcsim.Fleet, format string) (stop func()) {
	asked, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		defer close(done)
		for range asked {
			_ = printCounters(w, fleet.Counters(), format)
		}
	}()
	return func() {
		signal.Stop(asked)
		close(asked)
		<-done
	}
}

func printCounters(w io.Writer, c bmcsim.Counters, format string) error {
	if format == "json" {
		return json.NewEncoder(w).Encode(c)
	}
	_, err := io.WriteString(w, c.String())
	return err
}
