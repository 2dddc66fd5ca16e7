package metrics

import "lamplighter/results/ticket"

// Tickets has numbers asked for what ticket desks were told.
func (m *Metrics) Tickets(numbers func() ticket.Numbers) {
	told := counter("lamplighter_tickets_told_total", "What ticket desks were told, by act.", "act")
	failures := counter("lamplighter_tickets_failures_total", "Tries to tell a desk that failed.")
	dead := counter("lamplighter_tickets_dead_total", "Incidents that a desk could not be told of after all tries; each is an alarm, and a record on bmc.dead.v1.")
	held := counter("lamplighter_tickets_held_total", "Incidents without a ticket of their own, because there were too many at once.")
	waiting := gauge("lamplighter_tickets_waiting", "Incidents that a desk has to be told of.")
	up := gauge("lamplighter_tickets_desk_up", "1 while a desk takes what it is told.", "desk")
	m.registry.MustRegister(asked{[]*kind{told, failures, dead, held, waiting, up}, func(tell func(*kind, float64, ...string)) {
		n := numbers()
		for _, act := range ticket.Acts {
			tell(told, float64(n.Told[act]), string(act))
		}
		tell(failures, float64(n.Failures))
		tell(dead, float64(n.Dead))
		tell(held, float64(n.Held))
		tell(waiting, float64(n.Waiting))
		for desk, ok := range n.Desks {
			tell(up, number(ok), desk)
		}
	}})
}
