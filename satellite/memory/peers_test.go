package memory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/satellite/bus/amqp"
)

// stream is a bus over a real RabbitMQ, until the test ends.
func stream(t *testing.T, rabbit *peers.Rabbit, vhost string) *amqp.Bus {
	t.Helper()
	pem, err := os.ReadFile(rabbit.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	b, err := amqp.New(amqp.Config{
		URLs:     []string{fmt.Sprintf("amqps://localhost:%d/%s", rabbit.TLSPort, vhost)},
		Username: peers.RabbitUser, Password: inventory.NewSecret(peers.RabbitPassword),
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, Name: t.Name(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); group.Wait() })
	return b
}

func TestTwoSatellitesOverARealStream(t *testing.T) {
	rabbit := peers.SharedRabbitMQ(t)
	vhost := rabbit.VHost(t)
	path := filepath.Join(t.TempDir(), "copy")
	a, stopA := share(t, stream(t, rabbit, vhost), path)
	b, stopB := share(t, stream(t, rabbit, vhost), "")
	defer stopA()
	defer stopB()
	ready(t, a, b)
	var group sync.WaitGroup
	var mu sync.Mutex
	count := map[Decision]int{}
	for i := range 100 { // both want to log in to the same 50
		m, id := []*Memory{a, b}[i%2], inventory.ID(fmt.Sprint("bmc", i/2))
		group.Go(func() {
			attempt, permit, err := m.Begin(context.Background(), time.Now(), id, "c", "1", checks.Round{BMC: id, Due: start, Why: checks.Routine})
			if err != nil {
				t.Error(err)
				return
			}
			if permit.Decision == Allowed {
				if _, err := attempt.End(context.Background(), time.Now(), Accepted); err != nil {
					t.Error(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			count[permit.Decision]++
		})
	}
	group.Wait()
	if count[Allowed] < 50 || count[Allowed]+count[Unsure] != 100 {
		t.Errorf("decisions %v", count)
	}
	login(t, a, time.Now(), "refused", "1", checks.Routine, Refused)
	if err := b.SetStop(context.Background(), Stop{On: true, By: "somebody"}); err != nil {
		t.Error(err)
	}
	stopA()
	again, stop := share(t, stream(t, rabbit, vhost), path)
	defer stop()
	ready(t, again)
	if f, _ := again.Fence("refused"); f.Tries != 1 || f.At.IsZero() || again.Stopped().By != "somebody" {
		t.Errorf("from copy and stream: %+v, %+v", f, again.Stopped())
	}
}

func TestABrokerThatIsKilledUnderLoginsLosesNoOutcome(t *testing.T) {
	rabbit := peers.StartRabbitMQ(t)
	vhost := rabbit.VHost(t)
	m, stop := share(t, stream(t, rabbit, vhost), "")
	defer stop()
	ready(t, m)
	time.Sleep(2 * time.Second) // 3.10 writes down half a second later that it has a new stream: killed before, it never finds it again
	before := time.Now()
	for i := range 100 {
		login(t, m, time.Now(), inventory.ID(fmt.Sprint("bmc", i)), "1", checks.Routine, Accepted)
	}
	t.Logf("a login after the other: %v each", time.Since(before)/100)
	during, permit, err := m.Begin(context.Background(), time.Now(), "a", "c", "1", round(checks.Routine))
	if err != nil || permit.Decision != Allowed {
		t.Fatal(permit, err)
	}
	rabbit.Kill9()
	if _, err := during.End(context.Background(), time.Now(), Refused); err != nil {
		t.Error(err)
	}
	if _, _, err = m.Begin(context.Background(), time.Now(), "b", "c", "1", round(checks.Routine)); err == nil {
		t.Error("a login begins without a broker")
	}
	rabbit.Restart(t)
	other, stopOther := share(t, stream(t, rabbit, vhost), "")
	defer stopOther()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		f, _ := other.Fence("a")
		_, fenced := m.Fence("b")
		if f.Tries == 1 && !f.At.IsZero() && !fenced {
			return
		}
	}
	f, _ := other.Fence("a")
	t.Errorf("another satellite reads %+v; fences here %+v", f, m.Fences())
}
