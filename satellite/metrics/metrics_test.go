package metrics

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/kafka"
	"lamplighter/results/spool"
	"lamplighter/results/ticket"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

// everything has every metric that there is, each with a value.
func everything(t *testing.T) *Metrics {
	t.Helper()
	m := New("v1")
	m.Fleet(func() int { return 500 })
	m.Stopped(func() bool { return false })
	m.Inventory(func() (inventory.Register, inventory.Status) {
		return inventory.Register{Number: 4, Withheld: &inventory.Withheld{Gone: 9}, Conflicts: []inventory.Conflict{{Kind: inventory.Outside}, {Kind: inventory.NoRack}}},
			inventory.Status{Synced: time.Now().Add(-time.Minute)}
	})
	m.HealthFields(func() (int, error) { return 3, nil })
	m.Keyring(func() inventory.KeyringHealth {
		return inventory.KeyringHealth{Secrets: 5, Oldest: time.Now().Add(-time.Minute), StaleUses: 2, Failing: 1, Err: inventory.ErrAway}
	})
	m.Visits(func() int { return 7 })
	m.View(func() int { return 2 })
	m.Fences(func() Fences { return Fences{Paused: 1, Final: 2, Unsure: 3} })
	m.Bus(func() amqp.State { return amqp.State{Connected: true, Unroutable: 4} })
	m.Kafka(func() kafka.Stats {
		return kafka.Stats{Direct: 5, Spooled: 6, Spool: spool.Stats{Records: 8, Bytes: 9, Oldest: time.Now().Add(-time.Minute)}}
	})
	m.Beliefs(func() follow.Stats {
		return follow.Stats{Verdicts: 9, Late: 2, Known: 1, Changes: 3, Refused: map[results.Fault]uint64{results.Broken: 1, "new": 1}}
	}, func() map[checks.Health]int { return map[checks.Health]int{checks.Available: 4} }, func() (int64, error) { return 1 << 20, nil })
	m.Tickets(func() ticket.Numbers {
		return ticket.Numbers{Told: map[ticket.Act]uint64{ticket.Open: 3, "new": 1}, Failures: 2, Dead: 1, Held: 4, Waiting: 5, Desks: map[string]bool{"ops": true}}
	})
	silence := results.Silence{Kind: results.Maintenance, From: time.Now().Add(-48 * time.Hour), Until: time.Now().Add(time.Hour)}
	m.Incidents(func() []results.Incident {
		rack := results.Incident{Status: results.Open, Page: true, Owner: checks.OwnerNetwork, Cause: results.Cause{Kind: results.CauseRack}}
		closed, acked := rack, rack
		closed.Status, acked.Status = results.Resolved, results.Acknowledged
		return []results.Incident{rack, closed, acked}
	}, func() []results.Silence { return []results.Silence{silence} })
	m.Depth(func(_ context.Context, box bus.Mailbox) (int, error) {
		if box == bus.Dead {
			return 0, errors.New("it is away")
		}
		return 10, nil
	}, map[string]bus.Mailbox{"ping": "ams1.ping", "dead": bus.Dead})
	m.polled(t.Context())
	m.Observe(checks.Round{BMC: "a", Why: checks.Routine}, checks.Result{Check: checks.Ping, Outcome: checks.OK})
	return m
}

func gather(t *testing.T, m *Metrics) []*dto.MetricFamily {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func ours(f *dto.MetricFamily) bool { return strings.HasPrefix(f.GetName(), "lamplighter_") }

func TestNamesFollowPrometheusConventions(t *testing.T) {
	problems, err := testutil.GatherAndLint(everything(t).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestNoLabelCanBeABMCsID(t *testing.T) {
	const id = "srv-ams1-0042"
	m := everything(t)
	before := len(gather(t, m))
	for _, text := range []string{id, "", "ping\n", "self.poison ", strings.Repeat("x", 1<<16)} {
		round := checks.Round{BMC: inventory.ID(id), Due: time.Now(), Why: checks.Why(text)}
		m.Observe(round, checks.Result{Check: checks.Name(text), Reason: checks.Reason(text), Error: id, Satellite: id, Facts: checks.Facts{id: id}})
		m.Ended(results.Verdict{BMC: id, Round: round, Failed: checks.Name(text), Reason: checks.Reason(text), Address: id})
		m.Skipped(round, text)
		m.Opined(text)
	}
	families := gather(t, m)
	if len(families) != before {
		t.Errorf("%d families became %d", before, len(families))
	}
	allowed := slices.Concat(whys, outcomes, skips, healths, names, reasons, opinions, []string{other, "yes", "no", "paused", "final", "unsure", "direct", "spooled", "ping", "dead", "news", "late", "known", "ops", "silence", "maintenance"}, faults)
	for _, act := range ticket.Acts {
		allowed = append(allowed, string(act))
	}
	for _, cause := range results.CauseKinds {
		allowed = append(allowed, string(cause))
	}
	for _, owner := range owners {
		allowed = append(allowed, string(owner))
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				if ours(f) && f.GetName() != "lamplighter_build_info" && !slices.Contains(allowed, label.GetValue()) {
					t.Errorf("%s has the label %s=%.40q", f.GetName(), label.GetName(), label.GetValue())
				}
			}
		}
	}
	if text := rendered(families); strings.Contains(text, id) {
		t.Error("the BMC's ID is in it")
	}
}

func rendered(families []*dto.MetricFamily) string {
	var text strings.Builder
	for _, f := range families {
		fmt.Fprintln(&text, f)
	}
	return text.String()
}

// value is the one number of a metric with these labels' values, in the order of their names.
func value(t *testing.T, m *Metrics, name string, labels ...string) float64 {
	t.Helper()
	for _, f := range gather(t, m) {
		for _, metric := range f.GetMetric() {
			var have []string
			for _, label := range metric.GetLabel() {
				have = append(have, label.GetValue())
			}
			if f.GetName() == name && slices.Equal(have, labels) {
				return metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + metric.GetHistogram().GetSampleSum()
			}
		}
	}
	t.Fatalf("no %s%v", name, labels)
	return 0
}

func TestResultsVerdictsAndLatenessAreCounted(t *testing.T) {
	m := New("v1")
	due := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	round := checks.Round{BMC: "a", Due: due, Why: checks.Confirm}
	m.Observe(round, checks.Result{Check: checks.Ping, Outcome: checks.OK, TookMS: 500, At: due.Add(2500 * time.Millisecond)})
	m.Observe(round, checks.Result{Check: checks.TLS, Outcome: checks.Failed, Reason: checks.TLSTimeout, TookMS: 3000, At: due.Add(6 * time.Second)})
	failing := true
	sink := m.Counting(results.Func(func(context.Context, results.Verdict) error {
		if failing {
			return errors.New("full")
		}
		return nil
	}))
	v := results.Verdict{Round: round, Health: checks.Unavailable}
	if err := sink.Emit(t.Context(), v); err == nil {
		t.Error("the sink's error is lost")
	}
	failing = false
	if err := sink.Emit(t.Context(), v); err != nil {
		t.Error(err)
	}
	m.Opined("disagree")
	m.Looked(true)
	for _, test := range []struct {
		want float64
		name string
		by   []string
	}{
		{1, "lamplighter_second_opinions_total", []string{"disagree"}},
		{0, "lamplighter_second_opinions_total", []string{"agree"}},
		{1, "lamplighter_look_round_bmcs_total", []string{"no"}},
		{0, "lamplighter_look_round_bmcs_total", []string{"yes"}},
		{1, "lamplighter_results_total", []string{"ping", "ok", ""}},
		{1, "lamplighter_results_total", []string{"tls", "failed", "tls.timeout"}},
		{3, "lamplighter_check_duration_seconds", []string{"tls"}},
		{2, "lamplighter_round_lateness_seconds", nil},
		{1, "lamplighter_rounds_total", []string{"unavailable", "confirm"}},
		{0, "lamplighter_rounds_skipped_total", []string{"overload"}},
	} {
		if got := value(t, m, test.name, test.by...); got != test.want {
			t.Errorf("%s%v is %v, want %v", test.name, test.by, got, test.want)
		}
	}
}

func TestADepthThatCannotBeAskedForIsNotShown(t *testing.T) {
	m := everything(t)
	if value(t, m, "lamplighter_mailbox_messages", "ping") != 10 {
		t.Error("want 10 in ping")
	}
	if strings.Contains(rendered(gather(t, m)), `value:"dead"`) {
		t.Error("the mailbox that could not be asked for has a number")
	}
	if age := value(t, m, "lamplighter_spool_age_seconds"); age < 60 || age > 120 {
		t.Errorf("the spool's age is %v s", age)
	}
}

// row is a metric's line in the documentation.
func row(f *dto.MetricFamily) string {
	var labels []string
	for _, label := range f.GetMetric()[0].GetLabel() {
		labels = append(labels, "`"+label.GetName()+"`")
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
}

func TestTheDocumentationListsEveryMetric(t *testing.T) {
	const path = "../../docs/metrics.md"
	var want []string
	for _, f := range gather(t, everything(t)) {
		if ours(f) {
			want = append(want, row(f))
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `lamplighter_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s should have these lines:\n%s", path, strings.Join(want, "\n"))
	}
}

// rules is the shape of a Prometheus rule file; strict, so that a key in the wrong place is found.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert       string
			Expr        string
			For         string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func TestTheExampleAlertsAreAboutMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file rules
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, f := range gather(t, everything(t)) {
		known = append(known, f.GetName())
		if f.GetType() == dto.MetricType_HISTOGRAM {
			known = append(known, f.GetName()+"_bucket", f.GetName()+"_sum", f.GetName()+"_count")
		}
	}
	seen := map[string]bool{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			used := regexp.MustCompile(`lamplighter_\w+`).FindAllString(rule.Expr, -1)
			for _, name := range used {
				if !slices.Contains(known, name) {
					t.Errorf("%s asks for %s, which there is not", rule.Alert, name)
				}
			}
			_, err := time.ParseDuration(rule.For)
			if seen[rule.Alert] || rule.Alert == "" || group.Name == "" || len(used) == 0 && !strings.HasPrefix(rule.Expr, "up{") ||
				err != nil || rule.Annotations["summary"] == "" || rule.Labels["severity"] == "" || strings.Count(rule.Expr, "(") != strings.Count(rule.Expr, ")") {
				t.Errorf("%s/%s: want one name, an expression about our metrics, for, severity, summary", group.Name, rule.Alert)
			}
			seen[rule.Alert] = true
		}
	}
	if len(seen) < 8 {
		t.Errorf("%d alerts", len(seen))
	}
}
