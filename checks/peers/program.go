package peers

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// Program is a process that a test starts beside its peers, kills and freezes as it does them. It does not outlive the test's
// process, however that ends.
type Program struct{ process }

// StartProgram starts a command. Whoever does calls Kill in the end.
func StartProgram(cmd *exec.Cmd) (*Program, error) {
	p := &Program{process{cmd: cmd, ended: make(chan struct{})}}
	cmd.SysProcAttr = attributes()
	if err := p.start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd, err)
	}
	return p, nil
}

// Kill ends the program as kill -9 does, frozen or not.
func (p *Program) Kill() { p.kill() }

// Ended is closed when the program has ended.
func (p *Program) Ended() <-chan struct{} { return p.ended }

// Stop ends the program as systemd does, with SIGTERM, and by force where it takes longer than within.
func (p *Program) Stop(within time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("send SIGTERM to %s: %w", p.cmd, err)
	}
	select {
	case <-p.ended:
	case <-time.After(within):
		p.kill()
		return fmt.Errorf("%s did not end within %s after SIGTERM", p.cmd, within)
	}
	if !p.cmd.ProcessState.Success() {
		return errors.New(p.cmd.String() + ": " + p.cmd.ProcessState.String())
	}
	return nil
}
