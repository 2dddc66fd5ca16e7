package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// options are the flags that check and sweep share.
type options struct {
	inventory, keyring string
	trust, caFile      string
	memory, ways       string
	anchors, timeouts  []string
	logLevel           string
	login              inventory.LoginPath
}

func (o *options) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.inventory, "inventory", "", "CSV `file` with the BMCs")
	f.StringVar(&o.keyring, "keyring", "", "keyring: YAML file, directory, vault:FILE, or env")
	f.Func("login", "`path` of the credential of a BMC whose record names none, such as racks/{site}/{rack}; default \"default\"", func(text string) (err error) {
		o.login, err = inventory.ParseLoginPath(text)
		return err
	})
	f.StringVar(&o.trust, "trust", "ca", "`policy` where the inventory says nothing: ca, pin:HEX, tofu or insecure")
	f.StringVar(&o.caFile, "ca", "", "PEM `file` with the authorities of trust ca; the system's when empty")
	f.StringVar(&o.memory, "memory", "", "site memory `file`, or none; default lamplighter/memory in the state directory")
	f.StringVar(&o.ways, "ping", "icmp,tcp,rmcp", "`ways` in which ping asks")
	f.StringSliceVar(&o.anchors, "anchor", nil, "`address` of a gateway or switch that proves that we see the network; may be repeated")
	f.StringArrayVar(&o.timeouts, "timeout", nil, "`check=duration`, for example redfish-login=60s; may be repeated")
	f.StringVar(&o.logLevel, "log", "warn", "log `level` on stderr: debug, info, warn or error")
}

// settings checks the flags that the checks are set up by.
func (o *options) settings() (checks.Settings, error) {
	s := checks.DefaultSettings()
	var errTrust, errWays, errCA error
	s.Trust, errTrust = inventory.ParseTrust(o.trust)
	s.Ways, errWays = parseWays(o.ways)
	s.Roots, errCA = loadRoots(o.caFile)
	return s, errors.Join(prefix("--trust", errTrust), prefix("--ping", errWays), prefix("--ca", errCA))
}

// parseWays reads ways separated by commas.
func parseWays(text string) (ways []checks.Way, err error) {
	for word := range strings.SplitSeq(text, ",") {
		way, err := parseWay(strings.TrimSpace(word))
		if err != nil {
			return nil, fmt.Errorf("%q: want a list of icmp, tcp, rmcp", text)
		}
		ways = append(ways, way)
	}
	return ways, nil
}

func prefix(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// loadRoots reads PEM certificates; an empty path means the system's authorities.
func loadRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", path)
	}
	return pool, nil
}

// chain is the default chain with the timeouts that were set.
func (o *options) chain() (checks.Chain, error) {
	chain := checks.Default()
	for _, setting := range o.timeouts {
		name, text, _ := strings.Cut(setting, "=")
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout <= 0 {
			return nil, fmt.Errorf("--timeout %q: want check=duration, for example tls=20s", setting)
		}
		if !setTimeout(chain, checks.Name(name), timeout) {
			return nil, fmt.Errorf("--timeout %q: no such check; want one of %s", setting, checkNames(chain))
		}
	}
	return chain, nil
}

func setTimeout(chain checks.Chain, name checks.Name, timeout time.Duration) bool {
	for i := range chain {
		if chain[i].Name == name {
			chain[i].Timeout = timeout
			return true
		}
	}
	return false
}

func checkNames(chain checks.Chain) string {
	names := make([]string, len(chain))
	for i, check := range chain {
		names[i] = string(check.Name)
	}
	return strings.Join(names, ", ")
}

func (o *options) anchorAddrs() ([]netip.Addr, error) {
	var anchors []netip.Addr
	for _, text := range o.anchors {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("--anchor %q: want an IP address", text)
		}
		anchors = append(anchors, addr)
	}
	return anchors, nil
}

// memoryPath is the site memory's file, "" for none. Where no state directory is known it says so and keeps nothing.
func (o *options) memoryPath(stderr io.Writer) string {
	switch o.memory {
	case "none":
		return ""
	case "":
	default:
		return o.memory
	}
	state := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); state == "" && err == nil {
		state = filepath.Join(home, ".local", "state")
	}
	if state == "" {
		fmt.Fprintln(stderr, "lamplighter: no home directory, so nothing is remembered: name a file with --memory")
		return ""
	}
	return filepath.Join(state, "lamplighter", "memory")
}

// readInventory reads the list of BMCs. An empty one is a mistake: nothing would look like health.
func readInventory(ctx context.Context, path string, logins inventory.LoginPath) ([]inventory.BMC, error) {
	bmcs, err := inventory.CSV{Path: path}.Read(ctx)
	for i := range bmcs {
		logins.Complete(&bmcs[i])
	}
	if err == nil && len(bmcs) == 0 {
		return nil, fmt.Errorf("read inventory: %s has a header line and no BMC", path)
	}
	return bmcs, err
}
