package metrics

import (
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// owners are all teams whose job an incident may be.
var owners = []checks.Owner{checks.OwnerNetwork, checks.OwnerServer, checks.OwnerSecurity, checks.OwnerCredentials, checks.OwnerInventory, checks.OwnerUs}

// Incidents has incidents and silences asked for how many there are.
func (m *Metrics) Incidents(incidents func() []results.Incident, silences func() []results.Silence) {
	open := gauge("lamplighter_incidents_open", "Incidents that are not closed, by what they look like and whose job they are.", "cause", "owner")
	waiting := gauge("lamplighter_incidents_unacknowledged", "Open incidents that are worth waking somebody, and nobody is on, and no silence keeps quiet.")
	quiet := gauge("lamplighter_silences", "Silences and maintenances that hold.", "kind")
	idle := gauge("lamplighter_silences_idle", "Silences and maintenances that hold and have matched no BMC for a day.")
	m.registry.MustRegister(asked{[]*kind{open, waiting, quiet, idle}, func(tell func(*kind, float64, ...string)) {
		counts, alarms := map[[2]string]int{}, 0
		for _, i := range incidents() {
			if i.Status != results.Resolved {
				counts[[2]string{string(i.Cause.Kind), string(i.Owner)}]++
			}
			if i.Status == results.Open && i.Page && i.Silenced == nil {
				alarms++
			}
		}
		for _, cause := range results.CauseKinds {
			for _, owner := range owners {
				tell(open, float64(counts[[2]string{string(cause), string(owner)}]), string(cause), string(owner))
			}
		}
		tell(waiting, float64(alarms))
		tellSilences(silences(), time.Now(), quiet, idle, tell)
	}})
}

func tellSilences(all []results.Silence, now time.Time, quiet, idle *kind, tell func(*kind, float64, ...string)) {
	holding, unmatched := map[results.SilenceKind]int{}, 0
	for _, s := range all {
		if s.Holds(now) {
			holding[s.Kind]++
		}
		if s.Idle(now) {
			unmatched++
		}
	}
	for _, k := range []results.SilenceKind{results.Silencing, results.Maintenance} {
		tell(quiet, float64(holding[k]), string(k))
	}
	tell(idle, float64(unmatched))
}
