package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"lamplighter/results"
	"lamplighter/results/api"
)

var incidentColumns = []string{"code", "incident", "cause", "bmcs", "for", "status", "owner", "ticket", "title", "note"}

func incidentCells(d document, now time.Time) ([]string, string, error) {
	var i api.Incident
	err := json.Unmarshal(d, &i)
	return []string{
		string(i.Code), i.ID, string(i.Cause.Kind), fmt.Sprintf("%d/%d", i.Failing, i.Total), ago(i.Since, now), string(i.Status), string(i.Owner),
		ticketWords(i.Tickets), i.Title, incidentNote(i, now),
	}, i.ID, err
}

// ticketWords are the tickets as desks call them; one that a desk could not be told of is marked.
func ticketWords(all []results.Ticket) string {
	var words []string
	for _, t := range all {
		switch {
		case t.Ref != "":
			words = append(words, t.Ref)
		case t.Error != "":
			words = append(words, t.Desk+" failed")
		}
	}
	return strings.Join(words, " ")
}

// incidentNote is what should be known besides how far an incident is.
func incidentNote(i api.Incident, now time.Time) string {
	var notes []string
	if i.Ack != nil {
		notes = append(notes, "acknowledged by "+i.Ack.Who)
	}
	if s := i.Silenced; s != nil {
		notes = append(notes, fmt.Sprintf("%s until %s", s.Kind, clock(s.Until)))
	}
	switch {
	case i.Closed != "":
		notes = append(notes, strings.TrimSpace(fmt.Sprintf("%s %s ago %s", i.Closed, ago(i.ClosedAt, now), into(i.Into))))
	case i.Reopened > 0:
		notes = append(notes, fmt.Sprintf("opened again %s", plural(i.Reopened, "time")))
	}
	return strings.Join(notes, "; ")
}

func into(id string) string {
	if id == "" {
		return ""
	}
	return "into " + id
}

var silenceColumns = []string{"silence", "kind", "status", "until", "bmcs", "failing", "who", "ticket", "where", "reason", "note"}

func silenceCells(d document, _ time.Time) ([]string, string, error) {
	var s api.Silence
	err := json.Unmarshal(d, &s)
	note := ""
	switch {
	case s.Idle:
		note = "no BMC has matched it for a day: is it written as it was meant?"
	case s.EndedBy != "":
		note = "ended by " + s.EndedBy
	case s.Status == api.Waits:
		note = "from " + clock(s.From)
	}
	return []string{
		s.ID, string(s.Kind), s.Status, clock(s.Until), fmt.Sprint(s.Matched), fmt.Sprint(s.Failing), s.Who, s.Ticket, s.Where, s.Reason, note,
	}, s.ID, err
}

// documentsSeen prints a document whenever it is another, and, of an incident that left the list, how it ended.
type documentsSeen struct {
	*asking
	last map[string]string
}

func (s *documentsSeen) look(ctx context.Context) error {
	there := map[string]bool{}
	err := s.pages(ctx, s.query(), func(d document) error {
		_, name, err := s.kind.cells(d, time.Now())
		there[name] = true
		if err != nil || s.last[name] == string(d) {
			return err
		}
		s.last[name] = string(d)
		return s.sayDocument(d)
	})
	if err != nil || s.kind.what != "incidents" {
		return err
	}
	for name := range s.last {
		if there[name] {
			continue
		}
		delete(s.last, name)
		var d document
		if err := s.get(ctx, "/incidents/"+url.PathEscape(name), nil, &d); err != nil && !isNotFound(err) {
			return err
		} else if err == nil {
			if err := s.sayDocument(d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *documentsSeen) sayDocument(d document) error {
	cells, name, err := s.kind.cells(d, time.Now())
	if err != nil {
		return unanswered{fmt.Errorf("read what changed: %w", err)}
	}
	return s.say(append([]string{clock(time.Now())}, cells...), name, bytes.TrimSpace(d))
}

// statuses are what --status takes, by what is listed.
var statuses = map[string][]string{
	"incidents": {string(results.Open), string(results.Acknowledged), string(results.Resolved), "all"},
	"silences":  {api.Holds, api.Waits, api.Over, "all"},
}

// readStatus checks --status and --where against what is listed.
func (g *asking) readStatus(what string) error {
	if all := statuses[what]; g.status != "" && !slices.Contains(all, g.status) {
		if all == nil {
			return fmt.Errorf("--status is for incidents and silences; %s have none", what)
		}
		return fmt.Errorf("--status %q: want one of %s", g.status, strings.Join(all, ", "))
	}
	if what == "silences" && g.where != "" {
		return fmt.Errorf("--where asks BMCs; silences are few, and all are listed")
	}
	return nil
}
