package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/schematest"
)

func aVerdict() results.Verdict {
	return results.Verdict{Schema: results.Schema, BMC: "a", Round: checks.Round{BMC: "a", Due: time.Now(), Why: checks.Routine}, Trail: []checks.Result{}}
}

func TestVerdictsGoToKafkaAndWhereElseTheConfigurationSays(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "bmc.verdict.v1"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	dir := t.TempDir()
	for i, verdicts := range []string{filepath.Join(dir, "verdicts.ndjson"), "-", noFile} {
		c := DefaultConfig()
		c.Site, c.Satellite, c.Verdicts = "ams1", "sat-a", verdicts
		c.Kafka.Brokers, c.Kafka.Spool = cluster.ListenAddrs(), filepath.Join(dir, "spool")
		var stdout strings.Builder
		sink, err := c.openSinks(t.Context(), &stdout, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := sink.Emit(t.Context(), aVerdict()); err != nil {
			t.Error(err)
		}
		fetchOne(t, cluster.ListenAddrs(), int64(i))
		sink.close()
		if (stdout.Len() > 0) != (verdicts == "-") {
			t.Errorf("verdicts: %s, and stdout has %q", verdicts, stdout.String())
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "verdicts.ndjson")); err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("the file has %q, %v", text, err)
	}
}

func TestReadinessNamesTheTopicsThatAreMissing(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "bmc.verdict.v1", "bmc.dead.v1"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	broker := cluster.ListenAddrs()[0]
	r := goRound(t, racks(t, 5), time.Second, fmt.Sprintf("listen: 127.0.0.1:0\nkafka: {brokers: [%q], spool: %s}\n", broker, filepath.Join(t.TempDir(), "spool")))
	eventually(t, 20*time.Second, "the missing topic is named", func() bool {
		code, text := r.endpoint(t, "/readyz")
		return code == 503 && strings.Contains(text, "topics: there is no topic bmc.audit.v1; lamplighter topics create --brokers "+broker)
	})
	if out := lamplighter(t, "topics", "create", "--brokers", broker, "--replicas", "1"); !strings.Contains(out.stdout, "bmc.audit.v1: created\n") {
		t.Errorf("topics create: %+v", out)
	}
	eventually(t, 20*time.Second, "it is ready", func() bool {
		code, text := r.endpoint(t, "/readyz")
		return code == 200 && strings.Contains(text, "topics: ok\n")
	})
}

// fetchOne waits for the verdict at an offset.
func fetchOne(t *testing.T, brokers []string, offset int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"bmc.verdict.v1": {0: kgo.NewOffset().At(offset)}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	records := client.PollFetches(t.Context()).Records() // the test's own deadline bounds it
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	schematest.Validate(t, "verdict.v1", records[0].Value)
}

func TestAPasswordOfKafkasIsReadFromAFileOfItsOwnersOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	k := Kafka{Brokers: []string{"k:1"}, Login: "SCRAM-SHA-512", User: "u", PasswordFile: path}
	for name, test := range map[string]struct {
		mode os.FileMode
		want string
	}{
		"its owner's": {0o600, ""},
		"everybody's": {0o644, "login to kafka"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte("s3cret-kafka\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			c, err := k.connection(t.Context())
			if test.want == "" {
				if err != nil || c.Login.Password.Reveal() != "s3cret-kafka" {
					t.Errorf("got %v", err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v", err)
			}
		})
	}
}
