package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/api"
)

const (
	mostSpans      = 8
	mostNeighbours = 8
)

// print says it all to a person.
func (r *whyReport) print(to io.Writer) error {
	out := &firstError{w: to}
	now := time.Now()
	fmt.Fprintln(out, r.place())
	r.believed(out, now)
	r.rounds(out, now)
	r.past(out, now)
	r.known(out, now)
	r.around(out, now)
	if out.err != nil {
		return fmt.Errorf("print: %w", out.err)
	}
	return nil
}

// believed is the health, why, whose job it is and what to do.
func (r *whyReport) believed(out io.Writer, now time.Time) {
	s := &r.State
	fmt.Fprint(out, strings.ToUpper(s.Health.String()))
	if s.Failed != "" {
		fmt.Fprintf(out, " at %s", s.Failed)
	}
	if !s.Since.IsZero() {
		fmt.Fprintf(out, " since %s (%s)", clock(s.Since), ago(s.Since, now))
	}
	switch {
	case s.Reason != "":
		fmt.Fprintf(out, ": %s, %s", s.Reason, s.Reason.Info().Meaning)
	case s.Health == checks.Unknown:
		fmt.Fprint(out, ": nothing is believed yet")
	}
	fmt.Fprintln(out)
	if soft := s.Soft; soft != nil {
		fmt.Fprintf(out, "  lately     %s", strings.ToUpper(soft.Health.String()))
		if soft.Failed != "" {
			fmt.Fprintf(out, " at %s", soft.Failed)
		}
		if soft.Reason != "" {
			fmt.Fprintf(out, ": %s, %s", soft.Reason, soft.Reason.Info().Meaning)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "  attempts   %s\n", r.attempts())
	reason, owner, next := r.job()
	if reason != "" {
		who := string(owner)
		if owner == checks.OwnerUs {
			who += " (who runs Lamplighter); it says nothing about the BMC"
		}
		fmt.Fprintf(out, "  owner      %s\n  next step  %s\n", who, next)
	}
	if s.Owner != owner && s.Owner != "" && s.NextStep != "" && s.Soft == nil {
		fmt.Fprintf(out, "  and        %s: %s\n", s.Owner, s.NextStep)
	}
	if r.Incident != nil {
		incidentLines(out, *r.Incident, now)
	}
	if q := r.Silence; q != nil {
		fmt.Fprintf(out, "  %-10s %s until %s by %s: %s\n", q.Kind, q.ID, clock(q.Until), printable(q.Who), printable(q.Reason))
	}
	r.asides(out, now)
}

// asides are what else should be known before somebody is sent.
func (r *whyReport) asides(out io.Writer, now time.Time) {
	s := &r.State
	switch {
	case s.NeverSeen:
		fmt.Fprintln(out, "  last good  never")
	case s.Health != checks.Available || s.Soft != nil:
		fmt.Fprintf(out, "  last good  %s (%s ago)\n", clock(s.LastGoodAt), ago(s.LastGoodAt, now))
	}
	if k := s.LastKnown; k != nil {
		fmt.Fprintf(out, "  last known %s %s, seen %s ago\n", k.Health, k.Reason, ago(k.At, now))
	}
	if m := s.Missed; m != nil {
		fmt.Fprintf(out, "  unknown    %s since %s found nothing out: %s\n", plural(int(m.Rounds), "round"), clock(m.Since), m.Reason)
	}
	if f := s.Flapping; f != nil {
		fmt.Fprintf(out, "  flapping   since %s: %d %% of its last rounds changed its health\n", clock(f.Since), f.Share)
	}
	if a := r.Ack; a != nil {
		fmt.Fprintf(out, "  ack        %s, %s ago: %s\n", printable(a.Who), ago(a.At, now), printable(cmp.Or(a.Note, "(no text)")))
	}
}

// rounds shows the newest round check by check, and the one that decided where that is another.
func (r *whyReport) rounds(out io.Writer, now time.Time) {
	switch {
	case r.Verdict == nil && r.Decided == nil:
		fmt.Fprintln(out, "\nNo whole verdict is kept.")
		return
	case r.Verdict != nil:
		round(out, "Newest round", r.Verdict, now)
	}
	if r.Decided != nil && r.State.Health != checks.Available {
		round(out, "What is believed rests on", r.Decided, now)
	}
}

func round(out io.Writer, title string, v *results.Verdict, now time.Time) {
	fmt.Fprintf(out, "\n%s: %s, %s ago, by %s\n", title, v.Round, ago(v.At, now), v.Satellite)
	s := steps{out}
	for _, result := range v.Trail {
		s.result(result)
		if result.AgeS > 0 {
			s.below("carried", fmt.Sprintf("found %v before this round", time.Duration(result.AgeS)*time.Second))
		}
		if result.Outcome != checks.OK {
			evidence(s, result)
		}
	}
	if len(v.Trail) == 0 {
		fmt.Fprintln(out, "  no check was made")
	}
}

// evidence is what a check saw before it failed.
func evidence(s steps, r checks.Result) {
	var pieces []string
	for name, value := range r.Facts {
		if !slices.Contains(hiddenFacts, name) && !strings.HasPrefix(name, "fence_") {
			pieces = append(pieces, printable(name+"="+value))
		}
	}
	if len(pieces) > 0 {
		slices.Sort(pieces)
		s.indented(append([]string{"evidence:"}, pieces...), "  ")
	}
}

// past is what the BMC was in the last day.
func (r *whyReport) past(out io.Writer, now time.Time) {
	spans := r.History.Spans
	if len(spans) == 0 {
		return
	}
	fmt.Fprintln(out, "\nLast 24 h")
	if hidden := len(spans) - mostSpans; hidden > 0 {
		fmt.Fprintf(out, "  %s before these\n", plural(hidden, "span"))
		spans = spans[hidden:]
	}
	for _, span := range spans {
		what := strings.TrimSpace(fmt.Sprintf("%s %s", span.Health, span.Reason))
		if span.Failed != "" {
			what += " at " + string(span.Failed)
		}
		until := clock(span.Until)
		if span.Open {
			until = "now" + strings.Repeat(" ", len(clock(now))-len("now"))
		}
		fmt.Fprintf(out, "  %s to %s  %s (%s)\n", clock(span.Since), until, what, plural(span.Rounds, "round"))
	}
}

// shownKnown are the facts that tell people which machine it is.
var shownKnown = []string{"vendor", "model", "firmware", "serial", "uuid", "protocol", "power", "redfish_version", "ipmi_version", "tls_version", "cert_not_after"}

func (r *whyReport) known(out io.Writer, now time.Time) {
	var pieces []string
	for _, fact := range r.Facts {
		if !slices.Contains(shownKnown, fact.Name) {
			continue
		}
		text := printable(fact.Name + "=" + fact.Value)
		if fact.Stale {
			text += fmt.Sprintf(" (stale, of %s ago)", ago(fact.At, now))
		}
		pieces = append(pieces, text)
	}
	if len(pieces) > 0 {
		fmt.Fprintln(out, "\nKnown of it")
		steps{out}.indented(pieces, "  ")
	}
}

// around are the neighbours: a sick rack is another matter than a sick BMC.
func (r *whyReport) around(out io.Writer, now time.Time) {
	if r.State.Rack == "" {
		return
	}
	line, sick := r.sameRack()
	fmt.Fprintf(out, "\nNeighbours in %s: %s\n", printable(strings.TrimSpace(r.State.Site+" "+r.State.Rack)), line)
	for i, n := range sick {
		if i == mostNeighbours {
			fmt.Fprintf(out, "  and %d more\n", len(sick)-i)
			break
		}
		fmt.Fprintf(out, "  %-5s %s  %s\n", dash(unitLabel(n.Unit)), printable(string(n.BMC)), briefly(n))
	}
}

// briefly says what is believed of a BMC, by what reason and since when, as far as there is one.
func briefly(s api.Neighbour) string {
	text := s.Health.String()
	if s.Reason != "" {
		text += " " + string(s.Reason)
	}
	if !s.Since.IsZero() {
		text += ", since " + clock(s.Since)
	}
	return text
}
