package peers_test

import (
	"io"
	"net"
	"os/exec"
	"testing"
	"time"

	"lamplighter/checks/peers"
)

func TestAProgramIsStoppedKilledAndFrozen(t *testing.T) {
	trapping := "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done"
	program := func(script string) *peers.Program {
		t.Helper()
		cmd := exec.Command("sh", "-c", script)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		p, err := peers.StartProgram(cmd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		if _, err := io.ReadFull(out, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := program(trapping).Stop(10 * time.Second); err != nil {
		t.Errorf("one that ends in peace: %v", err)
	}
	if err := program("echo up; sleep 60").Stop(10 * time.Second); err == nil {
		t.Error("one that SIGTERM kills ended in peace")
	}
	if err := program("trap '' TERM; echo up; while :; do sleep 0.05; done").Stop(200 * time.Millisecond); err == nil {
		t.Error("one that does not end ended in peace")
	}
	frozen := program(trapping)
	frozen.Freeze(t)
	select {
	case <-frozen.Ended():
		t.Error("a frozen one has ended")
	default:
	}
	frozen.Kill()
	<-frozen.Ended()
}

func TestAWirePassesAndCuts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		for range 2 {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, conn)
			_ = conn.Close()
		}
	}()
	wire := peers.StartWire(t, l.Addr().(*net.TCPAddr).AddrPort().Port())
	for range 2 { // a cut wire takes the next connection
		conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(wire.Port)})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		said := make([]byte, 5)
		if _, err := conn.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, said); err != nil || string(said) != "hello" {
			t.Fatalf("got %q, %v", said, err)
		}
		if n := wire.Cut(); n != 1 {
			t.Errorf("cut %d connections, want 1", n)
		}
		if _, err := conn.Read(said); err == nil {
			t.Error("a cut connection still passes")
		}
		_ = conn.Close()
	}
	<-echoed
}
