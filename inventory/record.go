package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reading makes BMCs of the records of a source. Whatever a CMDB has in a field, it never stops the others from being read.
type reading struct {
	known  Known
	answer Answer
	texts  map[string]string // each text once: a hundred thousand BMCs stand at a few sites, in a few rows, of a few vendors
}

func newReading(known Known) *reading { return &reading{known: known, texts: map[string]string{}} }

// once is a text that is kept once.
func (r *reading) once(text string) string {
	if len(text) > 64 {
		return text
	}
	if kept, known := r.texts[text]; known {
		return kept
	}
	kept := strings.Clone(text)
	r.texts[kept] = kept
	return kept
}

// unique are the columns of which each BMC has another.
func unique(column string) bool {
	return column == "id" || column == "address" || column == "serial" || column == "uuid" || column == "name" || column == "hostname"
}

// add adds a record, by column; where names it where it has no ID.
func (r *reading) add(where string, cells map[string]string) {
	b := BMC{Protocol: Auto, Login: DefaultLogin}
	var bad []string
	for _, column := range slices.Sorted(maps.Keys(cells)) {
		cell := strings.TrimSpace(cells[column])
		if cell == "" && column != "id" && column != "address" {
			continue
		}
		if !unique(column) {
			column, cell = r.once(column), r.once(cell)
		}
		if want := setCell(&b, column, cell); want != "" {
			bad = append(bad, fmt.Sprintf("%s: want %s, got %s", column, want, quote(cell)))
		}
	}
	if column, text := misplaced(b); text != "" {
		bad = append(bad, column+": "+text)
	}
	if len(bad) == 0 {
		r.answer.BMCs = append(r.answer.BMCs, r.known.same(b))
		return
	}
	c := Conflict{Kind: BadRecord, Text: fmt.Sprintf("%s: %s", where, strings.Join(bad, "; "))}
	if b.ID != "" {
		c.BMCs = []ID{b.ID}
	}
	r.answer.Bad = append(r.answer.Bad, c)
}
