package bmcsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Listen opens the TCP listener and the UDP socket of all BMCs; port 0 takes a free one. Nothing is answered before Run.
// Both serve loopback only.
func (f *Fleet) Listen(tcpPort, udpPort int) (err error) {
	listen := net.ListenConfig{Control: bindToLoopback}
	f.tcp, err = listen.Listen(context.Background(), "tcp4", fmt.Sprintf("0.0.0.0:%d", tcpPort))
	if err != nil {
		return fmt.Errorf("listen for Redfish: %w", err)
	}
	packets, err := listen.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", udpPort))
	if err != nil {
		return errors.Join(fmt.Errorf("listen for IPMI: %w", err), f.tcp.Close())
	}
	f.udp = packets.(*net.UDPConn)
	_ = f.udp.SetReadBuffer(4 << 20) // as much as the kernel allows; the default drops bursts
	return nil
}

// Close closes the sockets of a fleet that is not going to Run. After Run it does nothing.
func (f *Fleet) Close() {
	if f.tcp != nil {
		_, _ = f.tcp.Close(), f.udp.Close()
	}
}

func portOf(addr net.Addr) uint16 { return netip.MustParseAddrPort(addr.String()).Port() }

// Run serves, and plays the script, until ctx ends; it returns when everything it started has ended. The sockets are then
// closed: a fleet runs once.
func (f *Fleet) Run(ctx context.Context) error {
	if f.tcp == nil {
		return errors.New("run the simulated fleet: Listen was not called")
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return f.serveWeb(ctx) })
	group.Go(func() error { return f.serveRMCP(ctx) })
	group.Go(func() error { f.play(ctx); return nil })
	return group.Wait()
}

// bmcKey is where a request's context holds its conn.
type bmcKey struct{}

// endKey is where a request's context holds Run's context, which does not end when the client hangs up.
type endKey struct{}

// serveWeb serves Redfish until ctx ends.
func (f *Fleet) serveWeb(ctx context.Context) error {
	var conns, handlers sync.WaitGroup
	door := &door{Listener: f.tcp, fleet: f}
	door.hold = func(c net.Conn, how func(context.Context, net.Conn)) { door.held.Go(func() { how(ctx, c) }) }
	server := &http.Server{
		Handler: counted(&handlers, f), ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog:    log.New(io.Discard, "", 0), // failed handshakes are the clients' business
		BaseContext: func(net.Listener) context.Context { return context.WithValue(ctx, endKey{}, ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, bmcKey{}, c.(*tls.Conn).NetConn())
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				conns.Done()
			}
		},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	err := server.Serve(tls.NewListener(door, &tls.Config{GetConfigForClient: f.configFor}))
	stop()
	_ = server.Close() // once more: a connection accepted while the first Close ran escaped it
	for _, started := range []*sync.WaitGroup{&conns, &handlers, &door.held} {
		started.Wait()
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve Redfish: %w", err)
}

// counted lets serveWeb wait for handlers, also for those that took over their connection.
func counted(running *sync.WaitGroup, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		h.ServeHTTP(w, r)
	})
}

// door is the listener that knows which BMC was meant. What never gets as far as TLS is dealt with here.
type door struct {
	net.Listener
	fleet *Fleet
	// hold runs how beside Accept, under Run's context.
	hold func(c net.Conn, how func(context.Context, net.Conn))
	held sync.WaitGroup
}

// conn is a connection to one BMC; bmc is nil for the trap.
type conn struct {
	net.Conn
	bmc  *bmc
	once sync.Once
}

// Close counts the connection out.
func (c *conn) Close() error {
	c.once.Do(func() {
		if c.bmc != nil {
			c.bmc.count.conns.add(-1)
		}
	})
	return c.Conn.Close()
}

// Accept returns the next connection on which somebody is going to talk TLS.
func (d *door) Accept() (net.Conn, error) {
	for {
		raw, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := d.admit(raw); c != nil {
			return c, nil
		}
	}
}

func (d *door) admit(raw net.Conn) net.Conn {
	addr := raw.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	b := d.fleet.byAddr[addr]
	switch {
	case addr == d.fleet.trap.addr:
		d.fleet.trap.connections.Add(1)
		return &conn{Conn: raw}
	case b == nil || !addr.IsLoopback():
		d.fleet.strays.Add(1)
		reset(raw)
		return nil
	}
	b.count.connections.Add(1)
	b.count.conns.add(1)
	c := &conn{Conn: raw, bmc: b}
	switch {
	case b.speaks != redfish:
		reset(c)
	case b.has(WebOff):
		d.hold(c, resetAtHello)
	case b.has(Dead) || b.has(HungAfterTCP):
		d.hold(c, sayNoHello)
	default:
		return c
	}
	return nil
}

// reset closes a connection so that the client sees RST, the nearest thing to a closed port that one listener can do.
func reset(c net.Conn) {
	raw := c
	if own, ok := c.(*conn); ok {
		raw = own.Conn
	}
	_ = raw.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// sayNoHello says nothing until the client hangs up, two minutes have passed or the fleet stops.
func sayNoHello(ctx context.Context, c net.Conn) {
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	_, _ = io.Copy(io.Discard, c)
	_ = c.Close()
}

// resetAtHello resets once the client has said something: a reset at once could still fail the client's connect.
func resetAtHello(ctx context.Context, c net.Conn) {
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	_, _ = c.Read(make([]byte, 1))
	reset(c)
}
