// Package query reads the filters that people type: firmware<2.14 and vendor=Dell and health!=available.
//
// The API has one language for lists, exports, changes and the live stream; the command line hands it on. A Filter asks a
// Subject for fields by name, so the package knows neither states nor stores. docs/api.md tells people about it.
package query

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Subject gives the value of a field of one BMC as text, "" where there is none. Times are RFC 3339, durations as Go writes
// them, flags "true".
type Subject func(field string) string

// Filter is a question to one BMC. The zero Filter is true of every BMC.
type Filter struct {
	text   string
	fields []string
	asked  []token // the fields as they stand in the text
	match  predicate
}

// predicate is a part of a filter; now is what ages and times are compared with.
type predicate func(s Subject, now time.Time) bool

// Match says whether the filter is true of s.
func (f Filter) Match(s Subject, now time.Time) bool { return f.match == nil || f.match(s, now) }

// Fields are the names of the fields that the filter asks for, each once.
func (f Filter) Fields() []string { return slices.Clone(f.fields) }

// Facts are those of Fields that checks learn.
func (f Filter) Facts() (names []string) {
	for _, name := range f.fields {
		if field, _ := FieldNamed(name); field.Fact {
			names = append(names, name)
		}
	}
	return names
}

// String is the filter in one way of writing: two filters of the same text are the same.
func (f Filter) String() string { return f.text }

// Error is a mistake in a filter: where it is, and what was expected there.
type Error struct {
	Position int    // in characters, from 1
	Found    string // what stands there; "" at the end
	Expected string
}

func (e *Error) Error() string {
	found := "the end"
	if e.Found != "" {
		found = fmt.Sprintf("%q", e.Found)
	}
	return fmt.Sprintf("position %d: found %s, want %s", e.Position, found, e.Expected)
}

// list writes names for people: a, b or c.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Without is the mistake, an *Error, that a filter asks for a field which cannot be asked for here; because says why. It is nil
// where it asks for none of them.
func (f Filter) Without(because string, not func(Field) bool) error {
	for _, t := range f.asked {
		if field, _ := FieldNamed(t.text); not(field) {
			return t.expected("another field: %s", because)
		}
	}
	return nil
}

// IsLabel says whether a field is a label of the inventory.
func (f Field) IsLabel() bool { return strings.HasPrefix(f.Name, LabelPrefix) }

// Timed says whether a field may change by the passing of time alone.
func (f Field) Timed() bool { return f.Kind == Time || f.Kind == Duration || f.Name == "acknowledged" }

// Timed says that the filter may become true or false by the passing of time alone.
func (f Filter) Timed() bool {
	return slices.ContainsFunc(f.fields, func(name string) bool {
		field, _ := FieldNamed(name)
		return field.Timed()
	})
}
