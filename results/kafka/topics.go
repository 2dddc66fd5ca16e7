package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Partitions is how many every topic has. It is never changed: a key would move to another partition, and its order be lost.
const Partitions = 24

// Topic is a topic as it should be.
type Topic struct {
	Name     string
	Settings map[string]string
}

const day = 24 * time.Hour

// Topics are all topics, for a cluster that keeps so many replicas of each record.
func Topics(replicas int) []Topic {
	kept := func(days int) map[string]string {
		return map[string]string{"cleanup.policy": "delete", "retention.ms": ms(time.Duration(days) * day)}
	}
	// The newest record of a key stays for ever; compaction soon, so that who starts anew has little to read.
	compacted := func() map[string]string {
		return map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "segment.ms": ms(time.Hour), "delete.retention.ms": ms(7 * day)}
	}
	// The newest record of a key stays as long as records are kept, and every record for a week, for those who count.
	incidents := kept(90)
	incidents["cleanup.policy"], incidents["min.cleanable.dirty.ratio"], incidents["min.compaction.lag.ms"] = "compact,delete", "0.1", ms(7*day)
	topics := []Topic{
		{VerdictTopic, kept(30)},
		{StateTopic, compacted()},
		{ChangeTopic, kept(90)},
		{IncidentTopic, incidents},
		{SilenceTopic, compacted()},
		{TicketTopic, compacted()},
		{InventoryTopic, compacted()},
		{AuditTopic, kept(30)},
		{DeadTopic, kept(30)},
	}
	for _, topic := range topics {
		topic.Settings["min.insync.replicas"] = strconv.Itoa(max(1, replicas-1))
		topic.Settings["unclean.leader.election.enable"] = "false"
		topic.Settings["max.message.bytes"] = strconv.Itoa(4 * maxMessage)
	}
	return topics
}

func ms(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// knownWithin is how long the brokers of a cluster may take until they know of the topics that it says it has made.
const knownWithin = 30 * time.Second

// CreateTopics makes the topics that are missing and returns their names, once the cluster knows them. Those that are there
// stay as they are.
func CreateTopics(c Config, replicas int) (made []string, err error) {
	err = c.asAdmin(func(admin sarama.ClusterAdmin) error {
		for _, topic := range Topics(replicas) {
			settings := map[string]*string{}
			for name, value := range topic.Settings {
				settings[name] = &value
			}
			err := admin.CreateTopic(topic.Name, &sarama.TopicDetail{NumPartitions: Partitions, ReplicationFactor: int16(replicas), ConfigEntries: settings}, false)
			if errors.Is(err, sarama.ErrTopicAlreadyExists) {
				continue
			}
			if err != nil {
				return fmt.Errorf("create topic %s: %w", topic.Name, err)
			}
			made = append(made, topic.Name)
		}
		return untilKnown(admin, Topics(replicas))
	})
	return made, err
}

// untilKnown waits until the cluster knows all topics.
func untilKnown(admin sarama.ClusterAdmin, wanted []Topic) error {
	ctx, cancel := context.WithTimeout(context.Background(), knownWithin)
	defer cancel()
	for {
		known, err := foundTopics(admin, wanted)
		if err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) && !errors.Is(err, sarama.ErrLeaderNotAvailable) {
			return err
		}
		if err == nil && len(known) == len(wanted) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wait for the topics that were made: after %v the brokers know %d of %d", knownWithin, len(known), len(wanted))
		}
		wait(ctx, 100*time.Millisecond)
	}
}

// CheckTopics says, one line for each, what is not as it should be.
func CheckTopics(c Config, replicas int) (differences []string, err error) {
	err = c.asAdmin(func(admin sarama.ClusterAdmin) error {
		found, err := foundTopics(admin, Topics(replicas))
		if err != nil {
			return err
		}
		differences = compare(Topics(replicas), found, replicas)
		return nil
	})
	return differences, err
}

// found is a topic as it is.
type found struct {
	partitions int
	replicas   int // the fewest of a partition
	settings   map[string]string
}

func foundTopics(admin sarama.ClusterAdmin, wanted []Topic) (map[string]found, error) {
	var names []string
	for _, topic := range wanted {
		names = append(names, topic.Name)
	}
	described, err := admin.DescribeTopics(names)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	all := map[string]found{}
	for _, topic := range described {
		if errors.Is(topic.Err, sarama.ErrUnknownTopicOrPartition) {
			continue
		}
		if !errors.Is(topic.Err, sarama.ErrNoError) {
			return nil, fmt.Errorf("describe topic %s: %w", topic.Name, topic.Err)
		}
		all[topic.Name] = found{len(topic.Partitions), fewestReplicas(topic.Partitions), map[string]string{}}
	}
	return all, findSettings(admin, all)
}

func fewestReplicas(partitions []*sarama.PartitionMetadata) int {
	fewest := math.MaxInt
	for _, partition := range partitions {
		fewest = min(fewest, len(partition.Replicas))
	}
	return fewest
}

func findSettings(admin sarama.ClusterAdmin, all map[string]found) error {
	var resources []*sarama.ConfigResource
	for name := range all {
		resources = append(resources, &sarama.ConfigResource{Type: sarama.TopicResource, Name: name})
	}
	if len(resources) == 0 {
		return nil
	}
	described, err := admin.DescribeConfigs(resources, sarama.DescribeConfigsOptions{})
	if err != nil {
		return fmt.Errorf("describe the settings of topics: %w", err)
	}
	for _, topic := range described {
		if topic.ErrorCode != sarama.ErrNoError {
			return fmt.Errorf("describe the settings of topic %s: %w", topic.Name, topic.ErrorCode)
		}
		for _, entry := range topic.Configs {
			all[topic.Name].settings[entry.Name] = entry.Value
		}
	}
	return nil
}

// compare has one line for each difference between what is wanted and what was found.
func compare(wanted []Topic, all map[string]found, replicas int) (differences []string) {
	for _, topic := range wanted {
		differ := func(what, want, got string) {
			if want != got {
				differences = append(differences, fmt.Sprintf("%s: %s: want %s, got %s", topic.Name, what, want, got))
			}
		}
		f, ok := all[topic.Name]
		if !ok {
			differences = append(differences, topic.Name+": there is no such topic")
			continue
		}
		differ("partitions", strconv.Itoa(Partitions), strconv.Itoa(f.partitions))
		differ("replicas", strconv.Itoa(replicas), strconv.Itoa(f.replicas))
		for _, name := range slices.Sorted(maps.Keys(topic.Settings)) {
			got := f.settings[name]
			if got == "" {
				got = "none"
			}
			differ(name, topic.Settings[name], got)
		}
	}
	return differences
}

// asAdmin connects for do.
func (c Config) asAdmin(do func(sarama.ClusterAdmin) error) (err error) {
	if err := c.Validate(); err != nil {
		return err
	}
	library := c.sarama()
	library.Metadata.Full = true // it connects by asking for all topics
	admin, err := sarama.NewClusterAdmin(c.Brokers, library)
	if err != nil {
		return fmt.Errorf("connect to kafka at %s: %w", strings.Join(c.Brokers, ","), err)
	}
	return errors.Join(do(admin), admin.Close())
}
