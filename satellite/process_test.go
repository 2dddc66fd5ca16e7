package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks/peers"
)

type tests struct{ *testing.M }

func (t tests) Run() int {
	defer peers.EndShared()
	return t.M.Run()
}

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // they wait for timeouts more than they work
		panic(err)
	}
	// Sarama's circuit breaker sleeps for 10 s after a broker could not be reached, and then ends.
	breaker := goleak.IgnoreAnyFunction("github.com/eapache/go-resiliency/breaker.(*Breaker).timer")
	goleak.VerifyTestMain(tests{m}, breaker, goleak.Cleanup(func(code int) {
		if dir, err := buildDir(); err == nil {
			_ = os.RemoveAll(dir)
		}
		os.Exit(code)
	}))
}

// buildDir is where the program is built, for everybody to run: a test runs it as an ordinary user.
var buildDir = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lamplighter-test-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
})

// build builds the program, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := buildDir()
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "lamplighter")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		return "", errors.New("go build: " + string(out) + err.Error())
	}
	return program, nil
})

// process is the program running as a process.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr lockedBuffer
	ended          chan struct{} // closed when it has ended
}

// start starts the program; it is killed when the test ends before it.
func start(t *testing.T, attributes *syscall.SysProcAttr, args ...string) *process {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = &p.stdout, &p.stderr, attributes
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %v: %v", args, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is asked by code
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// signal sends a signal and returns the exit code; -1 when a signal ended it.
func (p *process) signal(t *testing.T, s os.Signal, within time.Duration) int {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	return p.wait(t, within)
}

func (p *process) wait(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("the program has not ended within %s; stderr: %s", within, p.stderr.String())
		return 0
	}
}
