package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/spool"
)

// schemaURN is CloudEvents' ce_dataschema.
const (
	schemaURN = "urn:lamplighter:inventory:v1"
	reportURN = "urn:lamplighter:inventory_report:v1"
)

// Publisher has the topic follow a register. Run may be called once.
type Publisher struct {
	Kafka kafka.Config
	Site  string
	Log   *slog.Logger

	newest atomic.Pointer[inventory.Register]
	news   chan struct{}
	sent   atomic.Uint64

	mu      sync.Mutex
	letters []kafka.Letter // that wait to be sent, oldest first
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
	p.wake()
}

func (p *Publisher) wake() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// Tell has Run publish what is to be said of the inventory soon. What was said before and is not sent yet is forgotten.
func (p *Publisher) Tell(r inventory.Report) {
	value, err := json.Marshal(ReportDocument{ReportSchema, r})
	if err != nil {
		p.Log.Error("what is to be said of the inventory cannot be encoded", "error", err)
		return
	}
	p.post(kafka.Letter{Topic: kafka.InventoryTopic, Key: inKey.Replace(p.Site), ID: fmt.Sprintf("%s@%s", p.Site, r.At.Format(time.RFC3339Nano)), Schema: reportURN, At: r.At, Value: value})
}

// Act has Run write down what a person did.
func (p *Publisher) Act(a results.Act) {
	record, err := spool.OfAct(a)
	if err != nil {
		p.Log.Error("what a person did cannot be encoded", "error", err)
		return
	}
	p.post(kafka.Letter{Topic: kafka.AuditTopic, Key: p.Kafka.Satellite, ID: record.ID, Type: kafka.ActType, Schema: kafka.ActSchemaURN, At: a.At, Value: record.Value})
}

// mostLetters is how many wait while Kafka is away; the oldest go then.
const mostLetters = 1000

func (p *Publisher) post(l kafka.Letter) {
	p.mu.Lock()
	p.letters = slices.DeleteFunc(p.letters, func(old kafka.Letter) bool { return old.Topic == kafka.InventoryTopic && l.Topic == old.Topic })
	p.letters = p.letters[max(0, len(p.letters)-mostLetters+1):]
	if l.Topic == kafka.InventoryTopic { // it waits for no other: that one may not be allowed
		p.letters = slices.Insert(p.letters, 0, l)
	} else {
		p.letters = append(p.letters, l)
	}
	p.mu.Unlock()
	p.wake()
}

// send sends what waits.
func (p *Publisher) send(ctx context.Context, post *kafka.Post) error {
	p.mu.Lock()
	all := slices.Clone(p.letters)
	p.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	n, err := post.Send(ctx, all)
	if errors.Is(err, kafka.ErrRefused) {
		p.Log.Error("kafka refuses what is said of the inventory", "id", all[n].ID, "error", err)
		n, err = n+1, nil
		defer p.wake()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letters = slices.DeleteFunc(p.letters, func(l kafka.Letter) bool {
		return slices.ContainsFunc(all[:n], func(sent kafka.Letter) bool { return sent.ID == l.ID })
	})
	return err
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
		if err := p.send(ctx, post); err != nil && ctx.Err() == nil {
			p.Log.Warn("what is to be said of the inventory is not on kafka yet", "error", err)
			again.Reset(5 * time.Second)
		}
		r := p.newest.Load()
		if r == nil || topic != nil && p.sent.Load() == r.Number {
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
