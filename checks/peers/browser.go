package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// oldestNode is the Node that the console's checks need.
const oldestNode = "20.19"

// nodeProgram finds a Node that is new enough.
func nodeProgram() string {
	node := program("node")
	if node == "" {
		return ""
	}
	out, err := exec.Command(node, "--version").Output()
	if err != nil || !newEnough(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), oldestNode) {
		return ""
	}
	return node
}

func newEnough(version, oldest string) bool {
	var major, minor, wantMajor, wantMinor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	if _, err := fmt.Sscanf(oldest, "%d.%d", &wantMajor, &wantMinor); err != nil {
		return false
	}
	return major > wantMajor || major == wantMajor && minor >= wantMinor
}

// NodeModules has what package-lock.json in dir names installed there, and returns Node and the environment to run it in. No
// browser is downloaded.
func NodeModules(t testing.TB, dir string) (node string, env []string) {
	t.Helper()
	node = Need(t, Node)
	env = append(os.Environ(), "NO_COLOR=1", "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1", "npm_config_update_notifier=false")
	want, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := filepath.Join(dir, "node_modules", ".lamplighter-lock")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == string(want) {
		return node, env
	}
	npm := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir, npm.Env = dir, env
	if out, err := npm.CombinedOutput(); err != nil {
		if required(Node, os.Getenv(RequireVariable)) {
			t.Fatalf("npm ci in %s: %v\n%s", dir, err, out)
		}
		t.Skipf("NOT TESTED: the console's checks: npm ci: %v\n%s", err, out)
	}
	write(t, stamp, want, 0o644)
	return node, env
}
