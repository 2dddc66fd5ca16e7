package peers

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// Wire passes TCP connections on to a port on loopback until the test ends, and can break them.
type Wire struct {
	Port uint16

	to    uint16
	mu    sync.Mutex
	conns map[*net.TCPConn]bool
}

// StartWire starts a wire to a port.
func StartWire(t testing.TB, to uint16) *Wire {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("start a wire: %v", err)
	}
	w := &Wire{Port: l.Addr().(*net.TCPAddr).AddrPort().Port(), to: to, conns: map[*net.TCPConn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.AcceptTCP()
			if err != nil {
				return
			}
			serving.Go(func() { w.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.Cut()
		serving.Wait()
	})
	return w
}

func (w *Wire) serve(near *net.TCPConn) {
	defer near.Close()
	far, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", w.to))
	if err != nil {
		return
	}
	defer far.Close()
	w.keep(near, true)
	defer w.keep(near, false)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(near, far)
		_ = near.Close()
	})
	_, _ = io.Copy(far, near)
	_ = far.Close()
	back.Wait()
}

func (w *Wire) keep(conn *net.TCPConn, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if open {
		w.conns[conn] = true
		return
	}
	delete(w.conns, conn)
}

// Cut resets every connection and says how many there were; new ones pass.
func (w *Wire) Cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		_ = conn.SetLinger(0)
		_ = conn.Close()
	}
	return len(w.conns)
}
