package metrics

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lamplighter/results/kafka"
	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/amqp"
)

// asked is a family of numbers that somebody is asked for at each scrape.
type asked struct {
	kinds []*kind
	ask   func(tell func(k *kind, value float64, labels ...string))
}

// kind is one metric's name and what it means.
type kind struct {
	description *prometheus.Desc
	value       prometheus.ValueType
}

func gauge(name, help string, labels ...string) *kind {
	return &kind{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) *kind {
	return &kind{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

// Describe implements prometheus.Collector.
func (a asked) Describe(to chan<- *prometheus.Desc) {
	for _, k := range a.kinds {
		to <- k.description
	}
}

// Collect implements prometheus.Collector.
func (a asked) Collect(to chan<- prometheus.Metric) {
	a.ask(func(k *kind, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(k.description, k.value, value, labels...)
	})
}

// one registers a metric with one value.
func (m *Metrics) one(k *kind, value func() float64) {
	m.registry.MustRegister(asked{[]*kind{k}, func(tell func(*kind, float64, ...string)) { tell(k, value()) }})
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Fleet has count asked for how many BMCs there are.
func (m *Metrics) Fleet(count func() int) {
	m.one(gauge("lamplighter_fleet_bmcs", "BMCs of the inventory that are the site's."), func() float64 { return float64(count()) })
}

// Stopped has on asked whether a person stopped the site.
func (m *Metrics) Stopped(on func() bool) {
	m.one(gauge("lamplighter_stopped", "1 while a person has stopped all probes of the site."), func() float64 { return number(on()) })
}

// Visits has open asked for how many BMCs are being visited.
func (m *Metrics) Visits(open func() int) {
	m.one(gauge("lamplighter_open_visits", "BMCs that this satellite visits, each with at most one session open."), func() float64 { return float64(open()) })
}

// View has members asked for how many satellites this one sees, itself included.
func (m *Metrics) View(members func() int) {
	m.one(gauge("lamplighter_view_satellites", "Satellites of the site that this one sees, itself included."), func() float64 { return float64(members()) })
}

// Fences are how many BMCs nobody logs in to any more, by how long.
type Fences struct {
	Paused int // until a time
	Final  int // until a new password, or a person's clear
	Unsure int // a login's outcome is not known
}

// Fences has count asked for fences.
func (m *Metrics) Fences(count func() Fences) {
	k := gauge("lamplighter_fences", "BMCs that refused a password: paused (tried again later), final (never again), unsure (a login's end is not known).", "state")
	m.registry.MustRegister(asked{[]*kind{k}, func(tell func(*kind, float64, ...string)) {
		f := count()
		tell(k, float64(f.Paused), "paused")
		tell(k, float64(f.Final), "final")
		tell(k, float64(f.Unsure), "unsure")
	}})
}

// Bus has state asked for how the bus is doing.
func (m *Metrics) Bus(state func() amqp.State) {
	connected := gauge("lamplighter_bus_connected", "1 while there is a connection to RabbitMQ to send on.")
	blocked := gauge("lamplighter_bus_blocked", "1 while RabbitMQ takes no messages, by an alarm of its memory or disk.")
	unroutable := counter("lamplighter_bus_unroutable_total", "Messages for which RabbitMQ had no queue; each is an alarm.")
	m.registry.MustRegister(asked{[]*kind{connected, blocked, unroutable}, func(tell func(*kind, float64, ...string)) {
		now := state()
		tell(connected, number(now.Connected))
		tell(blocked, number(now.Blocked))
		tell(unroutable, float64(now.Unroutable))
	}})
}

// Kafka has stats asked for how Kafka and the spool are doing.
func (m *Metrics) Kafka(stats func() kafka.Stats) {
	live := gauge("lamplighter_kafka_live", "1 while verdicts go to Kafka without the spool.")
	verdicts := counter("lamplighter_kafka_verdicts_total", "Verdicts by way: direct (Kafka took them at once) or spooled.", "way")
	drained := counter("lamplighter_spool_drained_records_total", "Records that left the spool for Kafka.")
	refused := counter("lamplighter_kafka_refused_records_total", "Records that Kafka will never take; they are in refused.ndjson in the spool's directory.")
	records := gauge("lamplighter_spool_records", "Records that wait in the spool for Kafka.")
	bytes := gauge("lamplighter_spool_bytes", "Bytes that wait in the spool.")
	age := gauge("lamplighter_spool_age_seconds", "Age of the oldest record in the spool; 0 when it is empty.")
	coalesced := counter("lamplighter_spool_coalesced_records_total", "Repeats that were dropped from a full or old spool; those kept stand for them.")
	m.registry.MustRegister(asked{[]*kind{live, verdicts, drained, refused, records, bytes, age, coalesced}, func(tell func(*kind, float64, ...string)) {
		now := stats()
		tell(live, number(now.Live))
		tell(verdicts, float64(now.Direct), "direct")
		tell(verdicts, float64(now.Spooled), "spooled")
		tell(drained, float64(now.Drained))
		tell(refused, float64(now.Refused))
		tell(records, float64(now.Spool.Records))
		tell(bytes, float64(now.Spool.Bytes))
		tell(coalesced, float64(now.Spool.Coalesced))
		seconds := 0.0
		if !now.Spool.Oldest.IsZero() {
			seconds = max(0, time.Since(now.Spool.Oldest).Seconds())
		}
		tell(age, seconds)
	}})
}

// Depth has ask asked every ten seconds how many messages wait in these mailboxes, by their names for people. One that cannot
// be asked for has no number then.
func (m *Metrics) Depth(ask func(context.Context, bus.Mailbox) (int, error), boxes map[string]bus.Mailbox) {
	k := gauge("lamplighter_mailbox_messages", "Messages that wait in a mailbox of the site: takeovers by check, dead letters, what had no mailbox; without those that satellites hold.", "mailbox")
	m.registry.MustRegister(asked{[]*kind{k}, func(tell func(*kind, float64, ...string)) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for name, n := range m.depths {
			tell(k, float64(n), name)
		}
	}})
	m.polled = func(ctx context.Context) {
		now := map[string]int{}
		for name, box := range boxes {
			if n, err := ask(ctx, box); err == nil {
				now[name] = n
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.depths = maps.Clone(now)
	}
}

// poll asks for what takes long, again and again, until ctx ends.
func (m *Metrics) poll(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		m.polled(within)
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
