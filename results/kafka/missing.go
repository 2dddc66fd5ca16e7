package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/IBM/sarama"
)

// Missing says which topics are not on Kafka though records go there. The first record for one of them waits in the spool until
// it is made, and all that come after it wait behind it.
type Missing struct {
	Brokers, Topics []string
}

func (m *Missing) Error() string {
	return fmt.Sprintf("there is no topic %s; lamplighter topics create --brokers %s makes what is missing",
		strings.Join(m.Topics, ", "), strings.Join(m.Brokers, ","))
}

// missing is nil when there are all topics that records go to, as far as Kafka says: whatever else is wrong with a topic, its
// records will show.
func (p *producer) missing() *Missing {
	m := Missing{Brokers: p.config.Brokers}
	for _, topic := range []string{VerdictTopic, AuditTopic, DeadTopic} {
		if err := p.client.RefreshMetadata(topic); errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
			m.Topics = append(m.Topics, topic)
		}
	}
	if len(m.Topics) == 0 {
		return nil
	}
	return &m
}

// lacks notes which topics are missing, and says so when it is news.
func (s *Sink) lacks(m *Missing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m != nil && (s.missing == nil || !slices.Equal(s.missing.Topics, m.Topics)) {
		s.log.Error("kafka lacks topics", "error", m)
	}
	s.missing = m
}

// Missing says which topics Kafka lacks, as a *Missing, or is nil while none is known to be missing.
func (s *Sink) Missing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missing == nil {
		return nil // not a *Missing that is nil
	}
	return s.missing
}
