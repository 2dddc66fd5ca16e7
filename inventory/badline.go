package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// BadLine is one mistake in a file that a person wrote.
type BadLine struct {
	File   string
	Line   int
	Column string // the column's name, or what else is wrong
	Text   string // what was expected, and what was there
}

func (b BadLine) Error() string {
	return fmt.Sprintf("%s:%d: %s: %s", b.File, b.Line, b.Column, b.Text)
}

// BadLines are all mistakes of a file, by line. Its text has one line each.
type BadLines []BadLine

// printedLines bounds the text: a file of another format is wrong in every line.
const printedLines = 100

func (b BadLines) Error() string {
	var lines []string
	for _, bad := range b[:min(len(b), printedLines)] {
		lines = append(lines, bad.Error())
	}
	if more := len(b) - printedLines; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// err is nil when there is no mistake.
func (b BadLines) err() error {
	if len(b) == 0 {
		return nil
	}
	slices.SortStableFunc(b, func(x, y BadLine) int { return cmp.Compare(x.Line, y.Line) })
	return b
}

// quote shows a cell, cut where it is long.
func quote(s string) string {
	const most = 80
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", s[:cut])
}
