package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// screen redraws pages in place on a terminal: it overwrites what is there instead of clearing it first, so nothing flickers.
type screen struct {
	w             io.Writer
	width, height int
}

// terminalOf is the terminal that w writes to; ok is false for files, pipes and tests' buffers.
func terminalOf(w io.Writer) (s screen, ok bool) {
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return screen{}, false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	return screen{w, width, height}, err == nil && width > 0 && height > 0
}

const (
	clearAndHideCursor = "\x1b[?25l\x1b[H\x1b[2J"
	showCursor         = "\x1b[?25h"
	home               = "\x1b[H"
	endOfLine          = "\x1b[K" // clears what is left of the line
	endOfScreen        = "\x1b[J" // clears what is left of the screen
)

// draw shows as much of the page as there is room for. The last line stays empty, so that the terminal never scrolls.
func (s screen) draw(page string) {
	lines := strings.Split(strings.TrimRight(page, "\n"), "\n")
	var out strings.Builder
	out.WriteString(home)
	for _, line := range lines[:min(len(lines), s.height-1)] {
		out.WriteString(cut(line, s.width) + endOfLine + "\r\n")
	}
	out.WriteString(endOfScreen)
	_, _ = io.WriteString(s.w, out.String())
}

// cut shortens a line to so many characters; what we draw has no wide ones.
func cut(line string, width int) string {
	if runes := []rune(line); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return line
}

// drawColumns writes the racks as short cells side by side, column by column.
func (b *board) drawColumns(w io.Writer, newest map[inventory.ID]results.Verdict, width int) {
	var cells []string
	widest := 0
	for _, rack := range b.racks() {
		var strip strings.Builder
		for _, bmc := range rack {
			v, known := newest[bmc.ID]
			strip.WriteString(letter(v, known))
		}
		cell := fmt.Sprintf("%s %s %s", dash(rack[0].Site), dash(rack[0].Rack), &strip)
		cells, widest = append(cells, cell), max(widest, len([]rune(cell)))
	}
	columns := max(1, (width+3)/(widest+3))
	rows := (len(cells) + columns - 1) / columns
	for row := range rows {
		var line strings.Builder
		for i := row; i < len(cells); i += rows {
			fmt.Fprintf(&line, "%-*s   ", widest, cells[i])
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// drawCauses writes a line per cause, worst first, at most so many lines.
func (b *board) drawCauses(w io.Writer, newest map[inventory.ID]results.Verdict, lines int) {
	found, members := newSummary(), map[cause][]string{}
	for _, bmc := range b.bmcs {
		if v, known := newest[bmc.ID]; known && v.Health != checks.Available {
			found.add(v)
			c := cause{v.Health, v.Failed, v.Reason}
			members[c] = append(members[c], string(bmc.ID))
		}
	}
	causes := found.causes()
	shown := causes
	if room := lines - 1; len(causes) > room { // a line for the heading
		shown = causes[:max(0, room-1)]
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BMCS\tHEALTH\tFAILED\tREASON\tOWNER\tWHICH\tNEXT STEP")
	for _, c := range shown {
		info := c.reason.Info()
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", found.reasons[c], c.health, dash(c.failed), c.reason, info.Owner, named(members[c]), info.NextStep)
	}
	_ = table.Flush()
	if more := len(causes) - len(shown); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}
