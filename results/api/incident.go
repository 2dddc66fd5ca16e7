package api

import (
	"context"
	"fmt"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
)

// Incidents is what the API asks about incidents, silences and tickets; *follow.Follower answers.
//
// All methods are called concurrently and not retried. What is not there is store.ErrNone. On return without error what was
// asked for is kept, and the answers of the others know it. What cannot be is follow.ErrNot. Nothing that is returned may be
// changed.
type Incidents interface {
	// Incidents are all that are not closed and those closed in the last 24 h, the most important first.
	Incidents() []results.Incident
	// Incident is any, also an old one.
	Incident(ctx context.Context, id string) (results.Incident, error)
	// IncidentOf is the one that a BMC fails in now.
	IncidentOf(bmc inventory.ID) (id string, ok bool)
	AckIncident(ctx context.Context, id string, a results.IncidentAck) (results.Incident, error)
	UnackIncident(ctx context.Context, id string) (results.Incident, error)
	// Silences are all that are not over, and those that ended in the last 24 h.
	Silences() []results.Silence
	// Silence makes one, and gives it its ID.
	Silence(ctx context.Context, s results.Silence) (results.Silence, error)
	EndSilence(ctx context.Context, id, who string, at time.Time) (results.Silence, error)
	// Tickets are an incident's, one for each desk that was told.
	Tickets(incident string) []results.Ticket
}

var _ Incidents = (*follow.Follower)(nil)

// Incident is an incident as lists and the stream have it: without its BMCs and evidence, and with its tickets.
type Incident struct {
	results.Incident
	Evidence []string        `json:"evidence,omitempty"` // only of one that is asked for alone
	Children []results.Child `json:"children,omitempty"` // never: Members are
	// Code is what its BMCs look like in one character (results.StateCodes).
	Code    results.Code     `json:"code"`
	Tickets []results.Ticket `json:"tickets"`
}

// stamp tells whether two documents of an incident are the same.
func (i Incident) stamp() string {
	text := fmt.Sprint(i.Seq)
	for _, t := range i.Tickets {
		text += fmt.Sprint(" ", t.Desk, t.Seq, t.Ref, t.Open, t.Error)
	}
	return text
}

// shown is an incident as lists have it.
func (s *Server) shown(i results.Incident) Incident {
	i.Children, i.Evidence = nil, nil
	return Incident{Incident: i, Code: results.CodeOf(i.Health, i.Failed, i.Reason, ""), Tickets: orEmpty(s.Incidents.Tickets(i.ID))}
}
