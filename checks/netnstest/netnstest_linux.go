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

// Enter runs the calling test once more, in a process with a network namespace of its own that has nothing but a loopback
// interface, up. It returns true in that process. Elsewhere it passes on how that process ended and returns false; where
// namespaces are not allowed it skips the test loudly.
func Enter(t *testing.T) bool {
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

// Sysctl sets a kernel setting of the namespace.
func Sysctl(t *testing.T, name, value string) {
	t.Helper()
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatalf("set %s to %q: %v", name, value, err)
	}
}
