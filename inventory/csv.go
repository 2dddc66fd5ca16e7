package inventory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// CSV is a Source that reads a file with a header line. Columns that Lamplighter has no word for become labels.
type CSV struct{ Path string }

// BMCs reads the file. All its mistakes are reported at once, as BadLines: who wrote it can mend it, so nothing is left out.
func (c CSV) BMCs(ctx context.Context, known Known) (Answer, error) {
	bmcs, err := c.Read(ctx)
	if known.Complete != nil {
		for i := range bmcs {
			known.Complete(&bmcs[i])
		}
	}
	return Answer{BMCs: pointers(bmcs)}, err
}

// Read reads the file.
func (c CSV) Read(ctx context.Context) ([]BMC, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read inventory %s: %w", c.Path, err)
	}
	f, err := os.Open(c.Path)
	if err != nil {
		return nil, fmt.Errorf("read inventory: %w", err)
	}
	defer func() { _ = f.Close() }()
	return ReadCSV(c.Path, f)
}

// ReadCSV reads an inventory; name is what its mistakes are reported under.
func ReadCSV(name string, r io.Reader) ([]BMC, error) {
	t := &table{file: name, ids: map[ID]int{}, doors: map[door]int{}}
	t.csv = csv.NewReader(skipBOM(r))
	t.csv.FieldsPerRecord = -1 // counted here, to name the line of each
	if err := t.readHeader(); err != nil {
		return nil, err
	}
	for {
		row, err := t.csv.Read()
		if err == io.EOF {
			if err := t.bad.err(); err != nil {
				return nil, err
			}
			return t.bmcs, nil
		}
		if err := t.add(row, err); err != nil {
			return nil, err
		}
	}
}

func skipBOM(r io.Reader) io.Reader {
	buffered := bufio.NewReader(r)
	if start, _ := buffered.Peek(3); bytes.Equal(start, []byte("\ufeff")) {
		_, _ = buffered.Discard(3)
	}
	return buffered
}

// table is an inventory while it is read.
type table struct {
	file   string
	csv    *csv.Reader
	header []string
	bad    BadLines
	bmcs   []BMC
	ids    map[ID]int   // line of each ID
	doors  map[door]int // line of each address and port
}

func (t *table) badLine(line int, column, format string, args ...any) {
	t.bad = append(t.bad, BadLine{t.file, line, column, fmt.Sprintf(format, args...)})
}

// readHeader reads the first line. Without a good header no other line means anything.
func (t *table) readHeader() error {
	row, err := t.csv.Read()
	if err == io.EOF {
		t.badLine(1, "header", "want a line of column names with id and address, got an empty file")
		return t.bad.err()
	}
	if err != nil {
		if err := t.badSyntax(err); err != nil {
			return err
		}
		return t.bad.err()
	}
	line, _ := t.csv.FieldPos(0)
	if want := otherExport(row); want != "" {
		t.badLine(line, "header", "%s", want)
		return t.bad.err()
	}
	for i, cell := range row {
		column := strings.ToLower(strings.TrimSpace(cell))
		switch first := slices.Index(t.header, column); {
		case column == "":
			t.badLine(line, fmt.Sprintf("column %d", i+1), "want a name, got %s", quote(cell))
		case first >= 0:
			t.badLine(line, column, "want one column of this name, got column %d and column %d", first+1, i+1)
		case !printable(column, ""):
			t.badLine(line, fmt.Sprintf("column %d", i+1), "want a name in printable UTF-8, got %s", quote(cell))
		}
		t.header = append(t.header, column)
	}
	for _, required := range []string{"id", "address"} {
		if !slices.Contains(t.header, required) {
			t.badLine(line, required, "want a column of this name, separated by commas, got %s", quote(strings.Join(row, ",")))
		}
	}
	return t.bad.err()
}

// otherExport says what to change where a spreadsheet wrote something else than CSV with commas in UTF-8.
func otherExport(header []string) (want string) {
	first := header[0]
	switch {
	case strings.HasPrefix(first, "\xff\xfe"), strings.HasPrefix(first, "\xfe\xff"):
		return "want UTF-8, got UTF-16: export the table as CSV in UTF-8"
	case len(header) == 1 && strings.Contains(first, ";"):
		return "want columns separated by commas, got semicolons: export the table with commas"
	case len(header) == 1 && strings.Contains(first, "\t"):
		return "want columns separated by commas, got tabs: export the table with commas"
	}
	return ""
}

// add takes what the CSV reader said of one line. Its error is a fault of reading, not of the file's text.
func (t *table) add(row []string, err error) error {
	if err != nil {
		return t.badSyntax(err)
	}
	line, _ := t.csv.FieldPos(0)
	if len(row) != len(t.header) {
		t.badLine(line, "cells", "want %d as in the header, got %d", len(t.header), len(row))
		return nil
	}
	before := len(t.bad)
	bmc := BMC{Protocol: Auto, Login: DefaultLogin}
	for i, cell := range row {
		at, _ := t.csv.FieldPos(i)
		column, cell := t.header[i], strings.TrimSpace(cell)
		if want := setCell(&bmc, column, cell); want != "" {
			t.badLine(at, column, "want %s, got %s", want, quote(cell))
		}
	}
	if column, text := misplaced(&bmc); text != "" {
		t.badLine(line, column, "%s", text)
	}
	t.noteOnce(line, bmc)
	if len(t.bad) == before {
		t.bmcs = append(t.bmcs, bmc)
	}
	return nil
}

func (t *table) badSyntax(err error) error {
	var syntax *csv.ParseError
	if !errors.As(err, &syntax) {
		return fmt.Errorf("read inventory %s: %w", t.file, err)
	}
	if errors.Is(err, csv.ErrQuote) {
		t.badLine(syntax.StartLine, "quote", `want a closing " that a comma or the line's end follows (a " inside is written ""), got none in the cell that starts on this line`)
		return nil
	}
	t.badLine(syntax.Line, "quote", `want a cell with " in quotes and each " written "", got a bare "`)
	return nil
}

// noteOnce reports an ID, or an address and port, that an earlier line has.
func (t *table) noteOnce(line int, bmc BMC) {
	if first, ok := t.ids[bmc.ID]; ok && bmc.ID != "" {
		t.badLine(line, "id", "want an ID that no other line has, got %s, which line %d has", quote(string(bmc.ID)), first)
	} else {
		t.ids[bmc.ID] = line
	}
	if !bmc.Address.IsValid() {
		return
	}
	doors := bmc.doors()
	for _, door := range doors {
		if first, ok := t.doors[door]; ok {
			t.badLine(line, "address", "want an address and port that no other line has, got %s, which line %d has", door, first)
			return
		}
	}
	for _, door := range doors {
		t.doors[door] = line
	}
}

// door is a socket of a BMC. Two BMCs with the same one are the same BMC.
type door struct {
	address netip.Addr
	kind    string // tcp, udp, or empty for whatever the port of the record is of
	port    uint16
}

func (d door) String() string {
	switch {
	case d.kind != "":
		return fmt.Sprintf("%s %s port %d", d.address, d.kind, d.port)
	case d.port != 0:
		return fmt.Sprintf("%s port %d", d.address, d.port)
	}
	return d.address.String()
}

// doors are the sockets of a BMC that nobody else can have: the port of its record, and those that it is asked on.
func (b BMC) doors() []door {
	doors := append(make([]door, 0, 3), door{b.Address, "", b.Port})
	if b.Protocol != IPMI {
		doors = append(doors, door{b.Address, "tcp", b.RedfishPort()})
	}
	if b.Protocol != Redfish {
		doors = append(doors, door{b.Address, "udp", b.RMCPPort()})
	}
	return doors
}
