package kafka

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// grace is how long records that are on the way may take when Run ends, until the connections are cut.
const grace = 2 * time.Second

// dialer is what the library dials with.
type dialer func(network, address string) (net.Conn, error)

// Dial makes a dialer what the library wants.
func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// until lets the library dial, wait and retry only until ctx ends: then its connections are cut, so that whoever waits for it
// gets all outcomes soon. By itself it would try ten times, 15 s each, while a broker is frozen.
func until(ctx context.Context, s *sarama.Config) *sarama.Config {
	d := net.Dialer{Timeout: s.Net.DialTimeout, KeepAlive: s.Net.KeepAlive}
	s.Net.Proxy.Enable = true
	s.Net.Proxy.Dialer = dialer(func(network, address string) (net.Conn, error) {
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn{c, context.AfterFunc(ctx, func() { _ = c.Close() })}, nil
	})
	hurry := func(tries, _ int) time.Duration {
		if ctx.Err() != nil {
			return 0
		}
		return backoff(tries)
	}
	s.Producer.Retry.BackoffFunc, s.Metadata.Retry.BackoffFunc = hurry, hurry
	return s
}

// conn is a connection that nobody waits to cut any more once it is closed.
type conn struct {
	net.Conn
	stop func() bool
}

func (c conn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// afterGrace is a context that ends a while after ctx, or with done.
func afterGrace(ctx context.Context) (late context.Context, done func()) {
	late, cut := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() {
		select {
		case <-ctx.Done():
			wait(late, grace)
			cut()
		case <-late.Done():
		}
	})
	return late, func() { cut(); group.Wait() }
}
