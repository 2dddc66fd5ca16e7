package snapshot

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"lamplighter/inventory"
	"lamplighter/results/kafka"
)

// schemaURN is CloudEvents' ce_dataschema.
const schemaURN = "urn:lamplighter:inventory:v1"

// Publisher has the topic follow a register. Run may be called once.
type Publisher struct {
	Kafka kafka.Config
	Site  string
	Log   *slog.Logger

	newest atomic.Pointer[inventory.Register]
	news   chan struct{}
	sent   atomic.Uint64
}

// NewPublisher makes one that has nothing to publish yet.
func NewPublisher(c kafka.Config, site string, log *slog.Logger) *Publisher {
	return &Publisher{Kafka: c, Site: site, Log: log, news: make(chan struct{}, 1)}
}

// Publish has Run publish a register soon. One that was never synced is not published.
func (p *Publisher) Publish(r inventory.Register) {
	if r.Number == 0 {
		return
	}
	p.newest.Store(&r)
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// Sent is the number of the newest register that is on Kafka; 0: none is, as far as this process knows.
func (p *Publisher) Sent() uint64 { return p.sent.Load() }

// batch is how many records are sent at once.
const batch = 1000

// Run publishes until ctx ends, and then returns nil. What it cannot send it tries again.
func (p *Publisher) Run(ctx context.Context) error {
	post := &kafka.Post{Config: p.Kafka}
	defer post.Close()
	var topic *Assembly // as it is, as far as we know; nil: to be read
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.news:
		case <-again.C:
		}
		r := p.newest.Load()
		if r == nil {
			continue
		}
		err := p.bring(ctx, post, &topic, *r)
		switch {
		case err == nil:
			p.sent.Store(r.Number)
		case ctx.Err() != nil:
			return nil
		default:
			topic = nil // what of it was sent is not known
			p.Log.Warn("the inventory is not on kafka yet; satellites go on with the one before", "number", r.Number, "error", err)
			again.Reset(5 * time.Second)
		}
	}
}

// bring makes the topic what r is.
func (p *Publisher) bring(ctx context.Context, post *kafka.Post, topic **Assembly, r inventory.Register) error {
	if *topic == nil {
		read, err := p.read(ctx)
		if err != nil {
			return err
		}
		*topic = read
	}
	records, err := (*topic).Records(r)
	if err != nil || len(records) == 0 {
		return err
	}
	last := len(records) - 1
	for _, part := range [][]Record{records[:last], records[last:]} {
		for len(part) > 0 {
			some := part[:min(batch, len(part))]
			part = part[len(some):]
			letters := make([]kafka.Letter, len(some))
			for i, record := range some {
				letters[i] = kafka.Letter{Topic: kafka.InventoryTopic, Key: record.Key, ID: fmt.Sprintf("%s#%d", record.Key, r.Number), Schema: schemaURN, At: r.Made, Value: record.Value}
			}
			if _, err := post.Send(ctx, letters); err != nil {
				return err
			}
		}
	}
	for _, record := range records {
		if err := (*topic).See(record.Key, record.Value); err != nil {
			return err
		}
	}
	p.Log.Info("the inventory is on kafka", "number", (*topic).Number(), "bmcs", len(r.BMCs), "records", len(records))
	return nil
}

func (p *Publisher) read(ctx context.Context) (*Assembly, error) {
	a := NewAssembly(p.Site)
	err := kafka.Read(ctx, p.Kafka, kafka.Reading{Topics: []string{kafka.InventoryTopic}, See: func(r kafka.Record) error {
		if site, _, ok := Site(string(r.Key)); ok && site == p.Site {
			if err := a.See(string(r.Key), r.Value); err != nil {
				p.Log.Warn("a record of the inventory on kafka cannot be read; it is written again", "error", err)
			}
		}
		return nil
	}})
	return a, err
}
