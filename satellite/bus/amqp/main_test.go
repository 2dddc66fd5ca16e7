package amqp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
	"lamplighter/satellite/bus/bustest"
)

type tests struct{ *testing.M }

func (t tests) Run() int {
	defer peers.EndShared()
	return t.M.Run()
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

const patient = 60 * time.Second

// site is a virtual host on the shared broker.
type site struct {
	rabbit *peers.Rabbit
	vhost  string
}

func newSite(t *testing.T) site {
	t.Helper()
	rabbit := peers.SharedRabbitMQ(t)
	return site{rabbit, rabbit.VHost(t)}
}

// config connects over TLS to port, or to the broker's.
func (s site) config(t *testing.T, port uint16) amqp.Config {
	t.Helper()
	pem, err := os.ReadFile(s.rabbit.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	if port == 0 {
		port = s.rabbit.TLSPort
	}
	config := amqp.Config{
		URLs:     []string{fmt.Sprintf("amqps://localhost:%d/%s", port, s.vhost)},
		Username: peers.RabbitUser, Password: inventory.NewSecret(peers.RabbitPassword),
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, Name: t.Name(),
		Tiers: []time.Duration{time.Millisecond, 50 * time.Millisecond},
	}
	if testing.Verbose() && os.Getenv("AMQP_LOG") != "" {
		config.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return config
}

// open runs a bus until the test ends.
func open(t *testing.T, config amqp.Config, options ...func(*amqp.Bus)) *amqp.Bus {
	t.Helper()
	b, err := amqp.New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range options {
		option(b)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := await(t, ended, "the bus to end"); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return b
}

func await[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(patient):
		t.Fatalf("waited %v for %s", patient, what)
	}
	return got
}

// until waits for a condition.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patient); !met(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patient, what)
		}
	}
}

func TestBus(t *testing.T) {
	t.Parallel()
	bustest.Test(t, func(t *testing.T) bus.Bus { return open(t, newSite(t).config(t, 0)) })
}

func TestBusOwn(t *testing.T) {
	t.Parallel()
	bustest.Own(t, func(t *testing.T, test func(*testing.T, bus.Bus)) {
		t.Parallel()
		test(t, open(t, newSite(t).config(t, 0)))
	})
}

func TestBusAir(t *testing.T) {
	t.Parallel()
	bustest.Air(t, func(t *testing.T) bus.Air { return open(t, newSite(t).config(t, 0)) })
}

func TestBusTalk(t *testing.T) {
	t.Parallel()
	bustest.Air(t, func(t *testing.T) bus.Air { return open(t, newSite(t).config(t, 0)).Talk() })
}

func TestBusLog(t *testing.T) {
	t.Parallel()
	bustest.Log(t, func(t *testing.T) bus.Log { return open(t, newSite(t).config(t, 0)) })
}
