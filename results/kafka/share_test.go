package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/results/kafka"
)

// sharer is a process that shares a topic, and notes what it sees.
type sharer struct {
	stop func()

	mu    sync.Mutex // guards the following
	owned map[int32]bool
	seen  map[int64]int // by partition and offset
	began int
	// refused is how often it cannot begin.
	refused int
}

// held are the partitions that two sharers must never have at once.
type held struct {
	mu     sync.Mutex
	owners map[int32]int
	twice  atomic.Bool
}

func (h *held) add(partitions []int32, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range partitions {
		if h.owners[p] += n; h.owners[p] > 1 {
			h.twice.Store(true)
		}
	}
}

func at(partition int32, offset int64) int64 { return int64(partition)<<32 + offset }

func share(t *testing.T, c kafka.Config, all *held, refused int) *sharer {
	t.Helper()
	s := &sharer{owned: map[int32]bool{}, seen: map[int64]int{}, refused: refused}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		err := kafka.Share(ctx, c, kafka.Sharing{
			Topic: kafka.IncidentTopic, Group: "g",
			Begin: func(_ context.Context, partitions []int32) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.began++; s.began <= s.refused {
					return errors.New("not yet")
				}
				all.add(partitions, 1)
				for _, p := range partitions {
					s.owned[p] = true
				}
				return nil
			},
			See: func(r kafka.Record) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if !s.owned[r.Partition] {
					t.Errorf("a record of partition %d, which is not ours", r.Partition)
				}
				s.seen[at(r.Partition, r.Offset)]++
			},
			Done: func(_ int32, next int64) int64 { return next },
			End: func(partitions []int32) {
				s.mu.Lock()
				defer s.mu.Unlock()
				for _, p := range partitions {
					if s.owned[p] {
						all.add([]int32{p}, -1)
					}
					delete(s.owned, p)
				}
			},
		})
		if err != nil {
			t.Error(err)
		}
	})
	s.stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(s.stop)
	return s
}

func (s *sharer) counts() (owned, seen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.owned), len(s.seen)
}

func incidentLetters(from, to int) (all []kafka.Letter) {
	for n := from; n < to; n++ {
		all = append(all, kafka.Letter{Topic: kafka.IncidentTopic, Key: fmt.Sprint("inc-", n), ID: fmt.Sprint(n), At: time.Now(), Value: []byte("{}")})
	}
	return all
}

func TestPartitionsAreSharedAndNeverHeldByTwo(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(24, kafka.IncidentTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c := config(t.TempDir(), cluster.ListenAddrs()...)
	post := kafka.Post{Config: c}
	defer post.Close()
	send := func(from, to int) {
		t.Helper()
		if _, err := post.Send(t.Context(), incidentLetters(from, to)); err != nil {
			t.Fatal(err)
		}
	}
	send(0, 100)
	all := &held{owners: map[int32]int{}}
	first := share(t, c, all, 1) // it cannot begin at the first time
	until(t, "all is seen by one", 30*time.Second, func() bool { owned, seen := first.counts(); return owned == 24 && seen == 100 })
	second := share(t, c, all, 0)
	until(t, "each has half", 30*time.Second, func() bool { a, _ := first.counts(); b, _ := second.counts(); return a == 12 && b == 12 })
	send(100, 200)
	until(t, "both see what comes", 30*time.Second, func() bool {
		first.mu.Lock()
		defer first.mu.Unlock()
		second.mu.Lock()
		defer second.mu.Unlock()
		union := maps.Clone(first.seen)
		maps.Copy(union, second.seen)
		return len(union) == 200
	})
	time.Sleep(1500 * time.Millisecond) // until it is kept how far they came
	first.stop()
	until(t, "the other has all", 30*time.Second, func() bool { b, _ := second.counts(); return b == 24 })
	second.stop()
	third := share(t, c, all, 0)
	send(200, 210)
	until(t, "a third goes on where they ended", 30*time.Second, func() bool { _, seen := third.counts(); return seen >= 10 })
	if _, seen := third.counts(); seen > 60 {
		t.Errorf("%d records were seen again", seen-10)
	}
	if all.twice.Load() {
		t.Error("a partition was held by two at once")
	}
	if owned := slices.Collect(maps.Keys(all.owners)); len(owned) != 24 {
		t.Errorf("partitions %v", owned)
	}
}

func TestSharingWaitsForKafkaAndEnds(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir(), "127.0.0.1:1")
	s := share(t, c, &held{owners: map[int32]int{}}, 0)
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	if s.stop(); time.Since(began) > 5*time.Second {
		t.Errorf("it took %v to end", time.Since(began))
	}
}
