// Package peers starts real BMC implementations for tests: ipmi_sim, pyghmi and goipmi-server, each a process of its own that
// nobody here wrote, and a UDP relay to count and disturb what passes between one of them and us. It also starts RabbitMQ, Kafka
// and Alertmanager, and finds Node and a browser for the console.
//
// Only tests import it: those of checks, its packages and the satellite. Whatever it starts ends with the test.
package peers

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Peer is the name of a peer, as LAMPLIGHTER_REQUIRE lists it.
type Peer string

// The peers.
const (
	IPMISim    Peer = "ipmi_sim"
	Pyghmi     Peer = "pyghmi"
	GoIPMI     Peer = "goipmi-server"
	SushyTools Peer = "sushy-tools"
	RabbitMQ   Peer = "rabbitmq"
	KafkaPeer  Peer = "kafka"
	KcatPeer   Peer = "kcat"
	Node       Peer = "node"
	Chromium   Peer = "chromium"

	AlertmanagerPeer Peer = "alertmanager"
)

// finders say with which program a peer is started; "" when the machine does not have it.
var finders = map[Peer]func() string{
	IPMISim:    func() string { return program("ipmi_sim") },
	GoIPMI:     func() string { return program("goipmi-server") },
	Pyghmi:     python,
	SushyTools: sushyEmulator,
	RabbitMQ:   rabbitmq,
	KafkaPeer:  kafkaJava,
	KcatPeer:   func() string { return program("kcat") },
	Node:       nodeProgram,
	Chromium:   func() string { return program("chromium") },

	AlertmanagerPeer: func() string { return program("prometheus-alertmanager") },
}

// RequireVariable lists the peers, separated by commas or spaces, that must be there.
const RequireVariable = "LAMPLIGHTER_REQUIRE"

// Need returns the program of a peer. A missing one fails the test when LAMPLIGHTER_REQUIRE names it, else skips it loudly.
func Need(t testing.TB, peer Peer) string {
	t.Helper()
	find, ok := finders[peer]
	if !ok {
		t.Fatalf("peers: no peer is called %q", peer)
	}
	found := find()
	if found == "" && required(peer, os.Getenv(RequireVariable)) {
		t.Fatalf("%s is required by %s and missing: run .ci/peers", peer, RequireVariable)
	}
	if found == "" {
		t.Skipf("NOT TESTED: %s is missing (.ci/peers installs it)", peer)
	}
	return found
}

func required(peer Peer, list string) bool {
	for _, name := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if Peer(name) == peer {
			return true
		}
	}
	return false
}

// program finds a program in .peers/bin of the module or in PATH.
func program(name string) string {
	if root := moduleRoot(); root != "" {
		if path, err := exec.LookPath(filepath.Join(root, ".peers", "bin", name)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

func moduleRoot() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		break
	}
	return ""
}

// startTries is how often a peer is started anew on other ports: between finding a free port and the peer's taking it,
// another test may take it.
const startTries = 3

// startWait is how long a peer may take until it answers, on a busy machine.
const startWait = 15 * time.Second

// capabilitiesRequest is Get Channel Authentication Capabilities, which every IPMI peer answers (section 22.13).
var capabilitiesRequest = []byte{
	0x06, 0x00, 0xff, 0x07, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x09,
	0x20, 0x18, 0xc8, 0x81, 0x04, 0x38, 0x8e, 0x02, 0xb3,
}

// answers waits until a BMC answers to IPMI.
func answers(ctx context.Context, addr netip.AddrPort) error {
	conn, err := net.Dial("udp", addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	for buf := make([]byte, 512); ctx.Err() == nil; {
		if _, err := conn.Write(capabilitiesRequest); err != nil && errors.Is(err, net.ErrClosed) {
			break
		}
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := conn.Read(buf); err == nil && n > 4 {
			return nil
		} else if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			pause(ctx, 20*time.Millisecond) // refused: it does not listen yet
		}
	}
	return context.Cause(ctx)
}

func pause(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// freePort finds a port that is free on all addresses.
func freePort(t testing.TB, network string) uint16 {
	t.Helper()
	if network == "tcp" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).AddrPort().Port()
	}
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}
