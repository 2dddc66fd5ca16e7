package kafka

import (
	"maps"
	"slices"
	"testing"
)

func TestCompareTopics(t *testing.T) {
	as := func(change func(*found)) map[string]found {
		all := map[string]found{}
		for _, topic := range Topics(3) {
			all[topic.Name] = found{Partitions, 3, maps.Clone(topic.Settings)}
		}
		f := all[VerdictTopic]
		change(&f)
		all[VerdictTopic] = f
		return all
	}
	for name, test := range map[string]struct {
		found map[string]found
		want  []string
	}{
		"all is as it should be":          {as(func(*found) {}), nil},
		"settings of others do not count": {as(func(f *found) { f.settings["flush.ms"] = "1" }), nil},
		"other partitions":                {as(func(f *found) { f.partitions = 6 }), []string{"bmc.verdict.v1: partitions: want 24, got 6"}},
		"fewer replicas":                  {as(func(f *found) { f.replicas = 1 }), []string{"bmc.verdict.v1: replicas: want 3, got 1"}},
		"another setting":                 {as(func(f *found) { f.settings["cleanup.policy"] = "compact" }), []string{"bmc.verdict.v1: cleanup.policy: want delete, got compact"}},
		"a setting that the broker does not know": {as(func(f *found) { delete(f.settings, "retention.ms") }),
			[]string{"bmc.verdict.v1: retention.ms: want 2592000000, got none"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := compare(Topics(3), test.found, 3); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := compare(Topics(3), nil, 3); len(got) != 9 || got[0] != "bmc.verdict.v1: there is no such topic" {
		t.Errorf("got %q", got)
	}
}

func TestFewerReplicasThatMustBeInSync(t *testing.T) {
	for replicas, want := range map[int]string{1: "1", 2: "1", 3: "2", 5: "4"} {
		if got := Topics(replicas)[0].Settings["min.insync.replicas"]; got != want {
			t.Errorf("%d replicas: min.insync.replicas %s, want %s", replicas, got, want)
		}
	}
}
