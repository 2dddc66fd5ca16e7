package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"lamplighter/checks"
	"lamplighter/inventory"
)

const (
	// mostKnocks is how many addresses one discover asks at most.
	mostKnocks = 1 << 16
	// knockTime is how long an address has to answer, knocksAtOnce how many are asked at a time.
	knockTime    = 3 * time.Second
	knocksAtOnce = 256
)

// discovery compares what answers in a network with the inventory.
type discovery struct {
	network  netip.Prefix
	perSec   int
	web, ipm uint16 // ports of addresses that the inventory does not have
	wires    *checks.Wires
	listed   map[netip.Addr][]inventory.BMC
	stderr   io.Writer
}

// finding is an address where network and inventory differ.
type finding struct {
	Finding string       `json:"finding"` // unlisted: answers and is not in the inventory; silent: is in it and does not answer
	Address netip.Addr   `json:"address"`
	BMC     inventory.ID `json:"bmc,omitempty"`
	Speaks  []string     `json:"speaks"`
	Vendor  string       `json:"vendor,omitempty"`
	Product string       `json:"product,omitempty"`
	Version string       `json:"redfish_version,omitempty"`
}

func newInventoryDiscover() *cobra.Command {
	var config, network, format string
	d := discovery{}
	cmd := &cobra.Command{
		Use: "discover", Short: "compare what answers in a network with the inventory", Args: cobra.NoArgs,
		Long: `Asks every address of a network for its Redfish service root and its IPMI capabilities, without ever logging in, and lists those that
answer and are not in the inventory (unlisted), and those that are in the inventory and do not answer (silent). The network has to lie
in targets.networks of the configuration, and has at most 65,536 addresses.

Exit codes: 0 network and inventory agree, 1 they do not, 2 usage or configuration.
`,
		Example: "  lamplighter inventory discover --config lamplighter.yaml --network 10.4.0.0/20",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if format != "table" && format != "json" && format != "csv" {
				return fmt.Errorf("--output %q: want table, json or csv", format)
			}
			if d.network, err = parseNetwork(network); err != nil {
				return fmt.Errorf("--network %q: want a network such as 10.4.0.0/20", network)
			}
			if d.perSec < 1 {
				return fmt.Errorf("--rate %d: want how many addresses are asked a second, at least 1", d.perSec)
			}
			c, err := loadConfig(config, func(c Config, bad func(key, want string)) { c.Validate(withoutSite(bad)) })
			if err != nil {
				return err
			}
			d.stderr = cmd.ErrOrStderr()
			found, err := c.discover(cmd.Context(), d)
			if err != nil {
				return err
			}
			rows := make([][]string, len(found))
			for i, f := range found {
				rows[i] = []string{f.Finding, f.Address.String(), string(f.BMC), strings.Join(f.Speaks, " "), f.Vendor, f.Product, f.Version}
			}
			if err := printRows(cmd.OutOrStdout(), format, []string{"finding", "address", "bmc", "speaks", "vendor", "product", "redfish"}, rows, found); err != nil || len(found) == 0 {
				return err
			}
			return exitUnavailable
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config, "config", "", "configuration `file`, which names the inventory and the networks that may be asked")
	flags.StringVar(&network, "network", "", "`network` to ask, such as 10.4.0.0/20")
	flags.IntVar(&d.perSec, "rate", 100, "how many addresses are asked a second")
	flags.Uint16Var(&d.web, "redfish-port", inventory.DefaultRedfishPort, "TCP port of what the inventory does not have")
	flags.Uint16Var(&d.ipm, "rmcp-port", inventory.DefaultRMCPPort, "UDP port of what the inventory does not have")
	flags.StringVarP(&format, "output", "o", "table", "`format`: table, json or csv")
	_ = cmd.MarkFlagRequired("config")
	_ = cmd.MarkFlagRequired("network")
	return cmd
}

// discover asks a network; what comes first in it comes first.
func (c Config) discover(ctx context.Context, d discovery) ([]finding, error) {
	bmcs, err := c.fleet(ctx)
	if err != nil {
		return nil, err
	}
	_, targets := c.bounds(ctx, newLog(c.Log, d.stderr))
	all, err := addresses(d.network)
	if err != nil {
		return nil, err
	}
	if err := within(d.network, targets); err != nil {
		return nil, err
	}
	settings := checks.DefaultSettings()
	settings.Targets = targets
	if d.wires, err = checks.OpenWires(settings); err != nil {
		return nil, err
	}
	d.listed = map[netip.Addr][]inventory.BMC{}
	for _, b := range bmcs {
		d.listed[b.Address] = append(d.listed[b.Address], b)
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving errgroup.Group
	serving.Go(func() error { return d.wires.Run(ctx) })
	found, err := d.ask(ctx, all)
	cancel()
	return found, errors.Join(err, serving.Wait())
}

// addresses are those of a network that a host can have.
func addresses(network netip.Prefix) ([]netip.Addr, error) {
	if bits := network.Addr().BitLen() - network.Bits(); bits > 16 {
		return nil, fmt.Errorf("--network %s: want at most %d addresses", network, mostKnocks)
	}
	var all []netip.Addr
	for a := network.Addr(); network.Contains(a); a = a.Next() {
		all = append(all, a)
	}
	if network.Addr().Is4() && len(all) > 2 {
		all = all[1 : len(all)-1] // the network's own, and broadcast
	}
	return all, nil
}

// within says what keeps a network from being asked as a whole.
func within(network netip.Prefix, targets *inventory.Targets) error {
	if targets.Loopback && network.Addr().IsLoopback() {
		return nil
	}
	if !slices.ContainsFunc(targets.Networks, func(p netip.Prefix) bool { return p.Bits() <= network.Bits() && p.Contains(network.Addr()) }) {
		return fmt.Errorf("--network %s: %w: it does not lie in targets.networks", network, inventory.ErrForbidden)
	}
	return nil
}

// ask asks all addresses at the pace that is wanted, and says every ten seconds how far it is.
func (d discovery) ask(ctx context.Context, all []netip.Addr) ([]finding, error) {
	pace := rate.NewLimiter(rate.Limit(d.perSec), 1)
	var mu sync.Mutex
	asked, answers := 0, 0
	found := []finding{}
	defer every(10*time.Second, func() {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(d.stderr, "%d of %d addresses asked, %d answer\n", asked, len(all), answers)
	})()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(knocksAtOnce)
	for _, address := range all {
		if err := pace.Wait(ctx); err != nil {
			break
		}
		group.Go(func() error {
			more, n, err := d.at(ctx, address)
			mu.Lock()
			defer mu.Unlock()
			asked, answers, found = asked+1, answers+n, append(found, more...)
			return err
		})
	}
	err := group.Wait()
	if err == nil && ctx.Err() != nil && asked < len(all) {
		err = context.Cause(ctx)
	}
	slices.SortStableFunc(found, func(a, b finding) int { return a.Address.Compare(b.Address) })
	fmt.Fprintf(d.stderr, "%d of %d addresses asked, %d answer\n", asked, len(all), answers)
	return found, err
}

// at asks one address: each BMC that the inventory has there at its own ports, or whoever is there at the usual ones.
func (d discovery) at(ctx context.Context, address netip.Addr) (found []finding, answers int, err error) {
	bmcs := d.listed[address]
	if len(bmcs) == 0 {
		stranger := inventory.BMC{ID: inventory.ID(address.String()), Address: address, Protocol: inventory.Auto, Port: d.web}
		if d.ipm != inventory.DefaultRMCPPort {
			stranger.Labels = map[string]string{inventory.RMCPPortLabel: fmt.Sprint(d.ipm)}
		}
		s, err := d.knock(ctx, stranger)
		if err != nil || !s.Answers() {
			return nil, 0, notBroker(err)
		}
		return []finding{{Finding: "unlisted", Address: address, Speaks: speaks(s), Vendor: s.Vendor, Product: s.Product, Version: s.Version}}, 1, nil
	}
	for _, bmc := range bmcs {
		s, err := d.knock(ctx, bmc)
		if err != nil {
			return found, answers, err
		}
		if s.Answers() {
			answers++
			continue
		}
		found = append(found, finding{Finding: "silent", Address: address, BMC: bmc.ID, Speaks: []string{}})
	}
	return found, answers, nil
}

func (d discovery) knock(ctx context.Context, bmc inventory.BMC) (checks.Stranger, error) {
	asking, cancel := context.WithTimeout(ctx, knockTime)
	defer cancel()
	s, err := d.wires.Knock(asking, bmc)
	if err == nil {
		err = context.Cause(ctx)
	}
	return s, err
}

// notBroker lets addresses within the network that must not be asked, such as our own brokers', be passed over.
func notBroker(err error) error {
	if errors.Is(err, inventory.ErrForbidden) {
		return nil
	}
	return err
}

func speaks(s checks.Stranger) []string {
	all := []string{}
	if s.Redfish {
		all = append(all, "redfish")
	}
	if s.IPMI {
		all = append(all, "ipmi")
	}
	return all
}

// every does something now and then until stop is called.
func every(d time.Duration, do func()) (stop func()) {
	ended := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do()
			case <-ended:
				return
			}
		}
	})
	return func() { close(ended); group.Wait() }
}
