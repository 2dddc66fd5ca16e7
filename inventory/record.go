package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// reading makes BMCs of the records of a source. Whatever a CMDB has in a field, it never stops the others from being read.
type reading struct {
	texts
	known  Known
	answer Answer
	row    []cell            // of the record that is read now; used again for the next
	over   bool              // it has more cells than mostCells
	rest   map[string]string // likewise, its labels
}

// cell is what a record says in a column.
type cell struct{ column, text string }

func newReading(known Known) *reading {
	return &reading{texts: texts{}, known: known, rest: map[string]string{}}
}

// A record travels over Kafka, in a message of 256 KiB. JSON may make six bytes of one.
const (
	mostCells  = 1000
	mostLabels = 32 << 10 // bytes
)

// begin begins a record.
func (r *reading) begin() { r.row, r.over = r.row[:0], false }

// set sets a column; an empty text is none.
func (r *reading) set(column, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	if len(r.row) >= mostCells && column != "id" { // whose record it is has to be known all the same
		r.over = true
		return
	}
	r.row = append(r.row, cell{column, text})
}

// instead sets a column whatever was set before.
func (r *reading) instead(column, text string) {
	if strings.TrimSpace(text) != "" && !r.over {
		r.row = slices.DeleteFunc(r.row, func(c cell) bool { return c.column == column })
		r.set(column, text)
	}
}

// done takes the record; where names it where it has no ID.
func (r *reading) done(where func() string) {
	clear(r.rest)
	b := BMC{Protocol: Auto, Login: DefaultLogin, Labels: r.rest}
	var bad []string
	wrong := func(column, want, got string) {
		bad = append(bad, fmt.Sprintf("%s: want %s, got %s", column, want, quote(got)))
	}
	for _, c := range r.row {
		if want := setCell(&b, c.column, c.text); want != "" {
			wrong(c.column, want, c.text)
		}
	}
	for column, lacks := range map[string]bool{"id": b.ID == "", "address": !b.Address.IsValid()} {
		if lacks && !slices.ContainsFunc(r.row, func(c cell) bool { return c.column == column }) {
			wrong(column, setCell(&b, column, ""), "")
		}
	}
	if column, text := misplaced(&b); text != "" {
		bad = append(bad, column+": "+text)
	}
	if r.over {
		bad = append(bad, fmt.Sprintf("labels: want at most %d fields", mostCells))
	}
	if text := overlong(&b); text != "" {
		bad = append(bad, text)
	}
	if len(bad) == 0 {
		r.answer.BMCs = append(r.answer.BMCs, r.held(&b))
		return
	}
	slices.Sort(bad)
	c := Conflict{Kind: BadRecord, Text: fmt.Sprintf("%s: %s", where(), strings.Join(bad, "; "))}
	if b.ID != "" {
		c.BMCs = []ID{b.ID}
	}
	r.answer.Bad = append(r.answer.Bad, c)
}

// overlong says what is wrong with labels that no message holds.
func overlong(b *BMC) string {
	bytes := 0
	for name, value := range b.Labels {
		bytes += len(name) + len(value)
	}
	if bytes <= mostLabels {
		return ""
	}
	return fmt.Sprintf("labels: want at most %d KiB in all, got %d", mostLabels>>10, bytes>>10)
}

// held is the record that is held, if it says what b says, or else a copy of b, whose labels are those of the reading.
func (r *reading) held(b *BMC) *BMC {
	if was := r.known.same(b); was != nil {
		return was
	}
	kept := *b
	kept.ID, kept.Serial, kept.UUID = ID(strings.Clone(string(b.ID))), strings.Clone(b.Serial), strings.Clone(b.UUID)
	r.share(&kept)
	return &kept
}
