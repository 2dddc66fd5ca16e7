package inventory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// Targets are where BMCs may be. It is the boundary that no inventory can move: without it whoever may write to the CMDB could have a
// satellite knock at any door that it reaches.
type Targets struct {
	Networks []netip.Prefix
	Ports    []uint16 // TCP and UDP
	// Loopback allows 127.0.0.0/8 and ::1, at any port, for simulated BMCs.
	Loopback bool
	// Own says whether an address is one of our own brokers; nil: none is.
	Own func(netip.AddrPort) bool
}

// DefaultTargets are private networks, and the ports of Redfish and IPMI.
func DefaultTargets() Targets {
	return Targets{
		Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
			netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7")},
		Ports: []uint16{DefaultRedfishPort, DefaultRMCPPort},
	}
}

// never are networks in which no BMC is, whatever the list says. Link-local ones have the metadata services of clouds; those of the
// second line are IPv4 addresses in another dress, which some networks translate; the rest are metadata services elsewhere.
var never = []struct {
	network netip.Prefix
	what    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host"}, {netip.MustParsePrefix("::/128"), "this host"},
	{netip.MustParsePrefix("::/96"), "an IPv4 address in IPv6"}, {netip.MustParsePrefix("::ffff:0:0:0/96"), "an IPv4 address in IPv6"},
	{netip.MustParsePrefix("64:ff9b::/96"), "an IPv4 address in IPv6"}, {netip.MustParsePrefix("64:ff9b:1::/48"), "an IPv4 address in IPv6"},
	{netip.MustParsePrefix("2002::/16"), "an IPv4 address in IPv6"}, {netip.MustParsePrefix("2001::/32"), "an IPv4 address in IPv6"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"}, {netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"}, {netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
	{netip.MustParsePrefix("fd00:ec2::254/128"), "a metadata service"}, {netip.MustParsePrefix("fd20:ce::254/128"), "a metadata service"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a metadata service"}, {netip.MustParsePrefix("100.100.100.200/32"), "a metadata service"},
	{netip.MustParsePrefix("192.0.0.192/32"), "a metadata service"},
}

// ErrForbidden is wrapped by what Targets say of an address to which nothing may be sent.
var ErrForbidden = errors.New("not allowed")

// Allow says why a BMC may not be where its record says; nil: it may. A nil Targets allows all.
func (t *Targets) Allow(b BMC) error {
	if t == nil || !b.Address.IsValid() {
		return nil
	}
	var ports []uint16
	if b.Protocol != IPMI {
		ports = append(ports, b.RedfishPort())
	}
	if b.Protocol != Redfish || b.Labels[RMCPPortLabel] != "" {
		ports = append(ports, b.RMCPPort())
	}
	for _, port := range ports {
		if err := t.Dial(netip.AddrPortFrom(b.Address, port)); err != nil {
			return fmt.Errorf("%s at %w", b.ID, err)
		}
	}
	return nil
}

// Dial says why nothing may be sent to an address; nil: it may. Port 0 stands for a protocol that has none. A nil Targets allows all.
func (t *Targets) Dial(to netip.AddrPort) error {
	if t == nil {
		return nil
	}
	if wrong := t.wrong(to); wrong != "" {
		return fmt.Errorf("%s: %w: %s", to, ErrForbidden, wrong)
	}
	return nil
}

// Control is for a net.Dialer: it sees the address that is dialled, whatever name was resolved to it.
func (t *Targets) Control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil && t != nil {
		return fmt.Errorf("%s: %w: no address and port", address, ErrForbidden)
	}
	return t.Dial(to)
}

// wrong says why nothing may be sent to an address.
func (t *Targets) wrong(to netip.AddrPort) string {
	addr := to.Addr().WithZone("").Unmap()
	if t.Own != nil && t.Own(netip.AddrPortFrom(addr, to.Port())) {
		return "this is one of our own brokers"
	}
	if addr.IsLoopback() {
		if t.Loopback {
			return ""
		}
		return "loopback is for simulated BMCs; targets.loopback: true allows it"
	}
	for _, n := range never {
		if n.network.Contains(addr) {
			return "no BMC is there: " + n.what
		}
	}
	if !slices.ContainsFunc(t.Networks, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return "outside of targets.networks (" + t.networks() + ")"
	}
	if to.Port() != 0 && !slices.Contains(t.Ports, to.Port()) {
		return fmt.Sprintf("the port is not in targets.ports %v", t.Ports)
	}
	return ""
}

func (t *Targets) networks() string {
	names := make([]string, len(t.Networks))
	for i, p := range t.Networks {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}
