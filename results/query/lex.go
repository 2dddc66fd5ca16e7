package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a filter: it comes from anybody.
const (
	mostBytes = 4096
	mostDepth = 50
)

// class is what a token is.
type class uint8

const (
	end class = iota
	word
	quoted
	operator
	open
	closing
	comma
)

type token struct {
	class    class
	text     string // of a quoted one without its quotes
	raw      string
	position int // in characters, from 1
}

// keyword says whether t is this word, not quoted, whatever its case.
func (t token) keyword(name string) bool { return t.class == word && strings.EqualFold(t.text, name) }

// anyKeyword says whether t has a meaning of its own where it is not quoted.
func (t token) anyKeyword() bool {
	return t.keyword("and") || t.keyword("or") || t.keyword("not") || t.keyword("in")
}

// expected is the mistake that something else than t was wanted.
func (t token) expected(format string, args ...any) *Error {
	return &Error{Position: t.position, Found: t.raw, Expected: fmt.Sprintf(format, args...)}
}

// split cuts a filter into tokens; the last one is an end.
func split(text string) (tokens []token, err error) {
	if len(text) > mostBytes {
		return nil, &Error{Position: 1, Found: text[:10] + "…", Expected: fmt.Sprintf("at most %d bytes, got %d", mostBytes, len(text))}
	}
	if !utf8.ValidString(text) {
		at := strings.IndexRune(text, utf8.RuneError)
		return nil, &Error{Position: utf8.RuneCountInString(text[:max(at, 0)]) + 1, Found: "�", Expected: "text in UTF-8"}
	}
	runes := []rune(text)
	for i := 0; i < len(runes); {
		if unicode.IsSpace(runes[i]) {
			i++
			continue
		}
		t, next, err := scan(runes, i)
		if err != nil {
			return nil, err
		}
		t.position, t.raw = i+1, string(runes[i:next])
		tokens, i = append(tokens, t), next
	}
	return append(tokens, token{class: end, position: len(runes) + 1}), nil
}

// scan reads the token that begins at i, and says where the next one may begin.
func scan(runes []rune, i int) (t token, next int, err error) {
	switch r := runes[i]; {
	case r == '(':
		return token{class: open}, i + 1, nil
	case r == ')':
		return token{class: closing}, i + 1, nil
	case r == ',':
		return token{class: comma}, i + 1, nil
	case r == '"' || r == '\'':
		return scanQuoted(runes, i)
	case isOperator(r):
		return scanOperator(runes, i)
	}
	for next = i; next < len(runes) && isWord(runes[next]); next++ {
	}
	return token{class: word, text: string(runes[i:next])}, next, nil
}

func isOperator(r rune) bool { return strings.ContainsRune("=!<>~", r) }

func isWord(r rune) bool {
	return !unicode.IsSpace(r) && !isOperator(r) && !strings.ContainsRune(`(),"'`, r)
}

func scanOperator(runes []rune, i int) (token, int, error) {
	for next := min(i+2, len(runes)); next > i; next-- {
		switch text := string(runes[i:next]); text {
		case "==":
			return token{class: operator, text: "="}, next, nil
		case "=", "!=", "<", "<=", ">", ">=", "~", "!~":
			return token{class: operator, text: text}, next, nil
		}
	}
	return token{}, 0, &Error{Position: i + 1, Found: string(runes[i]), Expected: "!= or !~"}
}

// scanQuoted reads a text in quotes; a backslash takes the next character as it is.
func scanQuoted(runes []rune, i int) (token, int, error) {
	var text strings.Builder
	for next := i + 1; next < len(runes); next++ {
		switch {
		case runes[next] == runes[i]:
			return token{class: quoted, text: text.String()}, next + 1, nil
		case runes[next] == '\\' && next+1 < len(runes):
			next++
		}
		text.WriteRune(runes[next])
	}
	return token{}, 0, &Error{Position: len(runes) + 1, Expected: fmt.Sprintf("%c: the quote at position %d is not closed", runes[i], i+1)}
}
