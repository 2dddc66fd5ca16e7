package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results/kafka"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

const (
	siteName    = "ams1"
	interval    = 30 * time.Second
	sessionLife = 30 * time.Second

	passwordFile = "broker.password" // as the satellites' configuration has it
)

var names = []string{"sat-a", "sat-b"}

// site is all of a data centre: the fleet, the broker, Kafka, and the satellites, each with a wire of its own to the broker.
type site struct {
	*bmcsim.Fleet
	dir    string // logs, memories, spools; kept when the test fails
	rabbit *peers.Rabbit
	vhost  string
	kafka  *peers.Kafka

	interval   time.Duration
	level      string // of the satellites' logs
	satellites []*satellite
}

// newSite starts everything but the satellites.
func newSite(ctx context.Context, t *testing.T, plan bmcsim.Plan, interval time.Duration, level string) *site {
	t.Helper()
	if _, err := build(); err != nil {
		t.Fatal(err)
	}
	s := &site{rabbit: peers.StartRabbitMQ(t), kafka: peers.StartKafka(t), interval: interval, level: level}
	s.vhost = s.rabbit.VHost(t)
	if _, err := kafka.CreateTopics(kafka.Config{Brokers: []string{s.kafka.Address}, Site: siteName, Satellite: "lab"}, 1); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "lab-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(s.dir)
		}
	})
	s.light(ctx, t, plan)
	s.put(t, passwordFile, peers.RabbitPassword+"\n")
	for _, name := range names {
		s.satellites = append(s.satellites, s.newSatellite(t, name, peers.StartWire(t, s.rabbit.TLSPort)))
	}
	return s
}

// light starts the fleet. It lives until the test ends.
func (s *site) light(ctx context.Context, t *testing.T, plan bmcsim.Plan) {
	t.Helper()
	var err error
	if s.Fleet, err = bmcsim.NewFleet(plan); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(0, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	if err := s.WriteFiles(filepath.Join(s.dir, "fleet")); err != nil {
		t.Fatal(err)
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// bus is the lab's own way to the broker, past the wires, until the test ends.
func (s *site) bus(t *testing.T) *amqp.Bus {
	t.Helper()
	pem, err := os.ReadFile(s.rabbit.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	b, err := amqp.New(amqp.Config{
		URLs:     []string{fmt.Sprintf("amqps://localhost:%d/%s", s.rabbit.TLSPort, s.vhost)},
		Username: peers.RabbitUser, Password: inventory.NewSecret(peers.RabbitPassword),
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, Name: "lab",
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return b
}

// own is the satellites' own mailboxes.
func own() (boxes []bus.Mailbox) {
	for _, name := range names {
		boxes = append(boxes, bus.Own(siteName, name))
	}
	return boxes
}

// empty says whether the tap has shown all that was sent.
func (s *site) empty() bool {
	text, err := s.rabbit.Ask("GET", "/queues/"+s.vhost+"/"+tapName, nil)
	var queue struct{ Messages *int }
	return err == nil && json.Unmarshal(text, &queue) == nil && queue.Messages != nil && *queue.Messages == 0
}

// sleep waits; false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// until waits for a condition, asked ten times a second.
func until(ctx context.Context, within time.Duration, met func() bool) bool {
	for end := time.Now().Add(within); time.Now().Before(end); {
		if met() {
			return true
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return false
		}
	}
	return met()
}
