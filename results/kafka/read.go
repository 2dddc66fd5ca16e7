package kafka

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Record is one that was read from a topic.
type Record struct {
	Topic      string
	Partition  int32
	Offset     int64
	At         time.Time // when it was sent
	Key, Value []byte    // no Value: what was said of Key is forgotten
	headers    []*sarama.RecordHeader
}

// Header is a header's value; empty where there is none.
func (r Record) Header(name string) string {
	for _, h := range r.headers {
		if string(h.Key) == name {
			return string(h.Value)
		}
	}
	return ""
}

// Source says which site's which satellite sent a record.
func (r Record) Source() (site, satellite string, ok bool) {
	parts := strings.Split(r.Header("ce_source"), "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "site" || parts[3] != "satellite" {
		return "", "", false
	}
	site, badSite := url.PathUnescape(parts[2])
	satellite, badSatellite := url.PathUnescape(parts[4])
	return site, satellite, badSite == nil && badSatellite == nil
}

// Reading says what to read.
type Reading struct {
	Topics []string
	// Only, if it has a topic, names the partitions of it that are read.
	Only map[string][]int32
	From time.Time // when it was sent, or later
	// Next, if set, is the offset to begin at, by topic and partition, instead of From. What was removed meanwhile is passed over,
	// and an offset that the partition never had means another partition, which is read from its beginning: both are logged.
	Next map[string]map[int32]int64
	// See gets every record, one at a time, those of a partition in order.
	See func(Record) error
	// Follow, if set, reads on after what is there now, until ctx ends, and is called every second from then on, while no See
	// is.
	Follow func(now time.Time) error
	// Lost, if set, is called when records cannot be read just now, while no See is. Reading goes on when they can.
	Lost func(error)
}

// stalled is how long a reading waits for the next record that must be there.
const stalled = 20 * time.Second

// Read reads topics, all partitions of them and without a consumer group, so that it leaves no trace. It returns once what was
// there at the start was seen; what one partition says comes in order. It needs a few MiB, however much there is.
func Read(ctx context.Context, c Config, what Reading) error {
	if err := c.Validate(); err != nil {
		return err
	}
	library := until(ctx, c.sarama())
	library.Metadata.Retry.Max = 3
	library.ChannelBufferSize = 64
	library.Consumer.Return.Errors = true
	library.Consumer.Fetch.Default, library.Consumer.MaxProcessingTime = 256<<10, 2*time.Second
	client, err := sarama.NewClient(c.Brokers, library)
	if err != nil {
		return fmt.Errorf("connect to kafka at %s: %w", strings.Join(c.Brokers, ","), err)
	}
	defer client.Close()
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return fmt.Errorf("read from kafka at %s: %w", strings.Join(c.Brokers, ","), err)
	}
	defer consumer.Close()
	r := &reader{Reading: what, config: c, messages: make(chan *sarama.ConsumerMessage, 256), errors: make(chan error), left: map[partition]int64{}}
	defer r.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := r.start(ctx, client, consumer); err != nil {
		return err
	}
	return r.run(ctx)
}

type partition struct {
	topic  string
	number int32
}

// reader is a reading that goes on.
type reader struct {
	Reading
	config   Config
	parts    []sarama.PartitionConsumer
	group    sync.WaitGroup // one goroutine for the messages of each partition, one for its errors
	messages chan *sarama.ConsumerMessage
	errors   chan error
	left     map[partition]int64 // where those end that were not read to their end yet
	last     error
}

func (r *reader) start(ctx context.Context, client sarama.Client, consumer sarama.Consumer) error {
	for _, topic := range r.Topics {
		numbers, err := client.Partitions(topic)
		if err != nil {
			return fmt.Errorf("find topic %s on kafka at %s: %w", topic, strings.Join(r.config.Brokers, ","), err)
		}
		for _, number := range numbers {
			if only, some := r.Only[topic]; some && !slices.Contains(only, number) {
				continue
			}
			if err := r.open(ctx, client, consumer, partition{topic, number}); err != nil {
				return fmt.Errorf("read partition %d of topic %s: %w", number, topic, err)
			}
		}
	}
	return nil
}

func (r *reader) open(ctx context.Context, client sarama.Client, consumer sarama.Consumer, p partition) error {
	end, err := offset(ctx, client, p, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	from, err := r.from(ctx, client, p, end)
	if err != nil {
		return err
	}
	if from < end {
		r.left[p] = end
	} else if r.Follow == nil {
		return nil
	}
	part, err := consumer.ConsumePartition(p.topic, p.number, from)
	if err != nil {
		return err
	}
	r.parts = append(r.parts, part)
	r.group.Go(func() { pass(ctx, part.Messages(), r.messages) })
	r.group.Go(func() {
		for failed := range part.Errors() {
			select {
			case r.errors <- failed:
			case <-ctx.Done():
			}
		}
	})
	return nil
}

// from is where to begin.
func (r *reader) from(ctx context.Context, client sarama.Client, p partition, end int64) (int64, error) {
	next, known := r.Next[p.topic][p.number]
	if !known {
		from, err := offset(ctx, client, p, max(0, r.From.UnixMilli()))
		if from < 0 {
			from = end // nothing is so new
		}
		return from, err
	}
	begin, err := offset(ctx, client, p, sarama.OffsetOldest)
	if err != nil || next >= begin && next <= end {
		return next, err
	}
	r.config.warn("records cannot be read where reading ended", fmt.Errorf("partition %d of topic %s is kept from %d to %d, wanted from %d", p.number, p.topic, begin, end, next))
	return begin, nil
}

// offset asks for an offset, several times: the leader of a partition may move, or be a moment old.
func offset(ctx context.Context, client sarama.Client, p partition, at int64) (found int64, err error) {
	for tries := range 5 {
		if found, err = client.GetOffset(p.topic, p.number, at); err == nil || ctx.Err() != nil {
			return found, err
		}
		wait(ctx, backoff(tries))
	}
	return found, err
}

// pass passes on until from is closed; after ctx ended it throws away, for the library wants to be rid of what it has.
func pass(ctx context.Context, from <-chan *sarama.ConsumerMessage, to chan<- *sarama.ConsumerMessage) {
	for m := range from {
		select {
		case to <- m:
		case <-ctx.Done():
		}
	}
}

// stop ends all partitions, after ctx.
func (r *reader) stop() {
	for _, part := range r.parts {
		part.AsyncClose()
	}
	r.group.Wait()
}

func (r *reader) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	moved := time.Now()
	for len(r.left) > 0 || r.Follow != nil {
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m := <-r.messages:
			moved = time.Now()
			err = r.see(m)
		case r.last = <-r.errors:
			if errors.Is(r.last, sarama.ErrOffsetOutOfRange) {
				return fmt.Errorf("records were removed before they were read: %w", r.last)
			}
			r.config.warn("a record could not be read from kafka", r.last)
			if r.Lost != nil {
				r.Lost(r.last)
			}
		case now := <-tick.C:
			err = r.look(now, moved)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) see(m *sarama.ConsumerMessage) error {
	p := partition{m.Topic, m.Partition}
	if end, unread := r.left[p]; unread && m.Offset >= end-1 {
		delete(r.left, p)
		if m.Offset >= end && r.Follow == nil {
			return nil // it came after the start
		}
	}
	return r.See(Record{m.Topic, m.Partition, m.Offset, m.Timestamp, m.Key, m.Value, m.Headers})
}

// look is what to do every second.
func (r *reader) look(now, moved time.Time) error {
	if len(r.left) == 0 {
		return r.Follow(now)
	}
	if now.Sub(moved) < stalled {
		return nil
	}
	for p, end := range r.left {
		return errors.Join(fmt.Errorf("read from kafka at %s: nothing for %v, and partition %d of topic %s is not read to its end at %d",
			strings.Join(r.config.Brokers, ","), stalled, p.number, p.topic, end), r.last)
	}
	return nil
}

func (c Config) warn(what string, err error) {
	if c.Log != nil {
		c.Log.Warn(what, "error", err)
	}
}
