package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
)

// fullDisk is a stdout that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAVerdictThatCouldNotBePrintedIsAnError(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"for a person": nil, "for a program": {"--json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stderr lockedBuffer
			code := execute(t.Context(), append([]string{"check", "127.65.0.1", "--port", "9", "--memory", "none"}, args...),
				strings.NewReader(""), fullDisk{}, &stderr)
			if code != int(exitUsage) || !strings.Contains(stderr.String(), "no space left on device") {
				t.Errorf("exit code %d, want %d; stderr: %q", code, exitUsage, stderr.String())
			}
		})
	}
}

func TestAnInterruptedCheckFinishesItsRoundAndSays130(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.65.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	held := make(chan net.Conn, 8)
	go func() {
		defer close(held)
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			held <- conn // hung after TCP
			if n == 2 {  // ping was the first
				interrupt()
			}
		}
	}()
	var stdout, stderr lockedBuffer
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	code := execute(ctx, []string{"check", "127.65.0.2", "--port", port, "--protocol", "redfish", "--ping", "tcp", "--timeout", "tls=1s",
		"--memory", "none"}, strings.NewReader(""), &stdout, &stderr)
	_ = listener.Close()
	for conn := range held {
		_ = conn.Close()
	}
	if code != int(exitInterrupted) || !strings.Contains(stdout.String(), "UNAVAILABLE at tls: tls.timeout") {
		t.Errorf("exit code %d, want 130\nstdout: %s\nstderr: %s", code, stdout.String(), stderr.String())
	}
}

func TestCheckSaysWhyItLingers(t *testing.T) {
	t.Parallel()
	fleet := simulate(t, bmcsim.Plan{Seed: 1, Slow: 4 * time.Second, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 1}}})
	id := fleet.BMCs()[0].ID
	fleet.plant(t, id, bmcsim.Slow)
	out := lamplighter(t, fleet.args("check", string(id), "--memory", "none", "--timeout", "redfish-login=1s")...)
	if !strings.Contains(out.stdout, "api.timeout") || !strings.Contains(out.stderr, "waiting up to 30 s for a late answer") {
		t.Errorf("stdout: %s\nstderr: %s", out.stdout, out.stderr)
	}
	if open := fleet.Counters().Total.Open; open != 0 {
		t.Errorf("%d sessions left open", open)
	}
}
