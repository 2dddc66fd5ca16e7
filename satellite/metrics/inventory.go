package metrics

import (
	"time"

	"lamplighter/inventory"
)

// Inventory has now asked for what was synced, and how that went.
func (m *Metrics) Inventory(now func() (inventory.Register, inventory.Status)) {
	synced := gauge("lamplighter_inventory_age_seconds", "How long ago the inventory's sources last answered; absent when they never did.")
	up := gauge("lamplighter_inventory_up", "1 while the last sync of the inventory went well.")
	counted := gauge("lamplighter_inventory_snapshot", "Number of the fleet's snapshot; it grows by one with each change.")
	withheld := gauge("lamplighter_inventory_withheld_bmcs", "BMCs that would go if the withheld answer of the sources were believed; 0: nothing is withheld. It waits for lamplighter inventory approve.")
	missing := gauge("lamplighter_inventory_missing_bmcs", "BMCs that the sources no longer name, and that are in quarantine or withheld.")
	conflicts := gauge("lamplighter_inventory_conflicts", "Conflicts of the inventory, by whether the record is not taken for it.", "hinders")
	m.registry.MustRegister(asked{[]*kind{synced, up, counted, withheld, missing, conflicts}, func(tell func(*kind, float64, ...string)) {
		r, status := now()
		if !status.Synced.IsZero() {
			tell(synced, max(0, time.Since(status.Synced).Seconds()))
		}
		tell(up, number(status.Error == "" && !status.Synced.IsZero()))
		tell(counted, float64(r.Number))
		gone := 0
		if r.Withheld != nil {
			gone = r.Withheld.Gone
		}
		tell(withheld, float64(gone))
		tell(missing, float64(len(r.Missing)))
		hinder := 0
		for _, c := range r.Conflicts {
			if c.Kind.Hinders() {
				hinder++
			}
		}
		tell(conflicts, float64(hinder), "yes")
		tell(conflicts, float64(len(r.Conflicts)-hinder), "no")
	}})
}

// HealthFields has now asked for how many BMCs have another health in the CMDB than is believed, and what keeps it from being written.
func (m *Metrics) HealthFields(now func() (waiting int, err error)) {
	waiting := gauge("lamplighter_inventory_health_waiting_bmcs", "BMCs whose field in the CMDB does not say yet what is believed; only where a source has a health_field.")
	up := gauge("lamplighter_inventory_health_up", "1 while health can be written to the CMDB; only where a source has a health_field.")
	m.registry.MustRegister(asked{[]*kind{waiting, up}, func(tell func(*kind, float64, ...string)) {
		n, err := now()
		tell(waiting, float64(n))
		tell(up, number(err == nil))
	}})
}

// Keyring has now asked for how it goes with a keyring whose secrets lie elsewhere.
func (m *Metrics) Keyring(now func() inventory.KeyringHealth) {
	up := gauge("lamplighter_keyring_up", "1 while all credentials that are asked for can be read from Vault.")
	failing := gauge("lamplighter_keyring_failing_secrets", "Credentials that could not be read from Vault when they were last asked for.")
	secrets := gauge("lamplighter_keyring_secrets", "Credentials from Vault that were asked for within the last hour, and are known.")
	age := gauge("lamplighter_keyring_age_seconds", "How long ago the oldest of those was read; absent when there is none. It is used until it is older than stale.")
	uses := counter("lamplighter_keyring_stale_uses_total", "Times that a known credential was used because Vault did not give it anew.")
	m.registry.MustRegister(asked{[]*kind{up, failing, secrets, age, uses}, func(tell func(*kind, float64, ...string)) {
		h := now()
		tell(up, number(h.Err == nil))
		tell(failing, float64(h.Failing))
		tell(secrets, float64(h.Secrets))
		if !h.Oldest.IsZero() {
			tell(age, max(0, time.Since(h.Oldest).Seconds()))
		}
		tell(uses, float64(h.StaleUses))
	}})
}
