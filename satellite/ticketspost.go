package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"lamplighter/results"
	"lamplighter/results/kafka"
)

// post writes tickets and dead letters to Kafka.
type post struct {
	mu   sync.Mutex // one sends at a time
	post kafka.Post
}

func (p *post) send(ctx context.Context, l kafka.Letter, document any) error {
	doc, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("encode %s: %w", l.ID, err)
	}
	l.Value = doc
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err = p.post.Send(ctx, []kafka.Letter{l})
	return err
}

// ticket returns once Kafka has the ticket.
func (p *post) ticket(ctx context.Context, t results.Ticket) error {
	key := t.Incident + "/" + t.Desk
	return p.send(ctx, kafka.Letter{Topic: kafka.TicketTopic, Key: key, ID: fmt.Sprintf("%s/%d@%d", key, t.Seq, t.At.UnixMilli()), Schema: "urn:lamplighter:ticket:v1", At: t.At}, t)
}

// dead returns once Kafka has the dead letter.
func (p *post) dead(ctx context.Context, l results.DeadLetter) error {
	return p.send(ctx, kafka.Letter{Topic: kafka.DeadTopic, Key: l.Satellite, ID: "dead/" + l.ID, Schema: "urn:lamplighter:dead:v1", At: l.At}, l)
}

func (p *post) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.post.Close()
}

// hearing says whether incidents are heard of as they come.
type hearing struct {
	mu sync.Mutex
	at time.Time // zero: they are not
}

func (h *hearing) since(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = at
}

// met is nil while they are.
func (h *hearing) met() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.IsZero() {
		return errors.New("incidents are not heard of: kafka is away, lacks a topic, or deals out its partitions anew; the log says which")
	}
	return nil
}

// say says every ten seconds that they are not.
func (h *hearing) say(ctx context.Context, log *slog.Logger, brokers []string) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if h.met() != nil {
			log.Warn("waiting for kafka", "brokers", strings.Join(brokers, ","))
		}
	}
}
