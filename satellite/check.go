package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/run"
	"lamplighter/satellite/schedule"
)

// checkOptions are the flags of check.
type checkOptions struct {
	options
	protocol, username, passwordFile string
	port                             uint16
	json                             bool
}

func newCheck() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check ADDRESS|ID",
		Short: "check one BMC now, step by step",
		Long: `Runs one round over one BMC and prints each check with its duration, what it found, whose job it is and what to do next.
The BMC is looked up in the inventory by ID, then by address; without an inventory the argument is the address.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("check: want the address or ID of one BMC, got %q", args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runCheck(cmd, o, args[0]) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.protocol, "protocol", "", "redfish, ipmi or auto; default the inventory's, else auto")
	f.Uint16Var(&o.port, "port", 0, "TCP port of Redfish, UDP port of IPMI; default the inventory's, else 443 and 623")
	f.StringVar(&o.username, "username", "", "log in as this user instead of with the keyring")
	f.StringVar(&o.passwordFile, "password-file", "", "`file` (mode 0600) with the password of --username")
	f.BoolVar(&o.json, "json", false, "print the verdict as JSON")
	return cmd
}

func runCheck(cmd *cobra.Command, o checkOptions, target string) error {
	ctx := cmd.Context()
	fleet, bmc, err := o.find(ctx, target)
	if err != nil {
		return err
	}
	keyring, err := o.openKeyring()
	if err != nil {
		return err
	}
	if o.username == "" {
		if err := checkLogins(ctx, keyring, []inventory.BMC{bmc}); err != nil {
			return err
		}
	}
	tour, err := o.tour(fleet, keyring, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer tour.close()
	tour.config.Typed = o.username != ""
	stdout := &firstError{w: cmd.OutOrStdout()}
	out := steps{stdout}
	if !o.json {
		out.start(bmc, tour.settings.Trust)
		tour.config.Observe = func(_ checks.Round, r checks.Result) { out.result(r) }
	}
	var health checks.Health
	var linger *time.Timer
	tour.config.Sink = results.Func(func(_ context.Context, v results.Verdict) error { // at once: a logout may take longer
		health = v.Health
		if o.json {
			_ = json.NewEncoder(stdout).Encode(v) // stdout keeps the error
		} else {
			out.verdict(v)
		}
		linger = sayWhyItLingers(cmd.ErrOrStderr())
		return nil
	})
	err = tour.run(ctx, func(ctx context.Context, s *run.Satellite) error {
		_, err := s.Check(ctx, bmc, checks.Person)
		return err
	})
	if linger != nil {
		linger.Stop()
	}
	if missing := new(schedule.Missing); errors.As(err, &missing) && ctx.Err() != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "interrupted: no verdict")
		return exitInterrupted
	}
	switch {
	case err != nil:
		return err
	case stdout.err != nil:
		return fmt.Errorf("print the verdict: %w", stdout.err)
	case ctx.Err() != nil: // the round was finished all the same
		return exitInterrupted
	}
	return exitFor(map[checks.Health]int{health: 1})
}

// sayWhyItLingers says after a second why the process goes on although the verdict is out (decision 11).
func sayWhyItLingers(stderr io.Writer) *time.Timer {
	return time.AfterFunc(time.Second, func() {
		fmt.Fprintln(stderr, "the login was not answered in time; waiting up to 30 s for a late answer, so that its session can be logged out")
	})
}

// firstError writes until a write fails, and keeps that error.
type firstError struct {
	w   io.Writer
	err error
}

func (f *firstError) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.w.Write(p)
	f.err = err
	return n, err
}

// find is the BMC that is meant, and the fleet that it belongs to: with others in it, a failure can be told from our own
// blindness.
func (o *checkOptions) find(ctx context.Context, target string) ([]inventory.BMC, inventory.BMC, error) {
	var fleet []inventory.BMC
	if o.inventory != "" {
		var err error
		if fleet, err = readInventory(ctx, o.inventory, o.login); err != nil {
			return nil, inventory.BMC{}, err
		}
	}
	var set inventory.Fleet
	_, _ = set.Set(fleet)
	bmc, ok := set.Find(target)
	if !ok {
		var err error
		if bmc, err = o.unlisted(ctx, target); err != nil {
			return nil, bmc, err
		}
		fleet = append(fleet, bmc)
	}
	if err := o.override(&bmc); err != nil {
		return nil, bmc, err
	}
	for i := range fleet {
		if fleet[i].ID == bmc.ID {
			fleet[i] = bmc
		}
	}
	return fleet, bmc, nil
}

// unlisted is a BMC that is known by its address only.
func (o *checkOptions) unlisted(ctx context.Context, target string) (inventory.BMC, error) {
	addr, err := netip.ParseAddr(target)
	if err != nil && o.inventory != "" {
		return inventory.BMC{}, fmt.Errorf("%s: neither an ID nor an address in %s", target, o.inventory)
	}
	if err != nil {
		if addr, err = resolve(ctx, target); err != nil {
			return inventory.BMC{}, err
		}
	}
	bmc := inventory.BMC{ID: inventory.ID(addr.String()), Address: addr.Unmap(), Protocol: inventory.Auto, Login: inventory.DefaultLogin}
	if target != addr.String() {
		bmc.Labels = map[string]string{"hostname": target}
	}
	return bmc, nil
}

// resolve asks the name server once, here: in a round its fault would look like the BMC's.
func resolve(ctx context.Context, name string) (netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%s is no IP address, and without --inventory no ID; looking it up as a name: %w", name, err)
	}
	return addrs[0].Unmap(), nil
}

func (o *checkOptions) override(bmc *inventory.BMC) error {
	if o.protocol != "" {
		protocol, err := inventory.ParseProtocol(o.protocol)
		if err != nil {
			return prefix("--protocol", err)
		}
		bmc.Protocol = protocol
	}
	if o.port != 0 {
		bmc.Port = o.port
	}
	return nil
}

// openKeyring is the typed credential, else the keyring, else one that knows no credential.
func (o *checkOptions) openKeyring() (inventory.Keyring, error) {
	switch {
	case o.username != "" && o.passwordFile == "":
		return nil, errors.New("--username needs --password-file")
	case o.username == "" && o.passwordFile != "":
		return nil, errors.New("--password-file needs --username")
	case o.username != "":
		keyring, err := oneCredential(o.username, o.passwordFile)
		return keyring, prefix("--password-file", err)
	}
	return openKeyring(o.keyring)
}

// checkLogins says which credentials of the inventory the keyring does not know, before anything is checked.
func checkLogins(ctx context.Context, keyring inventory.Keyring, bmcs []inventory.BMC) error {
	if _, none := keyring.(noKeyring); none {
		return nil
	}
	return prefix("credentials that the inventory asks for (login; empty: default)", inventory.CheckNames(ctx, keyring, inventory.Logins(bmcs)))
}

func openKeyring(spec string) (inventory.Keyring, error) {
	if strings.TrimSpace(spec) == "" {
		return noKeyring{}, nil
	}
	return inventory.OpenKeyring(spec)
}

// noKeyring is for a check without any credential: everything before the login is asked.
type noKeyring struct{}

func (noKeyring) Credentials(context.Context, string) (inventory.Credentials, error) {
	return inventory.Credentials{}, fmt.Errorf("%w: name a keyring with --keyring, or --username and --password-file", inventory.ErrNoCredential)
}
