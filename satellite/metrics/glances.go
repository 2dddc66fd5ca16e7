package metrics

import "github.com/prometheus/client_golang/prometheus"

var opinions = []string{"agree", "disagree", "none"}

// glances are the numbers of what is asked outside of rounds.
func (m *Metrics) glances() {
	m.opinions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lamplighter_second_opinions_total", Help: "Network failures of which another satellite was asked: agree (it got no answer either), disagree (it did: self.path), none (it did not say, or could not know).",
	}, []string{"opinion"})
	m.looked = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lamplighter_look_round_bmcs_total", Help: "BMCs that were pinged because two others of their rack or subnet had failed, by whether they answered.",
	}, []string{"answered"})
	m.registry.MustRegister(m.opinions, m.looked)
	for _, opinion := range opinions {
		m.opinions.WithLabelValues(opinion)
	}
	for _, answered := range []string{"yes", "no"} {
		m.looked.WithLabelValues(answered)
	}
}

// Opined counts a second opinion.
func (m *Metrics) Opined(opinion string) { m.opinions.WithLabelValues(closed(opinions, opinion)).Inc() }

// Looked counts a BMC that a look round asked.
func (m *Metrics) Looked(silent bool) {
	answered := "yes"
	if silent {
		answered = "no"
	}
	m.looked.WithLabelValues(answered).Inc()
}
