package query

import (
	"slices"
	"strings"
	"time"
)

// Parse reads a filter; an empty one is true of every BMC. The error is an *Error.
func Parse(text string) (Filter, error) {
	tokens, err := split(text)
	if err != nil {
		return Filter{}, err
	}
	if len(tokens) == 1 {
		return Filter{}, nil
	}
	p := parser{tokens: tokens}
	n, err := p.either(0)
	if err == nil && p.next().class != end {
		err = p.next().expected("and, or, or the end")
	}
	if err != nil {
		return Filter{}, err
	}
	slices.Sort(p.fields)
	return Filter{text: n.text, fields: slices.Compact(p.fields), asked: p.asked, match: n.match}, nil
}

// node is a part that was read: what it means, and how it is written.
type node struct {
	text  string
	match predicate
}

type parser struct {
	tokens []token
	at     int
	fields []string
	asked  []token
}

func (p *parser) next() token { return p.tokens[p.at] }

// take returns the next token and goes on; nothing comes after the end.
func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.class != end {
		p.at++
	}
	return t
}

// either = both { "or" both }
func (p *parser) either(depth int) (node, error) {
	return p.chain("or", depth, p.both, func(parts []predicate) predicate {
		return func(s Subject, now time.Time) bool {
			return slices.ContainsFunc(parts, func(part predicate) bool { return part(s, now) })
		}
	})
}

// both = single { "and" single }
func (p *parser) both(depth int) (node, error) {
	return p.chain("and", depth, p.single, func(parts []predicate) predicate {
		return func(s Subject, now time.Time) bool {
			return !slices.ContainsFunc(parts, func(part predicate) bool { return !part(s, now) })
		}
	})
}

// chain reads parts with the same word between them.
func (p *parser) chain(between string, depth int, part func(int) (node, error), join func([]predicate) predicate) (node, error) {
	var texts []string
	var parts []predicate
	for {
		n, err := part(depth)
		if err != nil {
			return node{}, err
		}
		texts, parts = append(texts, n.text), append(parts, n.match)
		if !p.next().keyword(between) {
			break
		}
		p.take()
	}
	if len(parts) == 1 {
		return node{texts[0], parts[0]}, nil
	}
	return node{"(" + strings.Join(texts, " "+between+" ") + ")", join(parts)}, nil
}

// single = "not" single | "(" either ")" | comparison
func (p *parser) single(depth int) (node, error) {
	t := p.next()
	switch {
	case depth > mostDepth:
		return node{}, t.expected("at most %d brackets or nots within each other", mostDepth)
	case t.keyword("not"):
		p.take()
		n, err := p.single(depth + 1)
		return node{"not " + n.text, func(s Subject, now time.Time) bool { return !n.match(s, now) }}, err
	case t.class == open:
		p.take()
		n, err := p.either(depth + 1)
		if err == nil && p.next().class != closing {
			err = p.next().expected("and, or, or the ) that closes position %d", t.position)
		}
		p.take()
		return n, err
	}
	return p.comparison()
}

// comparison = field operator value | field "in" "(" value { "," value } ")" | flag
func (p *parser) comparison() (node, error) {
	t := p.take()
	_, isLabel := labelOf(t.text)
	if t.class != word && !(t.class == quoted && isLabel) || t.anyKeyword() {
		return node{}, t.expected("a field, not or (")
	}
	field, ok := FieldNamed(t.text)
	if !ok {
		return node{}, t.expected("%s", suggest(t.text))
	}
	p.fields, p.asked = append(p.fields, field.Name), append(p.asked, t)
	op := p.next()
	if field.Kind == Flag && op.class != operator && !op.keyword("in") {
		return compare(field, "=", token{class: word, text: "true"})
	}
	name := strings.ToLower(op.text)
	if op.class != operator && !op.keyword("in") || !slices.Contains(operators[field.Kind], name) {
		return node{}, op.expected("%s after %s", list(operators[field.Kind]), field.Name)
	}
	p.take()
	if name == "in" {
		return p.among(field)
	}
	return p.value(field, name)
}

func (p *parser) value(field Field, op string) (node, error) {
	t := p.take()
	if t.class != quoted && (t.class != word || t.anyKeyword()) {
		return node{}, t.expected("a value of %s; in quotes where it has blanks or is a word such as and", field.Name)
	}
	return compare(field, op, t)
}

// among reads the values in brackets; one value needs none.
func (p *parser) among(field Field) (node, error) {
	if p.next().class != open {
		return p.value(field, "=")
	}
	p.take()
	var texts []string
	var parts []predicate
	for {
		n, err := p.value(field, "=")
		if err != nil {
			return node{}, err
		}
		texts, parts = append(texts, n.text), append(parts, n.match)
		switch t := p.take(); t.class {
		case comma:
		case closing:
			return node{"(" + strings.Join(texts, " or ") + ")", func(s Subject, now time.Time) bool {
				return slices.ContainsFunc(parts, func(part predicate) bool { return part(s, now) })
			}}, nil
		default:
			return node{}, t.expected(", or )")
		}
	}
}

// suggest names the fields, first the one that was meant.
func suggest(name string) string {
	best, least := "", 3
	for _, f := range Fields {
		if d := distance(strings.ToLower(name), f.Name); d < least {
			best, least = f.Name, d
		}
	}
	if best != "" {
		return "a field; is " + best + " meant?"
	}
	var all []string
	for _, f := range Fields {
		all = append(all, f.Name)
	}
	return "a field: " + list(append(all, LabelPrefix+"NAME"))
}

// distance is how many letters must be added, removed or changed to make a of b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
