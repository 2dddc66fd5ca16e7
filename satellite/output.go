package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"lamplighter/checks"
	"lamplighter/results"
)

// printer writes verdicts to stdout in one format. One goroutine at a time uses it. Close writes what is still to write; it
// is called also after an interruption, so that the partial result is there.
type printer interface {
	Print(results.Verdict) error
	Close() error
}

var formats = []string{"table", "json", "ndjson", "csv", "name"}

func newPrinter(format string, w io.Writer) (printer, error) {
	switch format {
	case "table":
		return &tablePrinter{w: w}, nil
	case "json":
		return &jsonPrinter{w: bufio.NewWriter(w)}, nil
	case "ndjson":
		return linePrinter{json.NewEncoder(w)}, nil
	case "csv":
		return newCSVPrinter(w), nil
	case "name":
		return namePrinter{w}, nil
	}
	return nil, fmt.Errorf("--output %q: want one of %s", format, strings.Join(formats, ", "))
}

// tablePrinter sorts by place, so it prints when it is closed.
type tablePrinter struct {
	w    io.Writer
	rows []results.Verdict
}

func (p *tablePrinter) Print(v results.Verdict) error {
	p.rows = append(p.rows, v)
	return nil
}

func (p *tablePrinter) Close() error {
	slices.SortFunc(p.rows, byPlace)
	table := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BMC\tADDRESS\tSITE\tRACK\tUNIT\tHEALTH\tFAILED\tREASON\tOWNER\tPOWER\tNEXT STEP")
	for _, v := range p.rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", v.BMC, v.Address, dash(v.Site), dash(v.Rack),
			dash(unit(v.Unit)), v.Health, dash(v.Failed), dash(v.Reason), dash(v.Owner), dash(power(v)), dash(v.NextStep))
	}
	return table.Flush()
}

func byPlace(a, b results.Verdict) int {
	for _, c := range []int{
		strings.Compare(a.Site, b.Site), strings.Compare(a.Room, b.Room), strings.Compare(a.Row, b.Row),
		strings.Compare(a.Rack, b.Rack), int(2 * (b.Unit - a.Unit)),
	} {
		if c != 0 {
			return c
		}
	}
	return strings.Compare(string(a.BMC), string(b.BMC))
}

func dash[S ~string](s S) string {
	if s == "" {
		return "-"
	}
	return string(s)
}

func unit(u float64) string {
	if u == 0 {
		return ""
	}
	return strconv.FormatFloat(u, 'f', -1, 64)
}

func power(v results.Verdict) string {
	for _, r := range v.Trail {
		if r.Check == checks.Power {
			return r.Facts["power"]
		}
	}
	return ""
}

// jsonPrinter streams one array.
type jsonPrinter struct {
	w       *bufio.Writer
	printed bool
}

func (p *jsonPrinter) Print(v results.Verdict) error {
	separator := ",\n"
	if !p.printed {
		separator, p.printed = "[\n", true
	}
	document, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, _ = p.w.WriteString(separator)
	_, err = p.w.Write(document)
	return err
}

func (p *jsonPrinter) Close() error {
	end := "\n]\n"
	if !p.printed {
		end = "[]\n"
	}
	_, _ = p.w.WriteString(end)
	return p.w.Flush()
}

// linePrinter prints each verdict on a line as it comes.
type linePrinter struct{ *json.Encoder }

func (p linePrinter) Print(v results.Verdict) error { return p.Encode(v) }
func (linePrinter) Close() error                    { return nil }

type csvPrinter struct{ w *csv.Writer }

func newCSVPrinter(w io.Writer) printer {
	p := csvPrinter{csv.NewWriter(w)}
	_ = p.w.Write([]string{"bmc", "address", "site", "room", "row", "rack", "unit", "vendor", "model", "health", "failed",
		"reason", "owner", "next_step", "power", "error", "round", "at"})
	return p
}

func (p csvPrinter) Print(v results.Verdict) error {
	failure := ""
	if n := len(v.Trail); n > 0 {
		failure = v.Trail[n-1].Error
	}
	row := []string{string(v.BMC), v.Address, v.Site, v.Room, v.Row, v.Rack, unit(v.Unit), v.Vendor, v.Model, v.Health.String(),
		string(v.Failed), string(v.Reason), string(v.Owner), v.NextStep, power(v), failure, v.Round.String(), v.At.Format(timeFormat)}
	for i := range row {
		row[i] = inert(row[i])
	}
	if err := p.w.Write(row); err != nil {
		return err
	}
	p.w.Flush()
	return p.w.Error()
}

func (p csvPrinter) Close() error {
	p.w.Flush()
	return p.w.Error()
}

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// inert keeps a spreadsheet from running a cell that a BMC or the CMDB wrote.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

type namePrinter struct{ w io.Writer }

func (p namePrinter) Print(v results.Verdict) error {
	_, err := fmt.Fprintln(p.w, v.BMC)
	return err
}

func (namePrinter) Close() error { return nil }
