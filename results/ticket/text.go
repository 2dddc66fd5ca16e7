package ticket

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"lamplighter/results"
)

const (
	// longestTitle is what the desk with the least room for one takes.
	longestTitle = 200
	longestBody  = 16 << 10
	mostNamed    = 50
	mostEvidence = 10
	mostListed   = 100
)

// Title is an incident's, for a desk.
func Title(i results.Incident) string {
	return cleaned(strings.Join(parts(i.Site, i.Title), ": "), longestTitle)
}

// Body says what, where, since when, why, on what evidence, whose job it is, and what to do next. It is plain text: evidence comes
// from BMCs, and nothing in it is markup.
func Body(i results.Incident, link string) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name+":", cleaned(value, 500))
		}
	}
	line("What", i.Title)
	line("Counted", i.Counted)
	line("Where", where(i))
	line("Since", stamp(i.Since))
	line("Why", why(i))
	line("Owner", string(i.Owner))
	line("Next step", i.NextStep)
	line("Link", link)
	line("Incident", i.ID)
	if i.Cause.Kind == causeStorm {
		list(&b, failing(i), i.Evidence, mostListed)
	} else {
		list(&b, "Evidence", i.Evidence, mostEvidence)
	}
	var children []string
	for _, c := range i.Children {
		children = append(children, fmt.Sprintf("%s  %s%s  %s%s since %s", c.BMC, cmp.Or(c.Rack, "-"), unit(c.Unit), c.Reason, prefixed(" at ", string(c.Failed)), stamp(c.Since)))
	}
	if len(children) > 0 {
		list(&b, failing(i), children, mostNamed)
	}
	b.WriteString("\nThis is about service processors (BMCs). It does not say whether the servers behind them run.\n")
	return bounded(b.String(), longestBody)
}

func list(b *strings.Builder, title string, lines []string, most int) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s\n", title)
	for _, l := range lines[:min(len(lines), most)] {
		fmt.Fprintf(b, "- %s\n", cleaned(l, 500))
	}
	if more := len(lines) - most; more > 0 {
		fmt.Fprintf(b, "- and %d more\n", more)
	}
}

func where(i results.Incident) string {
	place := parts(prefixed("site ", i.Site), prefixed("room ", i.Room), prefixed("row ", i.Row), prefixed("rack ", i.Rack), strings.TrimSpace(unit(i.Unit)))
	if len(place) == 0 {
		return "different sites"
	}
	return strings.Join(place, ", ")
}

func why(i results.Incident) string {
	return strings.TrimSuffix(string(i.Reason)+prefixed(" at ", string(i.Failed))+": "+i.Reason.Info().Meaning, ": ")
}

// failing is how many BMCs fail; of a storm, how many incidents are open.
func failing(i results.Incident) string {
	if i.Cause.Kind == causeStorm {
		return fmt.Sprintf("%d of %d incidents are open", i.Failing, i.Total)
	}
	if i.Total == 1 {
		return fmt.Sprintf("%d of 1 BMC fails", i.Failing)
	}
	return fmt.Sprintf("%d of %d BMCs fail", i.Failing, i.Total)
}

// difference has a line for each thing that is worth a comment; none where nothing is.
func difference(before, now results.Said, i results.Incident) string {
	var lines []string
	line := func(changed bool, format string, args ...any) {
		if changed {
			lines = append(lines, cleaned(fmt.Sprintf(format, args...), 1000))
		}
	}
	line(before.Cause != now.Cause, "It looks like %s now, and no longer like %s.", now.Cause, cmp.Or(before.Cause, "nothing known"))
	line(before.Health != now.Health, "%s now, before: %s.", now.Health, before.Health)
	line(before.Reason != now.Reason, "Why: %s, before: %s. Next step: %s", why(i), cmp.Or(string(before.Reason), "nothing known"), i.NextStep)
	line(before.Owner != now.Owner, "Owner: %s, before: %s.", now.Owner, cmp.Or(string(before.Owner), "nobody"))
	line(before.Failing != now.Failing || before.Total != now.Total, "%s, before: %d of %d.", failing(i), before.Failing, before.Total)
	switch {
	case before.Ack != now.Ack && i.Ack != nil:
		line(true, "%s is on it%s.", i.Ack.Who, prefixed(": ", i.Ack.Note))
	case before.Ack != now.Ack:
		line(true, "%s is no longer on it.", before.Ack)
	}
	return strings.Join(lines, "\n")
}

// ending says why an incident is closed.
func ending(i results.Incident) string {
	took := ""
	if !i.ClosedAt.IsZero() && i.ClosedAt.After(i.Since) {
		took = " after " + i.ClosedAt.Sub(i.Since).Round(time.Second).String()
	}
	switch i.Closed {
	case results.Merged:
		return "It was found to be a part of incident " + i.Into + ": see its ticket."
	case results.Left:
		return "Its BMCs are in the inventory no more."
	}
	return "Its BMCs work again" + took + "."
}

// again says that an incident is open again.
func again(i results.Incident) string {
	return fmt.Sprintf("It is back: %s.\n%s\nNext step: %s", failing(i), why(i), i.NextStep)
}

// cleaned is text on one line, without control characters and bounded: it may come from a BMC.
func cleaned(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	return bounded(strings.TrimSpace(text), most)
}

func bounded(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

// parts are the texts that are not empty.
func parts(texts ...string) (all []string) {
	for _, t := range texts {
		if t != "" {
			all = append(all, t)
		}
	}
	return all
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func unit(u float64) string {
	if u == 0 {
		return ""
	}
	return " U" + strconv.FormatFloat(u, 'f', -1, 64)
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02 15:04:05 UTC")
}
