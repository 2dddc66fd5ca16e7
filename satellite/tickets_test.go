package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/checks/peers"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/kafka"
	"lamplighter/results/schematest"
	"lamplighter/results/ticket/standin"
)

// incidentSource writes incidents to Kafka, as the role results does.
type incidentSource struct {
	post kafka.Post
	all  []results.Incident
}

func newIncidentSource(t *testing.T, broker *peers.Kafka) *incidentSource {
	t.Helper()
	s := &incidentSource{post: kafka.Post{Config: kafka.Config{Brokers: []string{broker.Address}, Satellite: "test"}}}
	t.Cleanup(s.post.Close)
	return s
}

// add makes so many incidents more.
func (s *incidentSource) add(n int) {
	for range n {
		id := fmt.Sprintf("inc-%03d", len(s.all))
		s.all = append(s.all, results.Incident{
			Schema: results.IncidentSchema, ID: id, Status: results.Open, Title: "looks like BMC " + id, Cause: results.Cause{Kind: results.CauseBMC, Key: id, Name: "BMC " + id},
			Health: checks.Unavailable, Failed: checks.Ping, Reason: checks.NetTimeout, Owner: checks.OwnerNetwork, NextStep: "ping the switch", Evidence: []string{"ping 10.0.0.1: no answer"},
			Site: "ams1", Since: time.Now().UTC(), OpenedAt: time.Now().UTC(), Total: 1, Failing: 1, Page: true,
		})
	}
}

// tell sends all from one on, after a change.
func (s *incidentSource) tell(t *testing.T, from int, change func(*results.Incident)) {
	t.Helper()
	var letters []kafka.Letter
	for n := range s.all[from:] {
		i := &s.all[from+n]
		i.Seq, i.UpdatedAt = i.Seq+1, time.Now().UTC()
		if change != nil {
			change(i)
		}
		doc, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, kafka.Letter{Topic: kafka.IncidentTopic, Key: i.ID, ID: fmt.Sprintf("%s/%d", i.ID, i.Seq), At: i.UpdatedAt, Value: doc})
	}
	if _, err := s.post.Send(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
}

func recovered(i *results.Incident) {
	i.Status, i.Closed, i.Failing, i.ClosedAt = results.Resolved, results.Recovered, 0, time.Now().UTC()
}

// clerkConfig is of a process that tells a stand-in for Jira.
func clerkConfig(t *testing.T, broker *peers.Kafka, j *standin.Jira, name, more string) string {
	t.Helper()
	dir := t.TempDir()
	path, token := filepath.Join(dir, name+".yaml"), filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(j.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, path, fmt.Sprintf(`satellite: %s
listen: 127.0.0.1:0
kafka: {brokers: [%q]}
tickets:
  link: https://lamplighter.example/incidents/{id}
  storm_most: 1000
  comment_every: 1s
  desks:
    ops: {kind: jira, url: %q, user: %s, token_file: %s, project: OPS%s}
`, name, broker.Address, j.URL, j.User, token, more))
	return path
}

// labels are how often each incident has an issue that is open, and has one at all.
func issuesOf(j *standin.Jira) (open, all map[string]int) {
	open, all = map[string]int{}, map[string]int{}
	for _, i := range j.Issues() {
		n := slices.IndexFunc(i.Labels, func(l string) bool { return strings.HasPrefix(l, "lamplighter-") })
		all[i.Labels[n]]++
		if !i.Done() {
			open[i.Labels[n]]++
		}
	}
	return open, all
}

// most is the highest count.
func most(counts map[string]int) (n int) {
	for _, c := range counts {
		n = max(n, c)
	}
	return n
}

// Two processes over a real Kafka, and a stand-in for Jira that is slow, away, and refuses.
func TestTwoProcessesOpenOneTicketEachWhateverHappens(t *testing.T) {
	t.Parallel()
	broker, j := peers.StartKafka(t), standin.StartJira(t, false)
	eventually(t, 30*time.Second, "topics", func() bool {
		return lamplighter(t, "topics", "create", "--brokers", broker.Address, "--replicas", "1").code == 0
	})
	s := newIncidentSource(t, broker)
	s.add(30)
	s.tell(t, 0, nil)

	dry := start(t, nil, "tickets", "--dry-run", "--config", clerkConfig(t, broker, j, "dry", ""))
	eventually(t, 30*time.Second, "the dry run prints 30 tickets", func() bool {
		return strings.Count(dry.stdout.String(), "ops: would open ams1: looks like BMC inc-") == 30 && strings.Contains(dry.stdout.String(), "    Link:      https://lamplighter.example/incidents/inc-029\n")
	})
	if code := dry.signal(t, os.Interrupt, 20*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, dry.stderr.String())
	}
	if n := len(j.Issues()); n != 0 || len(ticketsOn(t, broker)) != 0 {
		t.Fatalf("the dry run opened %d issues, and wrote %d tickets", n, len(ticketsOn(t, broker)))
	}

	j.Fault(func(_ http.ResponseWriter, r *http.Request) bool { // slow
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/issue") {
			time.Sleep(50 * time.Millisecond)
		}
		return false
	})
	a := start(t, nil, "tickets", "--config", clerkConfig(t, broker, j, "a", ""))
	b := start(t, nil, "tickets", "--config", clerkConfig(t, broker, j, "b", ""))
	eventually(t, 60*time.Second, "30 tickets", func() bool { open, _ := issuesOf(j); return len(open) == 30 })
	eventually(t, 30*time.Second, "both have half of the partitions", func() bool {
		return strings.Contains(a.stderr.String(), "partitions=12") && strings.Contains(b.stderr.String(), "partitions=12")
	})
	if code, text := a.endpoint(t, "/readyz"); code != 200 || text != "kafka: ok\ndesks: ok\n" {
		t.Errorf("%d %s", code, text)
	}
	s.add(40)
	s.tell(t, 30, nil)
	eventually(t, 30*time.Second, "it has begun with them", func() bool { _, all := issuesOf(j); return len(all) > 35 })
	if a.signal(t, os.Kill, 10*time.Second); b.cmd.ProcessState != nil {
		t.Fatal("both are gone")
	}
	eventually(t, 60*time.Second, "the other goes on", func() bool { open, _ := issuesOf(j); return len(open) == 70 })

	j.Fault(standin.Page(http.StatusServiceUnavailable))
	s.tell(t, 0, recovered)
	eventually(t, 30*time.Second, "it says that the desk is away", func() bool { return strings.Contains(b.stderr.String(), "a web page instead of an answer") })
	a = start(t, nil, "tickets", "--config", clerkConfig(t, broker, j, "a", ""))
	j.Fault(nil)
	eventually(t, 90*time.Second, "all are closed", func() bool { open, _ := issuesOf(j); return len(open) == 0 })
	if _, all := issuesOf(j); len(all) != 70 || most(all) != 1 {
		t.Errorf("%d incidents have an issue, one has %d", len(all), most(all))
	}
	eventually(t, 30*time.Second, "all tickets are written down as closed", func() bool {
		newest := ticketsOn(t, broker)
		return len(newest) == 70 && !slices.ContainsFunc(newest, func(k results.Ticket) bool { return k.Open || k.Ref == "" || k.URL == "" })
	})
	for _, p := range []*process{a, b} {
		if code := p.signal(t, os.Interrupt, 30*time.Second); code != 0 {
			t.Errorf("exit code %d: %s", code, p.stderr.String())
		}
		if strings.Contains(p.stderr.String(), "s3cret") {
			t.Error("the token is in the log")
		}
	}
}

// ticketsOn are the newest tickets that Kafka has.
func ticketsOn(t *testing.T, broker *peers.Kafka) (newest []results.Ticket) {
	t.Helper()
	found := map[string]results.Ticket{}
	for line := range strings.Lines(string(peers.Kcat(t, "-C", "-q", "-b", broker.Address, "-t", "bmc.ticket.v1", "-o", "beginning", "-e", "-f", "%k\t%s\n"))) {
		key, doc, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		schematest.Validate(t, "ticket.v1", []byte(doc))
		var one results.Ticket
		if err := json.Unmarshal([]byte(doc), &one); err != nil || key != one.Incident+"/"+one.Desk {
			t.Fatalf("%s: %s: %v", key, doc, err)
		}
		found[key] = one
	}
	for _, one := range found {
		newest = append(newest, one)
	}
	return newest
}

// lamplighter all and a stand-in for ServiceNow: killed just after a record was made, it makes no second one.
func TestAllTellsItsDesksByItself(t *testing.T) {
	t.Parallel()
	s := standin.StartServiceNow(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(s.Password), 0o600); err != nil {
		t.Fatal(err)
	}
	r := goRound(t, racks(t, 10), time.Second, fmt.Sprintf("timeouts: {ping: 500ms}\ntickets: {desks: {snow: {kind: servicenow, url: %q, user: %s, password_file: %s}}}\n", s.URL, s.User, password), "127.0.0.1:0")
	bmc := r.one(t, inventory.Redfish).ID
	r.until(t, bmc, "")
	r.plant(t, bmc, bmcsim.CertUntrusted)
	states := func() (all []string) {
		for _, record := range s.Records() {
			all = append(all, record["state"])
		}
		return all
	}
	eventually(t, 40*time.Second, "a record", func() bool { return slices.Equal(states(), []string{"1"}) })
	r.signal(t, os.Kill, 10*time.Second)
	r.restart(t)
	r.until(t, bmc, checks.TLSUntrusted)
	r.cure(t, bmc, bmcsim.CertUntrusted)
	eventually(t, 40*time.Second, "it is resolved", func() bool { return slices.Equal(states(), []string{"6"}) })
	if record := s.Records()[0]; !strings.Contains(record["description"], string(bmc)) || !strings.Contains(record["close_notes"], "work again") {
		t.Errorf("%v", record)
	}
	if code := r.signal(t, os.Interrupt, 25*time.Second); code != 0 {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

func TestWhatRoleTicketsMissesInAConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, wrong := filepath.Join(dir, "none.yaml"), filepath.Join(dir, "wrong.yaml")
	write(t, none, "log: {level: info}\n")
	write(t, wrong, fmt.Sprintf("kafka: {brokers: [\"127.0.0.1:1\"]}\ntickets: {desks: {d: {kind: jira, url: \"https://j.example\", user: u, token_file: %s, project: P}}}\n", filepath.Join(dir, "token")))
	if out := lamplighter(t, "tickets", "--config", none); out.code != int(exitUsage) || !strings.Contains(out.stderr, "kafka.brokers: want at least one for role tickets") || !strings.Contains(out.stderr, "tickets.desks: want at least one for role tickets") {
		t.Errorf("%+v", out)
	}
	if out := lamplighter(t, "tickets", "--config", wrong); out.code != int(exitUsage) || !strings.Contains(out.stderr, "tickets.desks.d: stat ") {
		t.Errorf("%+v", out)
	}
}
