package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// members calls f for each member of an object, with its name and its value as it is written, which are the caller's. encoding/json has
// found the object to be one JSON value already, so what is left is to see where things end; to decode it costs several times as much.
// What is no object has no members.
func members(object []byte, f func(name, value []byte)) {
	inside := insideOf(object, '{')
	for len(inside) > 0 && inside[0] == '"' {
		end := valueEnd(inside)
		name := inside[1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(plain(inside[:end]))
		}
		inside = past(inside[end:], ':')
		end = valueEnd(inside)
		f(name, inside[:end])
		inside = past(inside[end:], ',')
	}
}

// items calls f for each item of a list, as members does.
func items(list []byte, f func(value []byte)) {
	inside := insideOf(list, '[')
	for len(inside) > 0 && inside[0] != ']' {
		end := valueEnd(inside)
		f(inside[:end])
		inside = past(inside[end:], ',')
	}
}

// insideOf is what is inside of an object or a list; nothing where it is none.
func insideOf(value []byte, bracket byte) []byte {
	if value = past(value, ' '); len(value) == 0 || value[0] != bracket {
		return nil
	}
	return past(value[1:], ' ')
}

// past is text without the white space and the separator that it begins with.
func past(text []byte, separator byte) []byte {
	for len(text) > 0 && (text[0] <= ' ' || text[0] == separator) {
		text = text[1:]
	}
	return text
}

// valueEnd is where the value ends that text begins with.
func valueEnd(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return min(i+1, len(text))
			}
		case c == '{', c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}' || c == ']' || c <= ' '):
			return i
		case c == '}', c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// plain is the text that a JSON string stands for; empty where value is none.
func plain(value []byte) string {
	var text string
	_ = json.Unmarshal(value, &text)
	return text
}

// typed reads the values of a record, and keeps what is wrong with the first that is not of the type that the source's documentation says.
type typed struct{ err error }

func (t *typed) wrong(field, want string, value []byte) {
	if t.err == nil {
		t.err = fmt.Errorf("%s: want %s, got %s", field, want, clean(string(value), 80))
	}
}

// text is a string; nothing where there is null.
func (t *typed) text(field string, value []byte) []byte {
	if isNull(value) {
		return nil
	}
	if value[0] != '"' {
		t.wrong(field, "text", value)
		return nil
	}
	if inside := value[1 : len(value)-1]; bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		return inside
	}
	return []byte(plain(value))
}

// within is a text of an object; nothing where there is null.
func (t *typed) within(field string, object []byte, member string) (text []byte) {
	if !t.object(field, object) {
		return nil
	}
	members(object, func(name, value []byte) {
		if string(name) == member {
			text = t.text(field, value)
		}
	})
	return text
}

// object says whether there is an object, or null.
func (t *typed) object(field string, value []byte) bool {
	if value[0] != '{' && !isNull(value) {
		t.wrong(field, "an object", value)
	}
	return value[0] == '{'
}

func (t *typed) whole(field string, value []byte) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		t.wrong(field, "a whole number", value)
	}
	return n
}

func isNull(value []byte) bool { return value[0] == 'n' }
