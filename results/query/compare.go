package query

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// compare makes the question whether a field's value is so; it refuses a value that the field cannot have.
func compare(field Field, op string, t token) (node, error) {
	test, err := tester(field, op, t)
	if err != nil {
		return node{}, err
	}
	if t.text == "" && field.Kind != Flag { // is there a value at all
		test = func(value string, _ time.Time) bool { return (value == "") == (op == "=") }
	}
	return node{written(field) + op + quote(t.text), func(s Subject, now time.Time) bool { return test(s(field.Name), now) }}, nil
}

// written is a field's name as a filter has it; a label may be called anything.
func written(field Field) string {
	if field.IsLabel() && strings.ContainsFunc(field.Name, func(r rune) bool { return !isWord(r) }) {
		return quote(field.Name)
	}
	return field.Name
}

var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quote(text string) string { return `"` + quoting.Replace(text) + `"` }

// test looks at a field's value.
type test func(value string, now time.Time) bool

func tester(field Field, op string, t token) (test, error) {
	if t.text == "" && field.Kind != Flag {
		if op != "=" && op != "!=" {
			return nil, t.expected("a value; only = and != know the empty one, which means none")
		}
		return nil, nil
	}
	if op == "~" || op == "!~" {
		low := strings.ToLower(t.text)
		return func(value string, _ time.Time) bool {
			return strings.Contains(strings.ToLower(value), low) == (op == "~")
		}, nil
	}
	switch field.Kind {
	case Choice:
		return choice(field, op, t)
	case Company:
		return equal(op, func(value string) bool { return isCompany(value, t.text) }), nil
	case Version:
		return version(op, t)
	case Number:
		return number(op, t)
	case Time:
		return moment(op, t)
	case Duration:
		return lasting(op, t)
	case Flag:
		return flag(field, op, t)
	case Address:
		return network(op, t)
	}
	return equal(op, func(value string) bool { return strings.EqualFold(value, t.text) }), nil
}

// equal is = and != of what same says.
func equal(op string, same func(string) bool) test {
	return func(value string, _ time.Time) bool { return same(value) == (op == "=") }
}

// ordered says whether a comparison's outcome (below 0, 0, above 0) is what the operator asks for.
func ordered(op string, outcome int) bool {
	switch op {
	case "=":
		return outcome == 0
	case "!=":
		return outcome != 0
	case "<":
		return outcome < 0
	case "<=":
		return outcome <= 0
	case ">":
		return outcome > 0
	}
	return outcome >= 0
}

func choice(field Field, op string, t token) (test, error) {
	if !slices.ContainsFunc(field.Values, func(v string) bool { return strings.EqualFold(v, t.text) }) {
		return nil, t.expected("a %s: %s", field.Name, list(field.Values))
	}
	return equal(op, func(value string) bool { return strings.EqualFold(value, t.text) }), nil
}

// isCompany says whether value is name, or begins with name and goes on with another word: Dell Inc. is Dell.
func isCompany(value, name string) bool {
	if len(value) < len(name) || !strings.EqualFold(value[:len(name)], name) {
		return false
	}
	rest := strings.TrimPrefix(value[len(name):], ",")
	return rest == "" || unicode.IsSpace(rune(rest[0]))
}

func version(op string, t token) (test, error) {
	if !strings.ContainsFunc(t.text, unicode.IsDigit) {
		return nil, t.expected("a version such as 2.14")
	}
	want := parts(t.text)
	return func(value string, _ time.Time) bool {
		if value == "" {
			return op == "!="
		}
		return ordered(op, compareAll(parts(value), want))
	}, nil
}

func number(op string, t token) (test, error) {
	want, err := strconv.ParseFloat(t.text, 64)
	if err != nil || want != want {
		return nil, t.expected("a number")
	}
	return func(value string, _ time.Time) bool {
		got, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return op == "!="
		}
		return ordered(op, cmp.Compare(got, want))
	}, nil
}

func moment(op string, t token) (test, error) {
	at, ok := parseTime(t.text)
	if !ok {
		return nil, t.expected("a time: 2026-11-22, 2026-11-22T03:00:00Z, now, now-2h or now+30d")
	}
	return func(value string, now time.Time) bool {
		got, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			return op == "!="
		}
		return ordered(op, got.Compare(at(now)))
	}, nil
}

func lasting(op string, t token) (test, error) {
	want, ok := parseDuration(t.text)
	if !ok {
		return nil, t.expected("a time span: 90s, 15m, 2h or 3d")
	}
	return func(value string, _ time.Time) bool {
		got, err := time.ParseDuration(value)
		return err == nil && ordered(op, cmp.Compare(got, want))
	}, nil
}

func flag(field Field, op string, t token) (test, error) {
	want := strings.EqualFold(t.text, "true")
	if !want && !strings.EqualFold(t.text, "false") {
		return nil, t.expected("true or false after %s", field.Name)
	}
	return equal(op, func(value string) bool { return (value == "true") == want }), nil
}

func network(op string, t token) (test, error) {
	prefix, err := netip.ParsePrefix(t.text)
	if err != nil {
		address, err := netip.ParseAddr(t.text)
		if err != nil {
			return nil, t.expected("an address or a network such as 10.4.0.0/16")
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	return equal(op, func(value string) bool {
		got, err := netip.ParseAddr(value)
		return err == nil && prefix.Contains(got)
	}), nil
}
