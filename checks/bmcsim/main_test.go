package bmcsim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lamplighter/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a fleet for the length of a test.
func start(t *testing.T, p Plan) *Fleet {
	t.Helper()
	f, err := NewFleet(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Listen(0, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run did not end within 10 s of its context")
		}
	})
	return f
}

// roots is a pool with the fleet's authority alone.
func (f *Fleet) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(f.CA())
	return pool
}

func plan(n int, ipmiShare float64) Plan {
	p := One(n, ipmiShare)
	p.Off = 0
	return p
}

func secretOf(t *testing.T, f *Fleet, id inventory.ID) string {
	t.Helper()
	c, err := f.Credentials(t.Context(), string(id))
	if err != nil {
		t.Fatal(err)
	}
	return c.Password.Reveal()
}

// oldTLS is a client that takes what the worst BMCs can do.
func oldTLS(f *Fleet) *tls.Config {
	config := &tls.Config{RootCAs: f.roots(), MinVersion: tls.VersionTLS10}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		config.CipherSuites = append(config.CipherSuites, s.ID)
	}
	return config
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
