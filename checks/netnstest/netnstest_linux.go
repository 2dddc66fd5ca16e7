// Package netnstest gives a test a network namespace of its own, where links go down and hosts die without harm.
//
// On loopback the machine itself answers for every address, so what a dead BMC looks like can be seen only here. It is
// for tests only; the namespace ends with its process, however that ends.
package netnstest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inside marks the process that Enter starts.
const inside = "LAMPLIGHTER_TEST_NAMESPACE"

// limit bounds the process that Enter starts.
const limit = time.Minute

// Enter is EnterFor with a minute.
func Enter(t *testing.T) bool {
	t.Helper()
	return EnterFor(t, limit)
}

// EnterFor runs the calling test once more, in a process with a network namespace of its own that has nothing but a loopback
// interface, up. It returns true in that process. Elsewhere it passes on how that process ended and returns false; where
// namespaces are not allowed it skips the test loudly. limit bounds that process.
func EnterFor(t *testing.T, limit time.Duration) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		Run(t, "ip link set lo up")
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("NOT TESTED: a network that fails: the command ip is missing (package iproute2)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	again := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), inside+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	again.WaitDelay = time.Second
	out, err := again.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSYS):
		t.Skipf("NOT TESTED: a network that fails: no network namespace of our own: %v (want: run as root)", err)
	case err != nil:
		t.Errorf("in a network namespace: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
	return false
}

// Run runs one command inside the namespace.
func Run(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// Link makes a pair of interfaces, near with the address 10.9.0.1/24 and far with none, both up, so that nobody answers on
// it. Frames to 10.9.0.2 vanish; for any other address nobody answers ARP.
func Link(t *testing.T) {
	t.Helper()
	add := exec.CommandContext(t.Context(), "ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
	if out, err := add.CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: a network that fails: the kernel makes no veth link: %v: %s", err, out)
	}
	for _, line := range []string{
		"ip link set near up",
		"ip link set far up",
		"ip addr add 10.9.0.1/24 dev near",
		"ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev near nud permanent",
	} {
		Run(t, line)
	}
}

// Sysctl sets a kernel setting of the namespace.
func Sysctl(t *testing.T, name, value string) {
	t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	switch err := os.WriteFile(path, []byte(value), 0); {
	case errors.Is(err, syscall.EROFS):
		t.Skipf("NOT TESTED: a network that fails: set %s: %v", name, err)
	case err != nil:
		t.Fatalf("set %s to %q: %v", name, value, err)
	}
}
