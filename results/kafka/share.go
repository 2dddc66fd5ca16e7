package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// Sharing is how processes of one group share a topic: each of its partitions is read by one of them.
type Sharing struct {
	Topic, Group string
	// Begin is called with the partitions that are ours from now on, before any of their records is seen. After an error they are given
	// back, and asked for again.
	Begin func(ctx context.Context, partitions []int32) error
	// See gets their records, those of a partition in order, of several partitions at the same time.
	See func(Record)
	// Done says, every second, up to which offset all records of a partition are dealt with; next is the one after the last that was
	// seen. Where Kafka has that, another process goes on there.
	Done func(partition int32, next int64) int64
	// End is called when the partitions are to go to others. When it returns nothing is done of them any more: they go then.
	End func(partitions []int32)
}

const (
	// missed is after how long without a word a process counts as dead, and its partitions go to others.
	missed = 10 * time.Second
	// giveBack is how long a process may take until it has given back its partitions.
	giveBack = 90 * time.Second
	// commitEvery is how often it is kept how far records are dealt with.
	commitEvery = time.Second
)

// Share shares until ctx ends, and then gives back what it has and returns nil. While Kafka is away it tries again, and says so.
//
// When a process joins or leaves all give back all partitions before they are dealt out anew: there is no moment in which two have
// one. A process that stood still for longer finds its partitions gone when it wakes up.
func Share(ctx context.Context, c Config, s Sharing) error {
	if err := c.Validate(); err != nil {
		return err
	}
	for tries := 0; ctx.Err() == nil; tries++ {
		began := time.Now()
		err := c.shareOnce(ctx, s)
		if ctx.Err() != nil {
			return nil
		}
		c.warn("kafka deals out no partitions just now", fmt.Errorf("share topic %s at %s: %w", s.Topic, strings.Join(c.Brokers, ","), err))
		if time.Since(began) > time.Minute {
			tries = 0
		}
		wait(ctx, backoff(tries))
	}
	return nil
}

// shareOnce joins the group, and shares until something fails or ctx ends.
func (c Config) shareOnce(ctx context.Context, s Sharing) (err error) {
	late, done := afterGrace(ctx)
	defer done()
	library := until(late, c.sarama())
	library.ChannelBufferSize = 64
	library.Consumer.Return.Errors = true
	library.Consumer.Offsets.Initial, library.Consumer.Offsets.AutoCommit.Enable = sarama.OffsetOldest, false
	g := &library.Consumer.Group
	g.Session.Timeout, g.Heartbeat.Interval, g.Rebalance.Timeout, g.Rebalance.Retry.Max = missed, missed/4, giveBack, 2
	g.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
	group, err := sarama.NewConsumerGroup(c.Brokers, s.Group, library)
	if err != nil {
		return err
	}
	var told sync.WaitGroup
	told.Go(func() { // until the group is closed
		for failed := range group.Errors() {
			c.warn("a record could not be read from kafka", failed)
		}
	})
	defer func() {
		err = errors.Join(err, group.Close())
		told.Wait()
	}()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{s.Topic}, sharing{s}); err != nil {
			return err
		}
	}
	return nil
}

// sharing is what the library calls.
type sharing struct {
	Sharing
}

// Setup is called when the partitions are dealt out.
func (s sharing) Setup(session sarama.ConsumerGroupSession) error {
	return s.Begin(session.Context(), slices.Clone(session.Claims()[s.Topic]))
}

// Cleanup is called when all ConsumeClaim have returned.
func (s sharing) Cleanup(session sarama.ConsumerGroupSession) error {
	s.End(slices.Clone(session.Claims()[s.Topic]))
	return nil
}

// ConsumeClaim reads one partition until it is to be given back.
func (s sharing) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	next, kept := claim.InitialOffset(), claim.InitialOffset()
	keep := func() {
		if done := s.Done(claim.Partition(), next); next >= 0 && done > kept {
			session.MarkOffset(s.Topic, claim.Partition(), done, "")
			session.Commit()
			kept = done
		}
	}
	for {
		select {
		case m, more := <-claim.Messages():
			if !more {
				keep()
				return nil
			}
			s.See(Record{m.Topic, m.Partition, m.Offset, m.Timestamp, m.Key, m.Value, m.Headers})
			next = m.Offset + 1
		case <-tick.C:
			keep()
		case <-session.Context().Done():
			keep()
			return nil
		}
	}
}
