package inventory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Fields say which column of an inventory comes from which field of a source's record: id from asset.tag, say. A column that Lamplighter
// has no word for becomes a label.
type Fields map[string]string

// mapped makes cells of records by Fields, and notices a field that no record has: it is misspelled, and would be empty for ever.
type mapped struct {
	fields Fields
	met    map[string]bool
	read   int
}

func (f Fields) mapped() *mapped { return &mapped{fields: f, met: map[string]bool{}} }

func (m *mapped) cells(record map[string]json.RawMessage) map[string]string {
	m.read++
	cells := make(map[string]string, len(m.fields))
	for column, field := range m.fields {
		value, there := lookUp(record, field)
		if there {
			m.met[field] = true
		}
		cells[column] = scalarText(value)
	}
	return cells
}

// lookUp finds a field by its whole name, else by its path: ServiceNow answers location.name as one key, others have an object there.
func lookUp(record map[string]json.RawMessage, field string) (json.RawMessage, bool) {
	if value, there := record[field]; there {
		return value, true
	}
	first, rest, deeper := strings.Cut(field, ".")
	value, there := record[first]
	if !there || !deeper {
		return nil, false
	}
	var inside map[string]json.RawMessage
	if json.Unmarshal(value, &inside) != nil {
		return nil, string(value) == "null" || string(value) == `""` // there is none in this record, as far as we can see
	}
	return lookUp(inside, rest)
}

// err says which fields no record has.
func (m *mapped) err() error {
	var unknown []string
	for _, field := range slices.Compact(slices.Sorted(maps.Values(m.fields))) {
		if !m.met[field] {
			unknown = append(unknown, field)
		}
	}
	if m.read == 0 || len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("none of %d records has the field %s: is it spelled right, and may the login see it?", m.read, strings.Join(unknown, ", "))
}

// scalarText is a value as a text: of a choice its value, of a list its parts; empty for what else has no text.
func scalarText(value json.RawMessage) string { return scalarWithin(value, 3) }

// scalarWithin goes no deeper than it may: what is nested without end would be read as often as it is deep.
func scalarWithin(value json.RawMessage, depth int) string {
	if len(value) == 0 || string(value) == "null" {
		return ""
	}
	switch value[0] {
	case '"':
		var text string
		_ = json.Unmarshal(value, &text) // the decoder has read it
		return text
	case '{':
		if depth == 0 {
			return ""
		}
		var object map[string]json.RawMessage
		_ = json.Unmarshal(value, &object)
		for _, key := range []string{"value", "display_value", "name", "display"} {
			if text := scalarWithin(object[key], depth-1); text != "" {
				return text
			}
		}
		return ""
	case '[':
		if depth == 0 {
			return ""
		}
		var list []json.RawMessage
		_ = json.Unmarshal(value, &list)
		var texts []string
		for _, item := range list {
			if text := scalarWithin(item, depth-1); text != "" {
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, ",")
	}
	return string(value) // a number, true or false
}
