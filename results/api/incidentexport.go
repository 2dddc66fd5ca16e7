package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"lamplighter/results"
	"lamplighter/results/store"
)

// incidentColumns are those of an export of incidents.
var incidentColumns = []string{"id", "status", "code", "cause", "key", "title", "counted", "site", "room", "row", "rack", "failing", "total", "failed", "reason",
	"owner", "next_step", "since", "opened_at", "updated_at", "closed_at", "closed", "into", "reopened", "acknowledged_by", "silenced", "silenced_until", "page", "tickets"}

func incidentCells(i Incident) []string {
	by, silenced, until := "", "", ""
	if i.Ack != nil {
		by = i.Ack.Who
	}
	if i.Silenced != nil {
		silenced, until = string(i.Silenced.Kind), results.MomentText(i.Silenced.Until)
	}
	var tickets []string
	for _, t := range i.Tickets {
		tickets = append(tickets, t.Ref)
	}
	return []string{i.ID, string(i.Status), string(i.Code), string(i.Cause.Kind), i.Cause.Key, i.Title, i.Counted, i.Site, i.Room, i.Row, i.Rack,
		strconv.Itoa(i.Failing), strconv.Itoa(i.Total), string(i.Failed), string(i.Reason), string(i.Owner), i.NextStep, results.MomentText(i.Since),
		results.MomentText(i.OpenedAt), results.MomentText(i.UpdatedAt), results.MomentText(i.ClosedAt), string(i.Closed), i.Into, strconv.Itoa(i.Reopened), by, silenced, until,
		strconv.FormatBool(i.Page), strings.Join(tickets, " ")}
}

// exportIncidents answers with all incidents that match: GET /export/incidents.
func (s *Server) exportIncidents(w http.ResponseWriter, r *http.Request, a ask) error {
	format, err := a.choice("format", asCSV, asJSON, asNDJSON)
	if err != nil {
		return err
	}
	want, err := a.wanted()
	if err != nil {
		return err
	}
	e, err := newExport(w, "incidents", format, incidentColumns)
	put := func(i results.Incident) bool {
		if err == nil {
			shown := s.shown(i)
			err = e.line(shown, func() []string { return incidentCells(shown) })
		}
		return err == nil
	}
	for _, i := range s.openOnes(a, want) {
		put(i)
	}
	if want.closed() && err == nil {
		read := s.closedOnes(r.Context(), a, want, 0, func(k store.KeptIncident) bool { return put(k.Incident) })
		err = firstOf(read, err)
	}
	if err != nil {
		return fmt.Errorf("export incidents: %w", err)
	}
	return e.close()
}
