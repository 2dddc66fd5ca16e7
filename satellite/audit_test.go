package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/results/spool"
)

// auditedSite is a site of two satellites whose last hour is on Kafka, but for what a test left out.
type auditedSite struct {
	config   string
	fleet    []inventory.BMC
	from, to time.Time
	sinks    map[string]*kafka.Sink
	rounds   []checks.Round
}

const auditedInterval = 5 * time.Minute

func newAuditedSite(t *testing.T, address string, bmcs int) *auditedSite {
	t.Helper()
	dir := t.TempDir()
	var csv strings.Builder
	csv.WriteString("id,address,site\n")
	now := time.Now().UTC().Truncate(time.Minute)
	s := &auditedSite{config: filepath.Join(dir, "lamplighter.yaml"), from: now.Add(-55 * time.Minute), to: now.Add(-5 * time.Minute), sinks: map[string]*kafka.Sink{}}
	for i := range bmcs {
		id := inventory.ID(fmt.Sprintf("ams1-%04d", i))
		s.fleet = append(s.fleet, inventory.BMC{ID: id, Site: "ams1"})
		fmt.Fprintf(&csv, "%s,10.0.%d.%d,ams1\n", id, i/250, i%250+1)
		for due := checks.Due(id, auditedInterval, s.from); due.Before(s.to); due = due.Add(auditedInterval) {
			s.rounds = append(s.rounds, checks.Round{BMC: id, Due: due, Why: checks.Routine})
		}
	}
	slices.SortFunc(s.rounds, func(a, b checks.Round) int { return a.Due.Compare(b.Due) })
	yaml := fmt.Sprintf("site: ams1\nsatellite: auditor\ninventory: %s/bmcs.csv\nkeyring: env\nkafka:\n  brokers: [%q]\n", dir, address)
	for name, text := range map[string]string{"bmcs.csv": csv.String(), "lamplighter.yaml": yaml} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sat-a", "sat-b"} {
		s.sinks[name] = s.open(t, name, address)
	}
	return s
}

func (s *auditedSite) open(t *testing.T, name, address string) *kafka.Sink {
	sink, err := kafka.Open(kafka.Config{Brokers: []string{address}, Site: "ams1", Satellite: name,
		Spool: spool.Config{Dir: t.TempDir(), Limits: spool.Limits{Bytes: 1 << 30}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var group sync.WaitGroup
	group.Go(func() { _ = sink.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
	})
	return sink
}

// owner is who goes round a BMC; sat-a is dead for five minutes, and sat-b has its BMCs.
func (s *auditedSite) owner(round checks.Round) string {
	if s.dead(round.Due) || checks.Spread(round.BMC, "owner")%2 == 1 {
		return "sat-b"
	}
	return "sat-a"
}

func (s *auditedSite) dead(due time.Time) bool {
	since := due.Sub(s.from)
	return since >= 20*time.Minute && since < 25*time.Minute
}

// put puts records on Kafka, many at once.
func (s *auditedSite) put(t *testing.T, satellite string, records []spool.Record) {
	t.Helper()
	var group sync.WaitGroup
	for chunk := range slices.Chunk(records, max(1, len(records)/200)) {
		group.Go(func() {
			for _, r := range chunk {
				if err := s.sinks[satellite].Record(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func must(r spool.Record, err error) spool.Record {
	if err != nil {
		panic(err)
	}
	return r
}

// live puts on Kafka what the satellites have to say of all rounds; place says what becomes of one: "" nothing special.
func (s *auditedSite) live(t *testing.T, place func(int) string) {
	t.Helper()
	records := map[string][]spool.Record{}
	tallies := map[string]*results.Tally{}
	for minute := s.from; minute.Before(s.to); minute = minute.Add(time.Minute) {
		for satellite := range s.sinks {
			if satellite == "sat-a" && (s.dead(minute) || s.dead(minute.Add(3*time.Minute))) {
				continue // it was killed before it said so
			}
			for _, tier := range []results.Tier{results.Started, results.Judged} {
				tallies[fmt.Sprint(satellite, tier, minute)] = &results.Tally{Schema: results.TallySchema, Site: "ams1", Satellite: satellite,
					Since: s.from.Add(-time.Hour), Tier: tier, Minute: minute, At: minute.Add(2 * time.Minute)}
			}
		}
	}
	count := func(satellite string, tier results.Tier, round checks.Round) {
		if tally := tallies[fmt.Sprint(satellite, tier, round.Due.Truncate(time.Minute))]; tally != nil {
			tally.Rounds++
			tally.Xor ^= results.HashOf(round)
		}
	}
	for i, round := range s.rounds {
		satellite, what := s.owner(round), place(i)
		verdict := must(spool.Of(results.Judge(checks.Task{Round: round}, inventory.BMC{ID: round.BMC}, checks.Default(), satellite, round.Due.Add(2*time.Second))))
		switch what {
		case "skipped":
			records[satellite] = append(records[satellite], must(spool.OfSkip(results.Skip{Schema: results.SkipSchema, Site: "ams1", Satellite: satellite, BMC: round.BMC, Round: round, Why: "overload", At: round.Due})))
		case "twice":
			records[satellite] = append(records[satellite], verdict, verdict)
		case "merged":
			verdict.Rounds = 3
			records[satellite] = append(records[satellite], verdict)
		case "taken over":
			records["sat-b"] = append(records["sat-b"], verdict)
			count("sat-b", results.Judged, round)
			records["sat-a"] = append(records["sat-a"], verdict)
		case "":
			records[satellite] = append(records[satellite], verdict)
		}
		if what == "skipped" || what == "not started" {
			continue
		}
		count(satellite, results.Started, round)
		if what != "started, no verdict" {
			count(satellite, results.Judged, round)
		}
	}
	for _, tally := range tallies {
		records[tally.Satellite] = append(records[tally.Satellite], must(spool.OfTally(*tally)))
	}
	for satellite, all := range records {
		s.put(t, satellite, all)
	}
	deadline := time.Now().Add(time.Minute)
	for _, sink := range s.sinks {
		for sink.Stats().Spool.Records > 0 {
			if time.Now().After(deadline) {
				t.Fatal("the spool was not drained")
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// audit runs lamplighter audit over the site's time.
func (s *auditedSite) audit(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"audit", "--config", s.config, "--from", s.from.Format(time.RFC3339), "--to", s.to.Format(time.RFC3339), "--settle", "1m"}, args...)
	code := execute(t.Context(), args, strings.NewReader(""), &out, &errs)
	if errs.Len() > 0 {
		t.Log(errs.String())
	}
	return code, out.String()
}

func realTopics(t *testing.T) string {
	t.Helper()
	broker := peers.StartKafka(t)
	if code, stdout, stderr := topics(t, "create", "--replicas", "1", "--brokers", broker.Address); code != int(exitOK) && !strings.Contains(stdout, "created") {
		t.Fatalf("exit code %d: %s %s", code, stdout, stderr)
	}
	return broker.Address
}

// 1,000 BMCs for 50 minutes: duplicates, a satellite that is killed with its tallies and comes back, rounds judged by both, skips and merged
// records make nobody look lost; one of 10,000 that is dropped on purpose is named, with the place.
func TestAuditNamesOneOfTenThousand(t *testing.T) {
	s := newAuditedSite(t, realTopics(t), 1000)
	lost := 7777
	for s.dead(s.rounds[lost].Due) {
		lost++
	}
	merged := map[int]bool{}
	s.live(t, func(i int) string {
		switch round := s.rounds[i]; {
		case i == lost:
			return "judged, not on Kafka"
		case round.BMC == s.rounds[17].BMC && i > 3000 && len(merged) < 3:
			merged[i] = true
			if len(merged) == 3 {
				return "merged"
			}
			return "inside"
		case i%50 == 3:
			return "twice"
		case i%100 == 7:
			return "skipped"
		case i%100 == 11 && s.owner(round) == "sat-a": // by sat-b; whoever takes its own round over counts it once
			return "taken over"
		}
		return ""
	})
	code, table := s.audit(t)
	want := fmt.Sprintf("LOST   %s: judged, not on Kafka\n", s.rounds[lost])
	if code != int(exitUnavailable) || !strings.HasPrefix(table, want) || strings.Count(table, "LOST") != 1 || strings.Contains(table, "ALARM") || !strings.Contains(table, "10000 routine rounds of 1000 BMCs") {
		t.Errorf("exit code %d\n%s", code, table)
	}
	t.Log(table)
	checkAuditJSON(t, s, s.rounds[lost])
	for line := range strings.Lines(string(peers.Kcat(t, "-b", s.broker(t), "-C", "-t", kafka.AuditTopic, "-e", "-q", "-f", `%h\t%s\n`))) {
		headers, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		schema := map[bool]string{true: "tally.v1", false: "skip.v1"}[strings.Contains(headers, "ce_type=bmc.tally.v1")]
		schematest.Validate(t, schema, []byte(value))
	}
}

func (s *auditedSite) broker(t *testing.T) string {
	c, err := LoadConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	return c.Kafka.Brokers[0]
}

func checkAuditJSON(t *testing.T, s *auditedSite, lost checks.Round) {
	t.Helper()
	var doc struct {
		Expected, Seen, Merged, Skipped, Lost, Records int
		Satellites                                     []string
		LostRounds                                     []struct{ Round checks.Round } `json:"lost_rounds"`
		Read                                           struct{ Duplicates, Twice, Merged int }
	}
	_, text := s.audit(t, "-o", "json")
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if doc.Expected != 10_000 || doc.Expected != doc.Seen+doc.Merged+doc.Skipped+doc.Lost || len(doc.LostRounds) != 1 || doc.LostRounds[0].Round != lost ||
		doc.Merged != 2 || doc.Read.Duplicates < 100 || doc.Read.Twice < 20 || !slices.Equal(doc.Satellites, []string{"sat-a", "sat-b"}) {
		t.Errorf("%+v", doc)
	}
	code, lines := s.audit(t, "-o", "ndjson")
	if code != int(exitUnavailable) || strings.Count(lines, "\n") != 2 || !strings.HasPrefix(lines, `{"kind":"lost","round":"`+lost.String()) || !strings.Contains(lines, `{"kind":"summary"`) {
		t.Errorf("exit code %d\n%s", code, lines)
	}
}

// A BMC of which nothing is heard raises an alarm; where its rounds were lost is said. Then nothing is missing.
func TestAuditRaisesAnAlarm(t *testing.T) {
	s := newAuditedSite(t, realTopics(t), 20)
	s.live(t, func(i int) string {
		if s.rounds[i].BMC == "ams1-0003" {
			return "not started"
		}
		return ""
	})
	code, table := s.audit(t)
	if code != int(exitUnavailable) || strings.Count(table, "ALARM  ams1-0003: ") != 1 || strings.Count(table, "LOST   ams1-0003@") != 10 || strings.Count(table, ": not started\n")+strings.Count(table, ": not known\n") != 10 || !strings.Contains(table, ": not started\n") {
		t.Errorf("exit code %d\n%s", code, table)
	}
	s.from = s.to // what nobody asked for is not missing
	s.to = s.to.Add(time.Minute)
	var all []spool.Record
	for _, bmc := range s.fleet {
		for due := checks.Due(bmc.ID, auditedInterval, s.from); due.Before(s.to); due = due.Add(auditedInterval) {
			round := checks.Round{BMC: bmc.ID, Due: due, Why: checks.Routine}
			all = append(all, must(spool.Of(results.Judge(checks.Task{Round: round}, bmc, checks.Default(), "sat-a", due))))
		}
	}
	s.put(t, "sat-a", all)
	if code, table := s.audit(t); code != int(exitOK) || !strings.Contains(table, "0 are lost; 0 BMCs are silent") {
		t.Errorf("exit code %d\n%s", code, table)
	}
}

func TestAuditExitCodes(t *testing.T) {
	s := newAuditedSite(t, "127.0.0.1:1", 3)
	bare := filepath.Join(t.TempDir(), "bare.yaml")
	if err := os.WriteFile(bare, []byte("inventory: x\nkeyring: env\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args   []string
		code   exitCode
		stderr string
	}{
		"nobody is there":            {[]string{"--config", s.config}, exitUnknown, "127.0.0.1:1"},
		"no configuration":           {nil, exitUsage, `"config" not set`},
		"no brokers":                 {[]string{"--config", bare}, exitUsage, "kafka.brokers: want at least one"},
		"a time that is none":        {[]string{"--config", s.config, "--from", "noon"}, exitUsage, `--from "noon": want a time`},
		"an end before the start":    {[]string{"--config", s.config, "--from", "1h", "--to", "2h"}, exitUsage, "want a minute before --to"},
		"an output that is none":     {[]string{"--config", s.config, "-o", "xml"}, exitUsage, `--output "xml"`},
		"an end of what has no end":  {[]string{"--config", s.config, "--follow", "--to", "1h"}, exitUsage, "--follow has no end"},
		"json of what has no end":    {[]string{"--config", s.config, "--follow", "-o", "json"}, exitUsage, "not json with --follow"},
		"a time that went backwards": {[]string{"--config", s.config, "--settle", "-1m"}, exitUsage, "not negative"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := execute(t.Context(), append([]string{"audit"}, test.args...), strings.NewReader(""), &out, &errs)
			if code != int(test.code) || !strings.Contains(errs.String(), test.stderr) {
				t.Errorf("exit code %d, printed %q", code, errs.String())
			}
		})
	}
}

// With --follow a loss is said as soon as it is one, and taken back when the verdict comes after all.
func TestAuditFollows(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, kafka.VerdictTopic, kafka.AuditTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := newAuditedSite(t, cluster.ListenAddrs()[0], 20)
	s.live(t, func(i int) string {
		if i == 50 {
			return "judged, not on Kafka"
		}
		return ""
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, errs lockedBuffer
	code := make(chan int)
	settle := time.Since(s.to).Truncate(time.Second) + time.Second // what is due after s.to is not judged yet
	go func() {
		code <- execute(ctx, []string{"audit", "--config", s.config, "--from", s.from.Format(time.RFC3339), "--settle", settle.String(), "--follow"}, strings.NewReader(""), &out, &errs)
	}()
	waitFor := func(text string) {
		for !strings.Contains(out.String(), text) && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
		}
	}
	lost := s.rounds[50]
	waitFor("LOST   " + lost.String() + ": judged, not on Kafka\n")
	s.put(t, "sat-b", []spool.Record{must(spool.Of(results.Judge(checks.Task{Round: lost}, inventory.BMC{ID: lost.BMC}, checks.Default(), "sat-b", time.Now().UTC())))})
	waitFor("LATE   " + lost.String())
	cancel()
	if got := <-code; got != int(exitUnavailable) || strings.Count(out.String(), "LOST") != 1 || !strings.Contains(out.String(), "LATE   "+lost.String()) {
		t.Errorf("exit code %d\n%s%s", got, out.String(), errs.String())
	}
}
