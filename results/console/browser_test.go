package console_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/checks/peers"
	"lamplighter/results/api"
	"lamplighter/results/store"
)

// run runs a program of node_modules with its output in the test's log.
func run(t *testing.T, within time.Duration, env []string, node string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("%s: %v", strings.Join(args, " "), time.Since(began).Round(100*time.Millisecond))
	if notes := regexp.MustCompile(`(?m)^lost feed.*$|^first sign.*$|^.*\d+ passed.*$|^.*\d+ skipped.*$`).FindAllString(string(out), -1); notes != nil {
		t.Log(strings.Join(notes, "; "))
	}
}

func TestTheModulesAreTypedLintedAndTestedByThemselves(t *testing.T) {
	node, env := peers.NodeModules(t, ".")
	run(t, 5*time.Minute, env, node, "node_modules/typescript/bin/tsc", "--noEmit")
	run(t, 5*time.Minute, env, node, "node_modules/@biomejs/biome/bin/biome", "ci", "--colors=off", "--reporter=github", "--error-on-warnings", ".")
	run(t, 5*time.Minute, env, node, "--test", "test/")
}

// startDemo starts the program that people run, and says where its console is.
func startDemo(t *testing.T) (url string, pid int) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "lamplighter")
	if out, err := exec.Command("go", "build", "-o", binary, "../../satellite").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	demo := exec.Command(binary, "demo", "--dir", t.TempDir())
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = demo.Process.Signal(os.Interrupt)
		if err := demo.Wait(); err != nil {
			t.Errorf("the demo ended: %v", err)
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if found := regexp.MustCompile(`open (http://\S+)/ `).FindStringSubmatch(lines.Text()); found != nil {
			go func() { // until the demo ends, or it would wait for a reader
				for lines.Scan() {
					_ = lines.Text()
				}
			}()
			return found[1], demo.Process.Pid
		}
	}
	t.Fatalf("the demo did not say where its console is: %v", lines.Err())
	return "", 0
}

// TestTheConsoleInABrowser opens every page in Chromium: of the demo, and of a fleet whose every name is an attack.
// LAMPLIGHTER_SHOTS=../../docs/console makes the pictures of docs/console.md; LAMPLIGHTER_SPECS names the specs to run, all where it is empty.
func TestTheConsoleInABrowser(t *testing.T) {
	chromium := peers.Need(t, peers.Chromium)
	node, env := peers.NodeModules(t, ".")
	url, pid := startDemo(t)
	tokens := filepath.Join(t.TempDir(), "tokens")
	token, err := api.CreateToken(tokens, "wall", api.Viewer, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, "LAMPLIGHTER_CHROMIUM="+chromium, "LAMPLIGHTER_URL="+url, fmt.Sprintf("LAMPLIGHTER_PID=%d", pid),
		"LAMPLIGHTER_HOSTILE="+startHostile(t, ""), "LAMPLIGHTER_GUARDED="+startHostile(t, tokens), "LAMPLIGHTER_TOKEN="+token, "LAMPLIGHTER_TOKENS="+tokens)
	sites := fourSites(t)
	inventories, _ := serve(t, "", store.Batch{}, sync.OnceValue(sites.fleet), sites)
	env = append(env, "LAMPLIGHTER_INVENTORY="+inventories)
	specs := strings.Fields(os.Getenv("LAMPLIGHTER_SPECS"))
	run(t, 15*time.Minute, env, node, append([]string{"node_modules/@playwright/test/cli.js", "test", "--forbid-only"}, specs...)...)
}
