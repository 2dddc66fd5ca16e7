package api

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/store"
)

// The ways in which a list is exported.
const (
	asCSV    = "csv"
	asJSON   = "json"
	asNDJSON = "ndjson"
)

// export writes a list as it is read, so that it needs no memory. Whoever reads it slowly is waited for, whoever does not is not.
type export struct {
	out    *http.ResponseController
	csv    *csv.Writer
	json   *json.Encoder
	array  io.Writer // of one JSON document: what stands between its lines is written here
	format string
	lines  int
}

func newExport(w http.ResponseWriter, name, format string, columns []string) (*export, error) {
	e := &export{out: http.NewResponseController(w), format: format}
	header := w.Header()
	header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s.%s"`, name, format))
	switch format {
	case asNDJSON:
		header.Set("Content-Type", "application/x-ndjson")
		e.json = json.NewEncoder(w)
		return e, nil
	case asJSON:
		header.Set("Content-Type", "application/json")
		e.json, e.array = json.NewEncoder(w), w
		return e, nil
	}
	header.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	e.csv = csv.NewWriter(w)
	e.csv.UseCRLF = true // RFC 4180
	return e, e.csv.Write(columns)
}

// line writes one line: the document, or its cells.
func (e *export) line(document any, cells func() []string) error {
	if e.lines++; e.lines%500 == 1 {
		_ = e.out.SetWriteDeadline(time.Now().Add(patience)) // where that is not possible the server's own limit counts
	}
	if e.array != nil {
		between := ","
		if e.lines == 1 {
			between = "["
		}
		if _, err := io.WriteString(e.array, between); err != nil {
			return err
		}
	}
	if e.json != nil {
		return e.json.Encode(document)
	}
	row := cells()
	for i, cell := range row {
		row[i] = harmless(cell)
	}
	return e.csv.Write(row)
}

// close writes what is left.
func (e *export) close() error {
	switch {
	case e.array != nil && e.lines == 0:
		_, err := io.WriteString(e.array, "[]\n")
		return err
	case e.array != nil:
		_, err := io.WriteString(e.array, "]\n")
		return err
	case e.csv == nil:
		return nil
	}
	e.csv.Flush()
	return e.csv.Error()
}

// harmless keeps a spreadsheet from taking a text that a BMC made up for a formula.
func harmless(cell string) string {
	if cell == "" {
		return cell
	}
	switch cell[0] {
	case '=', '+', '-', '@', '\t', '\r':
		if _, err := strconv.ParseFloat(cell, 64); err != nil {
			return "'" + cell
		}
	}
	return cell
}

// bmcColumns are those of an export of BMCs.
var bmcColumns = []string{"bmc", "site", "room", "row", "rack", "unit", "vendor", "model", "address", "health", "failed", "reason", "owner",
	"next_step", "since", "last_at", "last_good_at", "never_seen", "flapping", "soft_health", "last_known_health", "acknowledged_by",
	"code", "incident", "silenced", "silenced_until", "firmware", "serial", "uuid"}

func bmcCells(b BMC, k *follow.BMC) []string {
	soft, lastKnown, by, silenced, until := "", "", "", "", ""
	if b.Soft != nil {
		soft = b.Soft.Health.String()
	}
	if b.LastKnown != nil {
		lastKnown = b.LastKnown.Health.String()
	}
	if b.Ack != nil {
		by = b.Ack.Who
	}
	if b.Silenced != nil {
		silenced, until = string(b.Silenced.Kind), results.MomentText(b.Silenced.Until)
	}
	return []string{string(b.BMC), b.Site, b.Room, b.Row, b.Rack, results.UnitText(b.Unit), b.Vendor, b.Model, b.Address, b.Health.String(), string(b.Failed),
		string(b.Reason), string(b.Owner), b.NextStep, results.MomentText(b.Since), results.MomentText(b.LastAt), results.MomentText(b.LastGoodAt), strconv.FormatBool(b.NeverSeen),
		strconv.FormatBool(b.Flapping != nil), soft, lastKnown, by, string(b.Code), b.Incident, silenced, until, results.FactNamed(k.Facts, "firmware"), results.FactNamed(k.Facts, "serial"), results.FactNamed(k.Facts, "uuid")}
}

// exportBMCs answers with all BMCs that match: GET /export/bmcs.
func (s *Server) exportBMCs(w http.ResponseWriter, _ *http.Request, a ask) error {
	format, err := a.choice("format", asCSV, asJSON, asNDJSON)
	if err != nil {
		return err
	}
	e, err := newExport(w, "bmcs", format, bmcColumns)
	l := s.lens(a)
	s.matching(a, func(k *follow.BMC) bool {
		if err != nil {
			return false
		}
		b := listed(k, l.overlay(k))
		if format != asCSV {
			b.Facts = chosen(k.Facts, []string{"all"})
		}
		err = e.line(b, func() []string { return bmcCells(b, k) })
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("export BMCs: %w", err)
	}
	return e.close()
}

// changeColumns are those of an export of changes.
var changeColumns = []string{"id", "bmc", "site", "room", "row", "rack", "unit", "kind", "from_health", "from_reason", "to_health", "to_failed",
	"to_reason", "since", "at", "round", "owner", "next_step", "never_seen", "flapping", "late"}

func changeCells(c results.Change) []string {
	return []string{c.ID, string(c.BMC), c.Site, c.Room, c.Row, c.Rack, results.UnitText(c.Unit), string(c.Kind), c.From.Health.String(), string(c.From.Reason),
		c.To.Health.String(), string(c.To.Failed), string(c.To.Reason), results.MomentText(c.Since), results.MomentText(c.At), c.Round.String(), string(c.Owner), c.NextStep,
		strconv.FormatBool(c.NeverSeen), strconv.FormatBool(c.Flapping), strconv.FormatBool(c.Late)}
}

// exportChanges answers with all changes that match, newest first: GET /export/changes.
func (s *Server) exportChanges(w http.ResponseWriter, r *http.Request, a ask) error {
	format, err := a.choice("format", asCSV, asJSON, asNDJSON)
	if err != nil {
		return err
	}
	which, err := a.which()
	if err != nil {
		return err
	}
	e, err := newExport(w, "changes", format, changeColumns)
	if err != nil {
		return fmt.Errorf("export changes: %w", err)
	}
	picked := s.picked(a)
	read := s.Store.Changes(r.Context(), which, func(k store.Kept) bool {
		if picked(k.Change.BMC) {
			err = e.line(k.Change, func() []string { return changeCells(k.Change) })
		}
		return err == nil
	})
	if read != nil || err != nil {
		return fmt.Errorf("export changes: %w", firstOf(read, err))
	}
	return e.close()
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
