package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"lamplighter/results/spool"
)

// producer is one producer of the library's, from its first message to its last. After a failure another one takes its place,
// once all that this one had accepted has come back, so that the order within a partition stays.
type producer struct {
	config Config
	client sarama.Client
	async  sarama.AsyncProducer

	answers sync.WaitGroup // those who give outcomes to the senders
	mu      sync.Mutex
	closed  bool
	senders sync.WaitGroup // who may still write to the library's input, which panics once it is closed
}

var (
	errClosed = errors.New("the producer is closed")
	errSlow   = errors.New("no acknowledgement in time")
)

// newProducer connects. It takes up to Metadata.Timeout; the caller closes the producer. Nothing of it outlasts ctx.
func newProducer(ctx context.Context, c Config) (*producer, error) {
	client, err := sarama.NewClient(c.Brokers, until(ctx, c.sarama()))
	if err != nil {
		return nil, fmt.Errorf("connect to kafka at %v: %w", c.Brokers, err)
	}
	async, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil { // sarama.NewAsyncProducer would now forget the client with its goroutines
		return nil, errors.Join(fmt.Errorf("get a producer's number from kafka at %v: %w", c.Brokers, err), client.Close())
	}
	return &producer{config: c, client: client, async: async}, nil
}

// answer gives every sender its outcome, until the producer is closed. The library hands each message back exactly once.
func (p *producer) answer() {
	p.answers.Go(func() {
		for m := range p.async.Successes() {
			m.Metadata.(chan error) <- nil
		}
	})
	p.answers.Go(func() {
		for e := range p.async.Errors() {
			e.Msg.Metadata.(chan error) <- e.Err
		}
	})
}

// close returns once every message that was accepted has its outcome.
func (p *producer) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.senders.Wait()
	p.async.AsyncClose()
	p.answers.Wait()
	_ = p.client.Close() // its connections may be gone already
}

// put gives the library a record, and waits for that no longer than ctx: its input blocks while the broker is away. The
// outcome comes later.
func (p *producer) put(ctx context.Context, r spool.Record) (<-chan error, error) {
	return p.putMessage(ctx, p.config.message(r))
}

func (p *producer) putMessage(ctx context.Context, m *sarama.ProducerMessage) (<-chan error, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	p.senders.Add(1)
	p.mu.Unlock()
	defer p.senders.Done()
	outcome := make(chan error, 1) // nobody may be left to take it
	m.Metadata = outcome
	select {
	case p.async.Input() <- m:
		return outcome, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// send returns once Kafka has acknowledged the record. After an error it may have it all the same, or get it later.
func (p *producer) send(ctx context.Context, r spool.Record, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	outcome, err := p.put(ctx, r)
	if err != nil {
		return err
	}
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sendAll sends records of different BMCs and says how many of them, from the first on, are acknowledged. It waits for what
// the library accepted, which gives up by itself or when the producer's context ends.
func (p *producer) sendAll(ctx context.Context, records []spool.Record) (int, error) {
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		messages[i] = p.config.message(r)
	}
	return p.sendMessages(ctx, messages)
}

func (p *producer) sendMessages(ctx context.Context, messages []*sarama.ProducerMessage) (int, error) {
	var outcomes []<-chan error
	var failed error
	for _, m := range messages {
		outcome, err := p.putMessage(ctx, m)
		if err != nil {
			failed = err
			break
		}
		outcomes = append(outcomes, outcome)
	}
	acknowledged := len(outcomes)
	for i, outcome := range outcomes {
		if err := <-outcome; err != nil && i < acknowledged {
			acknowledged, failed = i, err
		}
	}
	return acknowledged, failed
}

// refused says that this record will never be taken: there is no point in trying again. The library calls what is longer than
// its own limit an error of configuration.
func refused(err error) bool {
	return errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.Is(err, sarama.ErrInvalidMessage) || errors.As(err, new(sarama.ConfigurationError))
}
