package api

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// Row is what the live stream tells of a BMC: what a map or a list shows of it. Two equal rows look the same.
type Row struct {
	BMC    inventory.ID  `json:"bmc"`
	Site   string        `json:"site"`
	Rack   string        `json:"rack"`
	Health checks.Health `json:"health"`
	Failed checks.Name   `json:"failed,omitempty"`
	Reason checks.Reason `json:"reason,omitempty"`
	// Code is the state in one character (results.StateCodes).
	Code  results.Code `json:"code"`
	Since time.Time    `json:"since,omitzero"`
	// Soft is the health that the newest rounds say and is not believed yet.
	Soft      string `json:"soft,omitempty"`
	Flapping  bool   `json:"flapping,omitempty"`
	NeverSeen bool   `json:"never_seen,omitempty"`
	// LastKnown is the health that was believed before it became unknown.
	LastKnown string `json:"last_known,omitempty"`
	// Incident is the one that it fails in; Acked: somebody is on it; Silenced is what keeps it quiet, a silence or a maintenance.
	Incident string              `json:"incident,omitempty"`
	Acked    bool                `json:"acked,omitempty"`
	Silenced results.SilenceKind `json:"silenced,omitempty"`
	// Gone: it is no more, or does not match the filter any more.
	Gone bool `json:"gone,omitempty"`
}

func rowOf(s *results.State, o overlay) Row {
	row := Row{
		BMC: s.BMC, Site: s.Site, Rack: s.Rack, Health: s.Health, Failed: s.Failed, Reason: s.Reason, Since: s.Since.Round(0).UTC(),
		Code: results.CodeOf(s.Health, s.Failed, s.Reason, o.kind()), Flapping: s.Flapping != nil, NeverSeen: s.NeverSeen,
		Incident: o.incident, Acked: o.ack != nil, Silenced: o.kind(),
	}
	if s.Soft != nil {
		row.Soft = s.Soft.Health.String()
	}
	if s.LastKnown != nil {
		row.LastKnown = s.LastKnown.Health.String()
	}
	return row
}

func flag(set bool) string {
	if set {
		return "true"
	}
	return ""
}
