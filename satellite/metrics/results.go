package metrics

import (
	"slices"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/follow"
)

// faults are why verdicts are not taken in.
var faults = []string{
	string(results.Broken), string(results.OtherForm), string(results.Nameless), string(results.FromFuture), string(results.Unproven), string(results.UnknownBMC),
}

// Beliefs has stats, healths and size asked for how following verdicts goes, how many BMCs are believed to have each health,
// and how many bytes the store takes.
func (m *Metrics) Beliefs(stats func() follow.Stats, healths func() map[checks.Health]int, size func() (int64, error)) {
	verdicts := counter("lamplighter_state_verdicts_total", "Verdicts that were taken in: news, late (too old to be news by itself) or known (taken in before).", "kind")
	changes := counter("lamplighter_state_changes_total", "Changes of what is believed.")
	refused := counter("lamplighter_state_refused_total", "Records that were not taken in, by what is wrong with them.", "fault")
	listening := gauge("lamplighter_state_listening", "1 while verdicts are heard as they come; 0: Kafka is away, or there is a backlog.")
	full := gauge("lamplighter_state_disk_full", "1 while the disk is full: nothing is taken in.")
	waiting := gauge("lamplighter_state_outbox_records", "States and changes that wait for Kafka, at most a window of them.")
	bytes := gauge("lamplighter_state_store_bytes", "Bytes that the store takes on the disk.")
	bmcs := gauge("lamplighter_state_bmcs", "BMCs by the health that is believed.", "health")
	all := []*kind{verdicts, changes, refused, listening, full, waiting, bytes, bmcs}
	m.registry.MustRegister(asked{all, func(tell func(*kind, float64, ...string)) {
		now := stats()
		tell(verdicts, float64(now.Verdicts-min(now.Verdicts, now.Late+now.Known)), "news")
		tell(verdicts, float64(now.Late), "late")
		tell(verdicts, float64(now.Known), "known")
		tell(changes, float64(now.Changes))
		counts := map[string]uint64{}
		for fault, n := range now.Refused {
			counts[closed(faults, string(fault))] += n
		}
		for _, fault := range slices.Concat(faults, []string{other}) {
			tell(refused, float64(counts[fault]), fault)
		}
		tell(listening, number(!now.Listening.IsZero()))
		tell(full, number(now.Full))
		tell(waiting, float64(now.Waiting))
		if n, err := size(); err == nil { // a store that cannot be asked has no size to tell
			tell(bytes, float64(n))
		}
		found := healths()
		for h := checks.Unknown; h <= checks.Unavailable; h++ {
			tell(bmcs, float64(found[h]), h.String())
		}
	}})
}
