package results

import "lamplighter/checks"

// Said is what a ticket desk was told of an incident, as far as it is worth a comment when it changes.
type Said struct {
	Status  Status        `json:"status"`
	Cause   string        `json:"cause"`
	Health  checks.Health `json:"health"`
	Reason  checks.Reason `json:"reason"`
	Owner   checks.Owner  `json:"owner"`
	Total   int           `json:"total"`
	Failing int           `json:"failing"`
	// Ack is who is on it.
	Ack string `json:"ack"`
}

// SaidOf is what a desk that is told of i knows then.
func SaidOf(i Incident) Said {
	s := Said{Status: i.Status, Cause: i.Cause.Name, Health: i.Health, Reason: i.Reason, Owner: i.Owner, Total: i.Total, Failing: i.Failing}
	if i.Ack != nil {
		s.Ack = i.Ack.Who
	}
	return s
}
