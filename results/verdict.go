// Package results is what operators believe: verdicts, state, and where they are kept. It judges what checks found.
package results

import (
	"context"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// Schema names the version of the verdict document.
const Schema = "lamplighter.verdict.v1"

// Verdict is what a round found; the same document in check --json, sweep, and later on Kafka.
type Verdict struct {
	Schema    string        `json:"schema"`
	BMC       inventory.ID  `json:"bmc"`
	Address   string        `json:"address"`
	Site      string        `json:"site"`
	Room      string        `json:"room"`
	Row       string        `json:"row"`
	Rack      string        `json:"rack"`
	Unit      float64       `json:"unit"`
	Vendor    string        `json:"vendor"`
	Model     string        `json:"model"`
	Satellite string        `json:"satellite"`
	Health    checks.Health `json:"health"`
	// Failed is the check that ended the chain, empty when the chain was gone through.
	Failed checks.Name `json:"failed"`
	// Reason is empty when available; the worst note when degraded by notes.
	Reason   checks.Reason `json:"reason"`
	Owner    checks.Owner  `json:"owner"`
	NextStep string        `json:"next_step"`
	Round    checks.Round  `json:"round"`
	// At is when the verdict was made, UTC.
	At    time.Time       `json:"at"`
	Trail []checks.Result `json:"trail"`
}

// Sink keeps verdicts.
//
// Actors call Emit concurrently and hand the task back when it fails, so it may be called again for the same round. It
// returns nil once the verdict is durable.
type Sink interface {
	Emit(ctx context.Context, v Verdict) error
}
