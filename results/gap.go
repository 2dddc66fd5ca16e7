package results

import "time"

// GapSchema names the version of the gap document.
const GapSchema = "lamplighter.gap.v1"

// Gap says that a satellite kept fewer verdicts than it made, because Kafka was away for too long: repeats were coalesced. No
// change of health or reason is missing, and the records that were kept say how many rounds each stands for.
type Gap struct {
	Schema    string `json:"schema"`
	Site      string `json:"site"`
	Satellite string `json:"satellite"`
	// From and To are when the first and the last of the missing verdicts were made, UTC.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Verdicts is how many are missing.
	Verdicts uint64    `json:"verdicts"`
	At       time.Time `json:"at"`
}
