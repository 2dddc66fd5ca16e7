package memory

import (
	"encoding/json"
	"fmt"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// Stop is the switch that stops all probes of a site.
type Stop struct {
	On bool      `json:"on"`
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// hold stops the logins with one version of a credential.
type hold struct {
	Version string    `json:"version"`
	Until   time.Time `json:"until"`
}

// record is what is written down: a kind, its key, and its value.
type record struct {
	Kind       string        `json:"kind"`
	BMC        inventory.ID  `json:"bmc,omitempty"`
	Credential string        `json:"credential,omitempty"`
	Fence      *Fence        `json:"fence,omitempty"`
	Known      *checks.Known `json:"known,omitempty"`
	Hold       *hold         `json:"hold,omitempty"`
	Stop       *Stop         `json:"stop,omitempty"`
	// Ends is the intent of the login whose outcome this is.
	Ends string `json:"ends,omitempty"`
	// ID, Written and By are set in a log: by the ID its writer knows it again.
	ID      string    `json:"id,omitempty"`
	Written time.Time `json:"written,omitzero"`
	By      string    `json:"by,omitempty"`
	// Renews is the ID of the record that this one repeats before the log forgets it: it counts only while that one stands.
	Renews string `json:"renews,omitempty"`
}

// whole is an error for a record without its key or value; kinds of a newer version are whole.
func (r record) whole() error {
	missing := false
	switch r.Kind {
	case "fence":
		missing = r.Fence == nil || r.BMC == ""
	case "known":
		missing = r.Known == nil || r.BMC == ""
	case "hold":
		missing = r.Hold == nil || r.Credential == ""
	case "stop":
		missing = r.Stop == nil
	}
	if missing {
		return fmt.Errorf("a %s without its key or value", r.Kind)
	}
	return nil
}

// subject is what a record is about. Only one record about a subject is under way from one satellite at a time.
func (r record) subject() string {
	switch {
	case r.BMC != "":
		return "bmc " + string(r.BMC)
	case r.Credential != "":
		return "credential " + r.Credential
	}
	return r.Kind
}

// key is what the newest record of counts.
func (r record) key() string { return r.Kind + " of " + r.subject() }

// late is something that happened and counts here, though the log does not have it yet: a login's outcome, or a record.
type late struct {
	Outcome *outcome `json:"outcome,omitempty"`
	Record  *record  `json:"record,omitempty"`

	written chan struct{} // closed when the log has it
}

// outcome is how a login ended, with what is needed to settle it whatever happened in between.
type outcome struct {
	BMC   inventory.ID `json:"bmc"`
	Round checks.Round `json:"round"`
	// Before stood before the intent, Intended with it.
	Before   Fence     `json:"before"`
	Intended Fence     `json:"intended"`
	Intent   string    `json:"intent"`
	Outcome  Outcome   `json:"outcome"`
	At       time.Time `json:"at"`
}

// intents are the logins begun whose outcome is not known, or never will be. Older files hold a single one as a string.
type intents []string

func (i *intents) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		var one string
		err := json.Unmarshal(text, &one)
		*i = nil
		if one != "" {
			*i = intents{one}
		}
		return err
	}
	return json.Unmarshal(text, (*[]string)(i))
}
