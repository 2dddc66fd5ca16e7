package kafka_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/checks/peers"
	"lamplighter/results/kafka"
)

// said is what a sink logs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A satellite that was set up before its topics says which are missing and what makes them, loses nothing, and goes on by itself.
func TestTopicsThatAreMissingAreNamedAndVerdictsWaitForThem(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(24, kafka.DeadTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var log said
	c := config(t.TempDir(), cluster.ListenAddrs()...)
	c.Patience, c.Log = 300*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil))
	sink := runAs(t, c)
	defer sink.stop()
	until(t, "the missing topics are known", 20*time.Second, func() bool { return sink.Missing() != nil })
	want := "there is no topic bmc.verdict.v1, bmc.audit.v1; lamplighter topics create --brokers " + c.Brokers[0] + " makes what is missing"
	if got := sink.Missing().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := strings.Count(log.String(), "kafka lacks topics"); n != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("said %d times at once:\n%s", n, log.String())
	}
	all := emitted{bmcs: 10, to: 5}
	emit(t, sink, all)
	if stats := sink.Stats(); stats.Live || stats.Spooled != 50 {
		t.Errorf("%+v", stats)
	}
	if made, err := kafka.CreateTopics(c, 1); err != nil || len(made) != 8 {
		t.Fatalf("made %v, %v", made, err)
	}
	sink.untilDrained(t, 30*time.Second)
	until(t, "no topic is missing any more", 20*time.Second, func() bool { return sink.Missing() == nil })
	check(t, peers.Records(t, kafka.VerdictTopic, c.Brokers...), all)
}

// One that is rarely written to does not keep verdicts back; it is named all the same, until it is made.
func TestVerdictsFlowWhileATopicOfOthersIsMissing(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(24, kafka.VerdictTopic, kafka.AuditTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c := config(t.TempDir(), cluster.ListenAddrs()...)
	sink := run(t, c)
	defer sink.stop()
	until(t, "it is live and says what is missing", 20*time.Second, func() bool { return sink.Stats().Live && sink.Missing() != nil })
	all := emitted{bmcs: 10, to: 2}
	emit(t, sink, all)
	if stats := sink.Stats(); stats.Spooled != 0 {
		t.Errorf("%+v", stats)
	}
	check(t, peers.Records(t, kafka.VerdictTopic, c.Brokers...), all)
	if made, err := kafka.CreateTopics(c, 1); err != nil || len(made) != 7 {
		t.Fatalf("made %v, %v", made, err)
	}
	until(t, "no topic is missing any more", 20*time.Second, func() bool { return sink.Missing() == nil })
}
