package results

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"lamplighter/checks"
)

// TallySchema names the version of the tally document.
const TallySchema = "lamplighter.tally.v1"

// Tier is a place that rounds pass on their way to Kafka.
type Tier string

// The tiers, in the order that rounds pass them.
const (
	Started Tier = "started" // the bus has the round's first task
	Judged  Tier = "judged"  // the sink has the verdict
)

// Tally says which routine rounds due in a minute passed a tier of a satellite: how many, and the exclusive or of their
// hashes, from which an auditor who knows the schedule can tell which they were.
//
// The tallies of a minute add up: rounds that came late are in a later one, and in no other of the same process.
type Tally struct {
	Schema    string `json:"schema"`
	Site      string `json:"site"`
	Satellite string `json:"satellite"`
	// Since is when the satellite's process began to count, UTC. What it did before died with the process before it.
	Since  time.Time `json:"since"`
	Tier   Tier      `json:"tier"`
	Minute time.Time `json:"minute"` // of due, UTC
	// Part counts the tallies of this minute, tier and process, from 0.
	Part   int       `json:"part"`
	Rounds int       `json:"rounds"`
	Xor    Hash      `json:"xor"`
	At     time.Time `json:"at"`
	// Version is the satellite's program's; "": it did not say.
	Version string `json:"version,omitempty"`
}

// Hash is a round's hash, or the exclusive or of several; 16 hexadecimal digits in JSON, where large numbers are not safe.
type Hash uint64

// HashOf is a round's hash: FNV-1a of its ID, mixed, so that rounds that differ in one digit differ everywhere.
func HashOf(r checks.Round) Hash {
	h := fnv.New64a()
	_, _ = h.Write([]byte(r.String()))
	x := h.Sum64()
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return Hash(x ^ x>>32)
}

// MarshalText makes a Hash its digits.
func (h Hash) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("hash %q: want 16 hexadecimal digits", text)
	}
	*h = Hash(n)
	return nil
}
