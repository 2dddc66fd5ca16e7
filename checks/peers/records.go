package peers

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Records are those of a topic, from its beginning to what is its end now. A consumer of another make than ours reads them.
func Records(t testing.TB, topic string, brokers ...string) (all []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const (
		quiet   = time.Second      // nothing more came for so long: that was all
		patient = 20 * time.Second // nothing came at all: on a loaded machine that takes its time
	)
	for last := time.Now(); time.Since(last) < quiet || len(all) == 0 && time.Since(last) < patient; {
		ctx, cancel := context.WithTimeout(t.Context(), quiet/2)
		more := client.PollFetches(ctx).Records()
		cancel()
		if len(more) > 0 {
			last = time.Now()
		}
		all = append(all, more...)
	}
	return all
}
