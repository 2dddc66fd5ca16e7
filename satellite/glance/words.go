package glance

import (
	"encoding/json"
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// word is what satellites say to each other: a question, its answer, or that a BMC broke.
type word struct {
	From string       `json:"from"`
	BMC  inventory.ID `json:"bmc"`
	// Broke: the BMC fails at ping, and did not before. Nothing but From and BMC is set then.
	Broke bool `json:"broke,omitempty"`

	To string `json:"to,omitempty"`
	ID string `json:"id,omitempty"` // of a question, repeated in its answer
	// Ask is what To should ask the BMC of this record.
	Ask question `json:"ask,omitempty"`
	Rev string   `json:"rev,omitempty"`
	// WithinMS is how long the answer is waited for, counted from when the question is heard: clocks differ.
	WithinMS int64 `json:"within_ms,omitempty"`
	// Answer is what the glance found.
	Answer *checks.Result `json:"answer,omitempty"`
}

const (
	maxWord   = 64 << 10 // bytes
	maxName   = 255
	maxWithin = time.Minute
)

// decode reads a word. Fields of a newer version are passed over.
func decode(body []byte) (word, error) {
	if len(body) > maxWord {
		return word{}, fmt.Errorf("word of %d bytes: want at most %d", len(body), maxWord)
	}
	var w word
	if err := json.Unmarshal(body, &w); err != nil {
		return word{}, fmt.Errorf("word %.80q: %w", body, err)
	}
	if w.From == "" || w.BMC == "" || len(w.From) > maxName || len(w.To) > maxName || len(w.ID) > maxName {
		return word{}, fmt.Errorf("word %.80q: want who says it, and of which BMC", body)
	}
	if _, known := w.Ask.check(); w.Ask != "" && (!known || w.within() <= 0 || w.within() > maxWithin) {
		return word{}, fmt.Errorf("word %.80q: want a question there is, and up to %v for its answer", body, maxWithin)
	}
	return w, nil
}

func (w word) within() time.Duration { return time.Duration(w.WithinMS) * time.Millisecond }
