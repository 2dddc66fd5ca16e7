package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/memory"
	"lamplighter/satellite/run"
)

// tour is a satellite and what it runs on: sockets, site memory, proof of sight. check, sweep, all and demo each set up one.
type tour struct {
	settings checks.Settings
	wires    *checks.Wires
	memory   *memory.Memory
	sight    *checks.Sight
	config   run.Config
}

// newTour opens the sockets; close must follow. The fleet is what can prove that we see the network, besides the anchors. What
// is remembered is the tour's to close, also after an error.
func newTour(settings checks.Settings, chain checks.Chain, fleet []inventory.BMC, anchors []netip.Addr, keyring inventory.Keyring, remembered *memory.Memory) (*tour, error) {
	wires, err := checks.OpenWires(settings)
	if err != nil {
		return nil, errors.Join(err, remembered.Close())
	}
	name, _ := os.Hostname()
	sight := checks.NewSight(fleet, anchors, wires.Ask)
	return &tour{
		settings: settings, wires: wires, memory: remembered, sight: sight,
		config: run.Config{
			Name: name, Chain: chain, Visit: wires.Visit, Keyring: keyring, Memory: remembered,
			Sight: sight,
		},
	}, nil
}

// openMemory opens site memory of its own; an empty path remembers nothing.
func openMemory(path string) (*memory.Memory, error) {
	if err := makeHome(path); err != nil {
		return nil, err
	}
	return memory.Open(path)
}

// makeHome makes the directory of site memory.
func makeHome(path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory of site memory %s: %w", path, err)
	}
	return nil
}

// tour sets up what the flags of check and sweep say.
func (o *options) tour(fleet []inventory.BMC, keyring inventory.Keyring, stderr io.Writer) (*tour, error) {
	settings, err := o.settings()
	if err != nil {
		return nil, err
	}
	chain, err := o.chain()
	if err != nil {
		return nil, err
	}
	anchors, err := o.anchorAddrs()
	if err != nil {
		return nil, err
	}
	level, err := parseLevel(o.logLevel)
	if err != nil {
		return nil, fmt.Errorf("--log %q: want debug, info, warn or error", o.logLevel)
	}
	memoryPath := o.memoryPath(stderr)
	if memoryPath == "" && slices.ContainsFunc(fleet, func(b inventory.BMC) bool { return b.Trust.Or(settings.Trust).Mode == inventory.TrustTOFU }) {
		fmt.Fprintln(stderr, "lamplighter: warning: trust tofu without a memory: every key is the first one seen, so nobody logs in; leave out --memory none")
	}
	remembered, err := openMemory(memoryPath)
	if err != nil {
		return nil, fmt.Errorf("%w; --memory names another file, or none", err)
	}
	t, err := newTour(settings, chain, fleet, anchors, keyring, remembered)
	if err != nil {
		return nil, err
	}
	t.config.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	return t, nil
}

// run has work work with a satellite.
func (t *tour) run(ctx context.Context, work func(context.Context, *run.Satellite) error) error {
	return t.wired(ctx, func(ctx context.Context) error { return work(ctx, run.New(t.config)) })
}

// wired has work work while the wires are read. The wires outlive ctx, so that work can drain.
func (t *tour) wired(ctx context.Context, work func(context.Context) error) error {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	readers, reading := errgroup.WithContext(reading)
	readers.Go(func() error { return t.wires.Run(reading) })
	err := work(ctx)
	stop()
	if readErr := readers.Wait(); err == nil && readErr != nil {
		err = readErr
	}
	return err
}

func (t *tour) close() { _ = t.memory.Close() }
