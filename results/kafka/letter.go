package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/IBM/sarama"
)

// Letter is a record that somebody else than a satellite sends: a state, a change.
type Letter struct {
	Topic string
	Key   string
	// ID is CloudEvents' ce_id.
	ID     string
	Type   string // ce_type; "": the topic
	Schema string // urn:lamplighter:state:v1
	// Position, if there is one, is an extension of ours, ce_position: how far the sender had read when it wrote the record.
	Position string
	At       time.Time
	Value    []byte // nil: what was said of Key is forgotten
}

// Post sends letters. One goroutine at a time may use it. The zero Post is not usable: make it with its Config.
type Post struct {
	Config Config

	live   *producer
	cancel context.CancelFunc
}

// ErrRefused means that Kafka will never take a letter.
var ErrRefused = errors.New("kafka refuses the record for good")

// Send returns once Kafka has acknowledged the letters, or says how many of them, from the first on, it has; others it may have,
// too. It connects if it has to, and hangs up after an error.
func (p *Post) Send(ctx context.Context, letters []Letter) (int, error) {
	if err := p.connect(ctx); err != nil {
		return 0, err
	}
	defer context.AfterFunc(ctx, p.cancel)()
	messages := make([]*sarama.ProducerMessage, len(letters))
	for i, l := range letters {
		messages[i] = p.Config.letter(l)
	}
	n, err := p.live.sendMessages(ctx, messages)
	switch {
	case err == nil:
		return n, nil
	case refused(err):
		return n, fmt.Errorf("send %s to %s: %w: %w", letters[n].ID, letters[n].Topic, ErrRefused, err)
	}
	p.Close()
	return n, fmt.Errorf("send %d records to kafka at %v: %w", len(letters)-n, p.Config.Brokers, err)
}

func (p *Post) connect(ctx context.Context) error {
	if p.live != nil {
		return nil
	}
	outlasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)()
	live, err := newProducer(outlasting, p.Config)
	if err != nil {
		cancel()
		return err
	}
	live.answer()
	p.live, p.cancel = live, cancel
	return nil
}

// Close hangs up. Send would connect again.
func (p *Post) Close() {
	if p.live == nil {
		return
	}
	p.cancel()
	p.live.close()
	p.live = nil
}

func (c Config) letter(l Letter) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: l.Topic, Key: sarama.StringEncoder(l.Key)}
	if l.Value != nil {
		m.Value = sarama.ByteEncoder(l.Value)
	}
	for _, header := range [][2]string{
		{"ce_specversion", "1.0"},
		{"ce_id", l.ID},
		{"ce_type", cmp.Or(l.Type, l.Topic)},
		{"ce_source", "/results/" + url.PathEscape(c.Satellite)},
		{"ce_time", l.At.UTC().Format(time.RFC3339Nano)},
		{"ce_subject", l.Key},
		{"ce_dataschema", l.Schema},
		{"ce_position", l.Position},
		{"content-type", "application/json"},
	} {
		if header[1] != "" {
			m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(header[0]), Value: []byte(header[1])})
		}
	}
	return m
}
