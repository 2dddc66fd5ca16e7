package results

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// SkipSchema names the version of the skip document.
const SkipSchema = "lamplighter.skip.v1"

// Skip says that a routine round was not started, and why: so it is accounted for, and nobody has to look for its verdict.
type Skip struct {
	Schema    string       `json:"schema"`
	Site      string       `json:"site"`
	Satellite string       `json:"satellite"`
	BMC       inventory.ID `json:"bmc"`
	Round     checks.Round `json:"round"`
	// Why is a word: overload (no visit was free before the next round was due), running (the round before it still ran),
	// stopped (the site was stopped).
	Why string    `json:"why"`
	At  time.Time `json:"at"`
}
