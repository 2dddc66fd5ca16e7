package amqp_test

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between a bus and its broker, and cuts.
type relay struct {
	port uint16

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newRelay(t *testing.T, to uint16) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{port: l.Addr().(*net.TCPAddr).AddrPort().Port(), conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.serve(conn, to) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
		serving.Wait()
	})
	return r
}

func (r *relay) serve(conn net.Conn, to uint16) {
	defer conn.Close()
	broker, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", to))
	if err != nil {
		return
	}
	defer broker.Close()
	r.mu.Lock()
	r.conns[conn] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.conns, conn)
		r.mu.Unlock()
	}()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(conn, broker)
		_ = conn.Close()
	})
	_, _ = io.Copy(broker, conn)
	_ = broker.Close()
	back.Wait()
}

// open is how many connections pass now.
func (r *relay) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// cut resets every connection.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}
