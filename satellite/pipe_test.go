package main

import (
	"bufio"
	"os"
	"os/exec"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
)

// TestAReaderThatGoesAwayLeavesNoSessionOpen is lamplighter sweep | head -1.
func TestAReaderThatGoesAwayLeavesNoSessionOpen(t *testing.T) {
	t.Parallel()
	fleet := simulate(t, bmcsim.One(150, 0.3))
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	p := &process{cmd: exec.Command(program, fleet.args("sweep", "-o", "ndjson", "--memory", "none")...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = writer, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is asked by code
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	writer.Close()
	if _, err := bufio.NewReader(reader).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	if code := p.wait(t, 60*time.Second); code != int(exitInterrupted) {
		t.Errorf("exit code %d, want %d; stderr: %s", code, exitInterrupted, p.stderr.String())
	}
	fleet.nothingLeft(t)
}
