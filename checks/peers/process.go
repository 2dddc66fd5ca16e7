package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// process is a running peer.
type process struct {
	cmd    *exec.Cmd
	output lockedBuffer
	ended  chan struct{}
}

// run starts a peer and waits until each address answers; the test's end kills it.
func run(t testing.TB, cmd *exec.Cmd, addrs ...netip.AddrPort) (*process, error) {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	cmd.SysProcAttr = attributes()
	if err := p.start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd, err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), startWait, errors.New("no answer"))
	defer cancel()
	go func() { // ends with ctx at the latest
		select {
		case <-p.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, addr := range addrs {
		if err := answers(ctx, addr); err != nil {
			p.kill()
			return nil, fmt.Errorf("wait for %s on %s: %w; it said:\n%s", cmd, addr, err, p.output.String())
		}
	}
	t.Cleanup(p.kill)
	return p, nil
}

// start starts the process and sees to it that it does not outlive us even when we are killed: the kernel then kills it
// with the thread that started it, which therefore waits for it.
func (p *process) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(p.ended)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // it is killed in the end, and that is no error
		}
	}()
	return <-started
}

func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	<-p.ended
}

// Freeze stops the process where it stands, as a hung BMC: its sockets stay open, nothing answers.
func (p *process) Freeze(t testing.TB) { p.signal(t, syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *process) Thaw(t testing.TB) { p.signal(t, syscall.SIGCONT) }

func (p *process) signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("send %s to %s: %v", s, p.cmd, err)
	}
}

// lockedBuffer keeps what a peer printed, for when it does not come up.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
