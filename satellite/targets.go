package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"lamplighter/inventory"
)

// Targets is where BMCs may be.
type Targets struct {
	Networks []netip.Prefix
	Ports    []uint16
	Loopback bool
}

func defaultTargets() Targets {
	t := inventory.DefaultTargets()
	return Targets{Networks: t.Networks, Ports: t.Ports}
}

func (t *Targets) settings() []setting {
	return []setting{
		listed("targets.networks", &t.Networks, "a list of networks such as 10.0.0.0/8, each once", parseNetwork),
		listed("targets.ports", &t.Ports, "a list of ports from 1 to 65535, each once", parsePort),
		parsed("targets.loopback", &t.Loopback, "true or false", parseBool),
	}
}

func parseNetwork(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err == nil && p != p.Masked() {
		err = errWanted // 10.1.2.3/8 is a mistake in either part
	}
	return p, err
}

func parsePort(s string) (uint16, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err == nil && port == 0 {
		err = errWanted
	}
	return uint16(port), err
}

func (t Targets) validate(require func(ok bool, key, want string)) {
	require(len(t.Networks) > 0 || t.Loopback, "targets.networks", "want at least one network, or targets.loopback: true")
	require(len(t.Ports) > 0, "targets.ports", "want at least one port")
}

// bounds are the targets of a process, which knows our own brokers' addresses.
type bounds struct {
	brokers []string // host:port
	log     *slog.Logger
	own     atomic.Pointer[[]netip.AddrPort]
}

// resolveEvery is how often the brokers' names are looked up.
const resolveEvery = 10 * time.Minute

// bounds looks up where our brokers are; run keeps that current.
func (c Config) bounds(ctx context.Context, log *slog.Logger) (*bounds, *inventory.Targets) {
	b := &bounds{brokers: slices.Clone(c.Kafka.Brokers), log: log}
	for _, text := range c.RabbitMQ.URLs {
		if u, err := url.Parse(text); err == nil { // it was validated
			port := u.Port()
			if port == "" {
				port = map[string]string{"amqp": "5672", "amqps": "5671"}[u.Scheme]
			}
			b.brokers = append(b.brokers, net.JoinHostPort(u.Hostname(), port))
		}
	}
	b.own.Store(&[]netip.AddrPort{})
	b.resolve(ctx)
	return b, &inventory.Targets{Networks: c.Targets.Networks, Ports: c.Targets.Ports, Loopback: c.Targets.Loopback, Own: b.isOwn}
}

// resolve looks all brokers up; one that cannot be just now keeps the addresses that are known of all.
func (b *bounds) resolve(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var found []netip.AddrPort
	var errs []error
	for _, broker := range b.brokers {
		host, text, _ := net.SplitHostPort(broker)
		port, _ := parsePort(text)
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		errs = append(errs, err)
		for _, addr := range addrs {
			found = append(found, netip.AddrPortFrom(addr.Unmap().WithZone(""), port))
		}
	}
	if err := errors.Join(errs...); err != nil {
		if ctx.Err() == nil || len(b.brokers) > 0 {
			b.log.Warn("where our own brokers are cannot be looked up; what is known of it holds", "error", err)
		}
		found = append(found, *b.own.Load()...)
	}
	b.own.Store(&found)
}

// isOwn says whether an address is a broker's. On loopback, where the simulator is, too, the port has to be the broker's.
func (b *bounds) isOwn(to netip.AddrPort) bool {
	return slices.ContainsFunc(*b.own.Load(), func(own netip.AddrPort) bool {
		return own.Addr() == to.Addr() && (!to.Addr().IsLoopback() || own.Port() == to.Port())
	})
}

func (b *bounds) run(ctx context.Context) error {
	tick := time.NewTicker(resolveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.resolve(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// outside says which BMCs of a list that a person wrote are where none may be.
func outside(targets *inventory.Targets, bmcs []inventory.BMC) error {
	const shown = 10
	var errs []error
	for _, bmc := range bmcs {
		err := targets.Allow(bmc)
		if err != nil && len(errs) < shown {
			errs = append(errs, fmt.Errorf("inventory: %w", err))
		} else if err != nil {
			return errors.Join(append(errs, errors.New("inventory: and more"))...)
		}
	}
	return errors.Join(errs...)
}
