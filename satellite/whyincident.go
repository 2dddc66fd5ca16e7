package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"lamplighter/results"
	"lamplighter/results/api"
)

const (
	mostListed   = 12 // BMCs, changes, acts of an incident
	mostEvidence = 5
)

// incidentLines say which incident a BMC fails in, and its tickets.
func incidentLines(out io.Writer, i api.Incident, now time.Time) {
	fmt.Fprintf(out, "  incident   %s, %s (%s): %s\n", i.ID, i.Status, ago(i.Since, now), printable(i.Title))
	if i.Counted != "" {
		fmt.Fprintf(out, "             %s\n", printable(i.Counted))
	}
	for _, t := range i.Tickets {
		fmt.Fprintf(out, "  ticket     %s\n", ticketLine(t))
	}
	if a := i.Ack; a != nil {
		fmt.Fprintf(out, "             %s\n", ackLine(a, now))
	}
}

func ticketLine(t results.Ticket) string {
	words := []string{cmp.Or(t.Ref, "("+t.Desk+")"), map[bool]string{true: "open", false: "closed"}[t.Open], t.URL}
	if t.Error != "" {
		words = append(words, "could not be told: "+t.Error)
	}
	return printable(strings.Join(strings.Fields(strings.Join(words, " ")), " "))
}

func ackLine(a *results.IncidentAck, now time.Time) string {
	return printable(fmt.Sprintf("acknowledged by %s, %s ago: %s", a.Who, ago(a.At, now), cmp.Or(a.Note, "(no text)")))
}

// incidentReport is all that is said of one incident.
type incidentReport struct{ api.IncidentDetail }

// print says it all to a person.
func (r *incidentReport) print(to io.Writer) error {
	out := &firstError{w: to}
	now := time.Now()
	r.head(out, now)
	r.members(out, now)
	r.evidence(out)
	r.changes(out)
	r.acts(out)
	if out.err != nil {
		return fmt.Errorf("print: %w", out.err)
	}
	return nil
}

func (r *incidentReport) head(out io.Writer, now time.Time) {
	fmt.Fprintf(out, "%s  %s  %s\n", r.ID, r.Cause.Kind, printable(r.Cause.Name))
	fmt.Fprintf(out, "%s since %s (%s): %s\n", strings.ToUpper(string(r.Status)), clock(r.Since), ago(r.Since, now), printable(r.Title))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(out, "  %-10s %s\n", name, printable(text))
		}
	}
	line("counted", r.Counted)
	line("failing", fmt.Sprintf("%d of %d that were ever in it", r.Failing, r.Total))
	if info := r.Reason.Info(); r.Reason != "" {
		line("reason", fmt.Sprintf("%s, %s", r.Reason, info.Meaning))
	}
	line("owner", string(r.Owner))
	line("next step", r.NextStep)
	for _, t := range r.Tickets {
		line("ticket", ticketLine(t))
	}
	if r.Ack != nil {
		line("ack", ackLine(r.Ack, now))
	}
	if s := r.Silenced; s != nil {
		line(string(s.Kind), fmt.Sprintf("%s until %s", s.Silence, clock(s.Until)))
	}
	if !r.ClosedAt.IsZero() {
		line("closed", strings.TrimSpace(fmt.Sprintf("%s (%s ago), %s %s", clock(r.ClosedAt), ago(r.ClosedAt, now), r.Closed, into(r.Into))))
	}
	if r.Reopened > 0 {
		line("opened", "again "+plural(r.Reopened, "time"))
	}
	line("left of", r.From)
}

func (r *incidentReport) members(out io.Writer, now time.Time) {
	if len(r.Members) == 0 {
		return
	}
	fmt.Fprintln(out, "\nIts BMCs")
	for i, m := range r.Members {
		if i == mostListed {
			fmt.Fprintf(out, "  and %d more; lamplighter get bmcs --where 'incident=%s' lists those that fail\n", len(r.Members)-i, r.ID)
			break
		}
		state := fmt.Sprintf("%s since %s", m.Reason, clock(m.Since))
		if !m.Left.IsZero() {
			state = fmt.Sprintf("left %s ago", ago(m.Left, now))
		}
		fmt.Fprintf(out, "  %s  %s  %s  %s\n", printable(string(m.BMC)), dash(printable(m.Rack)), dash(unitLabel(m.Unit)), state)
	}
}

func (r *incidentReport) evidence(out io.Writer) {
	if len(r.Evidence) == 0 {
		return
	}
	fmt.Fprintln(out, "\nEvidence")
	for _, text := range r.Evidence[:min(len(r.Evidence), mostEvidence)] {
		fmt.Fprintf(out, "  %s\n", printable(text))
	}
}

func (r *incidentReport) changes(out io.Writer) {
	if len(r.Changes) == 0 {
		return
	}
	fmt.Fprintln(out, "\nWhat happened, newest first")
	for i, c := range r.Changes {
		if i == mostListed {
			fmt.Fprintf(out, "  and %d before these\n", len(r.Changes)-i)
			break
		}
		fmt.Fprintf(out, "  %s  %s  %s to %s\n", clock(c.At), printable(string(c.BMC)), belief(c.From), belief(c.To))
	}
}

func (r *incidentReport) acts(out io.Writer) {
	if len(r.Acts) == 0 {
		return
	}
	fmt.Fprintln(out, "\nWhat people did, newest first")
	for _, act := range r.Acts[:min(len(r.Acts), mostListed)] {
		fmt.Fprintf(out, "  %s  %s  %s\n", clock(act.At), printable(act.Who), printable(strings.TrimSpace(act.Do+" "+act.Note)))
	}
}
