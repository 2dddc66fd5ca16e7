package main

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/results/store"
)

// document is one of a list, as the API wrote it.
type document = json.RawMessage

// kind is something that can be listed.
type kind struct {
	what string
	// export is where the API has it as CSV; "": it has not.
	export  string
	columns []string
	// cells are a document's, by columns, and its name.
	cells func(d document, now time.Time) (cells []string, name string, err error)
}

var kinds = map[string]kind{
	"bmcs": {"bmcs", "/export/bmcs", []string{"code", "bmc", "address", "site", "rack", "unit", "health", "failed", "reason", "for", "owner", "note"}, bmcCells},
	"sites": {"sites", "", append([]string{"site"}, countColumns...), func(d document, _ time.Time) ([]string, string, error) {
		var s api.Site
		err := json.Unmarshal(d, &s)
		return append([]string{s.Site}, countCells(s.Count)...), s.Site, err
	}},
	"racks": {"racks", "", append([]string{"site", "room", "row", "rack"}, countColumns...), func(d document, _ time.Time) ([]string, string, error) {
		var r api.Rack
		err := json.Unmarshal(d, &r)
		place := []string{r.Site, r.Room, r.Row, r.Rack}
		return append(place, countCells(r.Count)...), strings.Join(place, "/"), err
	}},
	"changes":   {"changes", "/export/changes", []string{"at", "bmc", "site", "rack", "kind", "from", "to", "since", "owner", "next step"}, changeCells},
	"incidents": {"incidents", "/export/incidents", incidentColumns, incidentCells},
	"silences":  {"silences", "", silenceColumns, silenceCells},
}

var countColumns = []string{"bmcs", "available", "degraded", "unavailable", "unknown", "never seen", "flapping", "acknowledged", "silenced", "mostly"}

func countCells(c api.Count) []string {
	cells := []string{}
	for _, n := range []int{c.Total, c.Available, c.Degraded, c.Unavailable, c.Unknown, c.NeverSeen, c.Flapping, c.Acknowledged, c.Silenced} {
		cells = append(cells, fmt.Sprint(n))
	}
	mostly := ""
	if len(c.Reasons) > 0 {
		mostly = fmt.Sprintf("%s (%d)", c.Reasons[0].Reason, c.Reasons[0].Count)
	}
	return append(cells, mostly)
}

// believed is a BMC as the API lists it.
type believed struct {
	results.State
	Code     results.Code      `json:"code"`
	Ack      *store.Ack        `json:"ack"`
	Incident string            `json:"incident"`
	Silenced *results.Silenced `json:"silenced"`
	Facts    map[string]string `json:"facts"`
}

// code is the state in one character, with what lies over it beside.
func (b believed) code() string {
	code := string(b.Code)
	for _, over := range []struct {
		is   bool
		sign string
	}{{b.Flapping != nil, results.OverlayFlapping}, {b.Ack != nil, results.OverlayAcked}, {b.Silenced != nil, results.OverlaySilenced}} {
		if over.is {
			code += over.sign
		}
	}
	return code
}

func bmcCells(d document, now time.Time) ([]string, string, error) {
	var b believed
	err := json.Unmarshal(d, &b)
	return []string{
		b.code(), string(b.BMC), b.Address, b.Site, b.Rack, unit(b.Unit), b.Health.String(), string(b.Failed), string(b.Reason), ago(b.Since, now),
		string(b.Owner), b.note(now),
	}, string(b.BMC), err
}

// fact is a fact, or what the inventory says in its place.
func (b believed) fact(name string) string {
	switch name {
	case "vendor":
		return cmp.Or(b.Vendor, b.Facts[name])
	case "model":
		return cmp.Or(b.Model, b.Facts[name])
	}
	return b.Facts[name]
}

// note is what should be known besides the health.
func (b believed) note(now time.Time) string {
	var notes []string
	if s := b.Soft; s != nil {
		notes = append(notes, fmt.Sprintf("lately %s %s, %d of %d", s.Health, s.Reason, s.Attempts, s.Of))
	}
	if k := b.LastKnown; k != nil {
		notes = append(notes, fmt.Sprintf("was %s %s ago", k.Health, ago(k.At, now)))
	}
	if b.Flapping != nil {
		notes = append(notes, fmt.Sprintf("flapping %d %%", b.Flapping.Share))
	}
	if b.NeverSeen {
		notes = append(notes, "never seen to work")
	}
	if b.Ack != nil {
		notes = append(notes, "acknowledged by "+b.Ack.Who)
	}
	if s := b.Silenced; s != nil {
		notes = append(notes, fmt.Sprintf("%s until %s", s.Kind, clock(s.Until)))
	}
	if b.Incident != "" {
		notes = append(notes, "incident "+b.Incident)
	}
	return strings.Join(notes, "; ")
}

func changeCells(d document, _ time.Time) ([]string, string, error) {
	var c results.Change
	err := json.Unmarshal(d, &c)
	return []string{
		clock(c.At), string(c.BMC), c.Site, c.Rack, string(c.Kind), belief(c.From), belief(c.To), clock(c.Since), string(c.Owner), c.NextStep,
	}, c.ID, err
}

func belief(b results.Belief) string {
	return strings.TrimSpace(b.Health.String() + " " + string(b.Reason))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ago is how long a time is past, as people say it.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	switch d := max(0, now.Sub(t)); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// lister prints documents in one format. close prints what is still to be printed.
type lister struct {
	put   func(document) error
	close func() error
}

func (g *asking) lister() lister {
	switch g.output {
	case "json":
		return jsonList(g.out)
	case "csv":
		w := csv.NewWriter(g.out)
		_ = w.Write(g.kind.columns)
		return lister{func(d document) error {
			cells, _, err := g.kind.cells(d, time.Now())
			for i := range cells {
				cells[i] = inert(cells[i])
			}
			return cmp.Or(err, w.Write(cells))
		}, func() error { w.Flush(); return w.Error() }}
	case "name":
		return lister{func(d document) error {
			_, name, err := g.kind.cells(d, time.Now())
			if err == nil {
				_, err = fmt.Fprintln(g.out, name)
			}
			return err
		}, func() error { return nil }}
	}
	return g.table(g.out)
}

// table has a column more for each fact that the filter asks for.
func (g *asking) table(w io.Writer) lister {
	table, now, facts := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), time.Now(), g.shownFacts()
	fmt.Fprintln(table, strings.ToUpper(strings.Join(append(g.kind.columns[:len(g.kind.columns):len(g.kind.columns)], facts...), "\t")))
	return lister{func(d document) error {
		cells, _, err := g.kind.cells(d, now)
		if err != nil {
			return err
		}
		if len(facts) > 0 {
			var b believed
			if err := json.Unmarshal(d, &b); err != nil {
				return err
			}
			for _, name := range facts {
				cells = append(cells, b.fact(name))
			}
		}
		for i := range cells {
			cells[i] = printable(dash(cells[i]))
		}
		_, err = fmt.Fprintln(table, strings.Join(cells, "\t"))
		return err
	}, table.Flush}
}

// shownFacts are those that the filter asks for, where the list is of BMCs.
func (g *asking) shownFacts() []string {
	if g.kind.what != "bmcs" {
		return nil
	}
	return g.facts
}

// printable takes out what could move the cursor of whoever reads it: a BMC wrote parts of it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}

// jsonList prints one array of the API's own documents.
func jsonList(to io.Writer) lister {
	w, separator := bufio.NewWriter(to), "[\n"
	return lister{func(d document) error {
		_, _ = w.WriteString(separator) // w keeps the error for its next call
		separator = ",\n"
		_, err := w.Write(d)
		return err
	}, func() error {
		end := "\n]\n"
		if separator == "[\n" {
			end = "[]\n"
		}
		_, _ = w.WriteString(end)
		return w.Flush()
	}}
}
