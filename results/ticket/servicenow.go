package ticket

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"lamplighter/results"
)

// ServiceNow is a table of ServiceNow, by its Table API. An incident's record has the incident's ID as its correlation_id.
type ServiceNow struct {
	web
	settings ServiceNowSettings
}

// ServiceNowSettings say what records are like.
type ServiceNowSettings struct {
	Table string // incident
	// Done and Again are the states to which a record is closed and opened again, numbers of the table's choice list.
	Done, Again string
	// CloseCode is set with a note when a record is closed, which ServiceNow demands.
	CloseCode string
	// Fields are set when a record is made: assignment_group, category, ...
	Fields map[string]string
}

// States of ServiceNow's incident table from which nothing comes back: closed, canceled.
var serviceNowEnd = []string{"7", "8"}

var _ Desk = (*ServiceNow)(nil)

// NewServiceNow makes the desk; nothing is asked yet.
func NewServiceNow(w Web, s ServiceNowSettings) *ServiceNow {
	return &ServiceNow{newWeb(w), s}
}

type serviceNowRecord struct {
	ID          string `json:"sys_id"`
	Number      string `json:"number"`
	State       string `json:"state"`
	Created     string `json:"sys_created_on"`
	Correlation string `json:"correlation_id"`
}

func (s *ServiceNow) path(rest string) string {
	return "/api/now/table/" + url.PathEscape(s.settings.Table) + rest
}

const serviceNowFields = "sys_id,number,state,sys_created_on,correlation_id"

// Find asks for the records of an incident.
func (s *ServiceNow) Find(ctx context.Context, known results.Ticket) (Found, error) {
	all, err := s.search(ctx, known.Incident)
	if err != nil {
		return Found{}, err
	}
	return s.choose(all, func(r serviceNowRecord) bool { return r.Number == known.Ref }), nil
}

// search finds the records of an incident, the oldest first. A table without the column that is asked for answers with all that it
// has: what is not the incident's is passed over.
func (s *ServiceNow) search(ctx context.Context, incident string) ([]serviceNowRecord, error) {
	query := url.Values{
		"sysparm_query": {"correlation_id=" + correlation(incident) + "^ORDERBYsys_created_on"}, "sysparm_fields": {serviceNowFields},
		"sysparm_limit": {"50"}, "sysparm_exclude_reference_link": {"true"}, "sysparm_display_value": {"false"},
	}
	var answer struct {
		Result []serviceNowRecord `json:"result"`
	}
	if err := s.ask(ctx, http.MethodGet, s.path("?"+query.Encode()), nil, &answer); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(answer.Result, func(r serviceNowRecord) bool { return r.Correlation != correlation(incident) })
	slices.SortStableFunc(all, func(a, b serviceNowRecord) int {
		return cmp.Or(strings.Compare(a.Created, b.Created), strings.Compare(a.Number, b.Number))
	})
	return all, nil
}

// correlation is an incident's ID without what would end a condition of a query.
func correlation(incident string) string { return strings.ReplaceAll(incident, "^", "_") }

// choose is the oldest open record; else ours, else the newest.
func (s *ServiceNow) choose(all []serviceNowRecord, mine func(serviceNowRecord) bool) Found {
	ours := slices.IndexFunc(all, mine)
	if first := slices.IndexFunc(all, s.isOpen); first >= 0 {
		f := s.found(all[first])
		if ours >= 0 && ours != first && s.isOpen(all[ours]) {
			double := s.found(all[ours])
			f.Double = &double
		}
		return f
	}
	switch {
	case ours >= 0:
		return s.found(all[ours])
	case len(all) > 0:
		return s.found(all[len(all)-1])
	}
	return Found{}
}

func (s *ServiceNow) isOpen(r serviceNowRecord) bool {
	return r.State != s.settings.Done && !slices.Contains(serviceNowEnd, r.State)
}

func (s *ServiceNow) found(r serviceNowRecord) Found {
	page := "/nav_to.do?uri=" + url.QueryEscape(s.settings.Table+".do?sys_id="+r.ID)
	return Found{Ref: r.Number, ID: r.ID, URL: s.URL + page, There: true, Open: s.isOpen(r), Final: slices.Contains(serviceNowEnd, r.State)}
}

// Tell does one act.
func (s *ServiceNow) Tell(ctx context.Context, m Message) (Found, error) {
	change := map[string]string{"work_notes": m.Comment}
	switch m.Act {
	case Open:
		return s.open(ctx, m)
	case Comment:
	case Reopen:
		change["state"] = s.settings.Again
	case Close, Merge:
		change["state"], change["close_code"], change["close_notes"] = s.settings.Done, s.settings.CloseCode, cmp.Or(m.Comment, "It is over.")
	default:
		return Found{}, fmt.Errorf("desk %s: no way to %s", s.Name, m.Act)
	}
	var answer struct {
		Result serviceNowRecord `json:"result"`
	}
	if err := s.ask(ctx, http.MethodPatch, s.path("/"+url.PathEscape(m.Ticket.ID)+"?"+serviceNowShort), change, &answer); err != nil {
		return Found{}, err
	}
	return s.found(answer.Result), nil
}

const serviceNowShort = "sysparm_fields=" + serviceNowFields + "&sysparm_exclude_reference_link=true"

// open makes a record and looks again: where somebody else made one meanwhile, the younger is closed.
func (s *ServiceNow) open(ctx context.Context, m Message) (Found, error) {
	record := map[string]string{"short_description": cleaned(m.Title, 160), "description": m.Body, "correlation_id": correlation(m.Incident.ID), "correlation_display": "Lamplighter"}
	for field, value := range s.settings.Fields {
		record[field] = value
	}
	var answer struct {
		Result serviceNowRecord `json:"result"`
	}
	if err := s.ask(ctx, http.MethodPost, s.path("?"+serviceNowShort), record, &answer); err != nil {
		return Found{}, err
	}
	all, err := s.search(ctx, m.Incident.ID)
	if err != nil || len(all) == 0 { // it is made, and looked for once more later
		return s.found(answer.Result), nil
	}
	return settle(ctx, s, m, s.choose(all, func(r serviceNowRecord) bool { return r.ID == answer.Result.ID })), nil
}
