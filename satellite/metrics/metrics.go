// Package metrics counts what a satellite does, for Prometheus, and says over HTTP whether it lives and is ready.
//
// The roles all and satellite make one Metrics and hand it to what has numbers: as the observer of results, around the sink,
// and as functions that are asked at each scrape. No check, actor or bus knows of it. Labels come from closed lists, so no
// BMC's ID, which is not ours to publish and of which there are thousands, can become one. docs/metrics.md lists all.
package metrics

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"lamplighter/checks"
	"lamplighter/results"
)

// other stands for every text that is not in a label's list.
const other = "other"

var (
	whys     = []string{string(checks.Routine), string(checks.Confirm), string(checks.Person), string(checks.Look)}
	outcomes = []string{checks.OutcomeUnknown.String(), checks.OK.String(), checks.Failed.String()}
	skips    = []string{"overload", "running", "stopped"}
	healths  = []string{checks.Unknown.String(), checks.Available.String(), checks.Degraded.String(), checks.Unavailable.String()}
	names    = func() (all []string) {
		for _, check := range checks.Default() {
			all = append(all, string(check.Name))
		}
		return all
	}()
	reasons = func() []string {
		all := []string{""}
		for _, info := range checks.Reasons {
			all = append(all, string(info.Reason))
		}
		return all
	}()
)

// closed is text if it is one of a label's values.
func closed(values []string, text string) string {
	if slices.Contains(values, text) {
		return text
	}
	return other
}

// Metrics are the numbers of one satellite. All methods are safe for concurrent use; what asks is set before Server.Run.
type Metrics struct {
	registry                 *prometheus.Registry
	rounds, results, skipped *prometheus.CounterVec
	opinions, looked         *prometheus.CounterVec
	durations                *prometheus.HistogramVec
	lateness                 prometheus.Histogram

	polled func(context.Context)
	mu     sync.Mutex // guards depths
	depths map[string]int
}

// New makes the numbers of a satellite of this version of the program; nothing runs.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), polled: func(context.Context) {}, depths: map[string]int{},
		rounds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lamplighter_rounds_total", Help: "Rounds that ended, with a verdict that is kept, by why they were made and the health they found.",
		}, []string{"why", "health"}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lamplighter_results_total", Help: "Results of checks, by outcome and reason; the reason is empty when ok.",
		}, []string{"check", "outcome", "reason"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lamplighter_rounds_skipped_total", Help: "Routine rounds that were not started: overload (no visit was free in time), running (the one before still ran), stopped (by a person).",
		}, []string{"why"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lamplighter_check_duration_seconds", Help: "How long checks took.",
			Buckets: []float64{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"check"}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lamplighter_round_lateness_seconds", Help: "How long after they were due rounds began to ask.",
			Buckets: []float64{0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300},
		}),
	}
	m.glances()
	m.registry.MustRegister(m.rounds, m.results, m.skipped, m.durations, m.lateness,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lamplighter_build_info", Help: "1, with the version of the program and of Go as labels."}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(build)
	m.begin()
	return m
}

// begin shows what there is none of yet as 0: a first one would not be seen as an increase.
func (m *Metrics) begin() {
	for _, why := range whys {
		for _, health := range healths {
			m.rounds.WithLabelValues(why, health)
		}
	}
	for _, why := range skips {
		m.skipped.WithLabelValues(why)
	}
	for _, check := range names {
		m.durations.WithLabelValues(check)
	}
}

// Observe counts a result.
func (m *Metrics) Observe(round checks.Round, r checks.Result) {
	check, took := closed(names, string(r.Check)), time.Duration(r.TookMS)*time.Millisecond
	m.results.WithLabelValues(check, closed(outcomes, r.Outcome.String()), closed(reasons, string(r.Reason))).Inc()
	m.durations.WithLabelValues(check).Observe(took.Seconds())
	if check == names[0] {
		m.lateness.Observe(max(0, r.At.Add(-took).Sub(round.Due).Seconds()))
	}
}

// Ended counts a round by its verdict.
func (m *Metrics) Ended(v results.Verdict) {
	m.rounds.WithLabelValues(closed(whys, string(v.Round.Why)), closed(healths, v.Health.String())).Inc()
}

// Skipped counts a routine round that was not started.
func (m *Metrics) Skipped(_ checks.Round, why string) {
	m.skipped.WithLabelValues(closed(skips, why)).Inc()
}

// Counting is a sink that counts the verdicts that to keeps.
func (m *Metrics) Counting(to results.Sink) results.Sink {
	return results.Func(func(ctx context.Context, v results.Verdict) error {
		err := to.Emit(ctx, v)
		if err == nil {
			m.Ended(v)
		}
		return err
	})
}
