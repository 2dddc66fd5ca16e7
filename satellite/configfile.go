package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configReader reads YAML key by key, so that it can report every mistake with its line: the library's decoder stops at
// the first.
type configReader struct {
	file     string
	lines    map[string]int    // of each key that the file has
	texts    map[string]string // of each value
	mistakes map[string]string // of each key, without its line
	order    []string          // the keys in mistakes
	named    map[string]bool   // the sections that have a name of their own
}

func newConfigReader(file string) *configReader {
	return &configReader{file: file, lines: map[string]int{}, texts: map[string]string{}, mistakes: map[string]string{}, named: map[string]bool{}}
}

// bad notes a mistake; the first of a key counts.
func (r *configReader) bad(key, want string) {
	if _, known := r.mistakes[key]; known {
		return
	}
	if text, given := r.texts[key]; given {
		want += ", got " + text
	} else if _, given := r.lines[key]; !given {
		want += ", got none"
	}
	r.note(key, want)
}

func (r *configReader) note(key, mistake string) {
	r.mistakes[key], r.order = mistake, append(r.order, key)
}

// line is a key's; of one that is missing it is that of its section, if that has a name of its own, and else 1.
func (r *configReader) line(key string) int {
	if line, given := r.lines[key]; given {
		return line
	}
	if i := strings.LastIndex(key, "."); i > 0 && r.named[key[:i]] {
		return r.lines[key[:i]]
	}
	return 1
}

// err has one line for each mistake, by line.
func (r *configReader) err() error {
	line := r.line
	slices.SortStableFunc(r.order, func(a, b string) int { return line(a) - line(b) })
	var errs []error
	for _, key := range r.order {
		errs = append(errs, fmt.Errorf("%s:%d: %s: %s", r.file, line(key), key, r.mistakes[key]))
	}
	return errors.Join(errs...)
}

// read says whether the text could be read at all, so that its values may be judged.
func (r *configReader) read(text []byte, settings []setting) bool {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		r.badSyntax(err)
		return false
	}
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			r.at("document", doc.Body)
			r.note("document", "want one in a file, got another")
			return false
		}
	}
	if len(file.Docs) > 0 && file.Docs[0].Body != nil {
		r.section("", file.Docs[0].Body, settings)
	}
	return r.mistakes["configuration"] == ""
}

func (r *configReader) badSyntax(err error) {
	var syntax yaml.Error
	if !errors.As(err, &syntax) {
		r.note("syntax", err.Error())
		return
	}
	if token := syntax.GetToken(); token != nil && token.Position != nil {
		r.lines["syntax"] = token.Position.Line
	}
	r.note("syntax", syntax.GetMessage())
}

// at remembers the line of a key.
func (r *configReader) at(key string, node ast.Node) {
	r.lines[key] = 1
	if token := node.GetToken(); token != nil && token.Position != nil {
		r.lines[key] = token.Position.Line
	}
}

// section reads a mapping whose keys begin with prefix.
func (r *configReader) section(prefix string, node ast.Node, settings []setting) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		key := strings.TrimSuffix(prefix, ".")
		if key == "" {
			key = "configuration"
		}
		r.at(key, node)
		r.note(key, "want keys and values")
		return
	}
	for _, pair := range pairs {
		r.pair(prefix, pair, settings)
	}
}

// names reads a section of sections that have names of their own.
func (r *configReader) names(s setting, node ast.Node) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.note(s.key, "want names, and keys and values for each")
		return
	}
	for _, pair := range pairs {
		name := keyText(pair.Key)
		key := s.key + "." + name
		r.at(key, pair.Key)
		if !siteName.MatchString(name) {
			r.note(key, "want a name of up to 63 of a-z, 0-9 and -, not - first")
			continue
		}
		r.named[key] = true
		r.section(key+".", pair.Value, s.named(name))
	}
}

func (r *configReader) pair(prefix string, pair *ast.MappingValueNode, settings []setting) {
	name := keyText(pair.Key)
	key, plain := prefix+name, !strings.Contains(name, ".")
	r.at(key, pair.Key)
	i := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
	inside := slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.key, key+".") })
	switch {
	case i >= 0 && plain && settings[i].named != nil:
		r.names(settings[i], pair.Value)
	case i >= 0 && plain:
		r.value(settings[i], pair.Value)
	case inside && plain:
		r.section(key+".", pair.Value, settings)
	default:
		r.note(key, "unknown key; want one of "+keysIn(prefix, settings))
	}
}

func keyText(key ast.MapKeyNode) string {
	if token := key.GetToken(); token != nil {
		return token.Value
	}
	return key.String()
}

// keysIn are the keys that a section may have.
func keysIn(prefix string, settings []setting) string {
	var keys []string
	for _, s := range settings {
		if rest, ok := strings.CutPrefix(s.key, prefix); ok {
			key, _, _ := strings.Cut(rest, ".")
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return strings.Join(keys, ", ")
}

func (r *configReader) value(s setting, node ast.Node) {
	texts, shown, ok := scalars(node, s.list)
	if !s.private {
		r.texts[s.key] = shown
	}
	if !ok {
		want := "one value"
		if s.list {
			want = "a list"
		}
		r.bad(s.key, "want "+want)
		return
	}
	if want := s.set(texts); want != "" {
		r.bad(s.key, "want "+want)
	}
}

// scalars are the texts of a value or of a list, and how to show them; false where the node is not what was wanted.
func scalars(node ast.Node, list bool) (texts []string, shown string, ok bool) {
	sequence, isList := node.(*ast.SequenceNode)
	if !isList {
		text, ok := scalar(node)
		if !ok {
			return nil, "keys and values", false
		}
		return []string{text}, fmt.Sprintf("%q", text), !list
	}
	for _, item := range sequence.Values {
		text, ok := scalar(item)
		if !ok {
			return nil, "a list of something else", false
		}
		texts = append(texts, text)
	}
	return texts, fmt.Sprintf("%q", texts), list
}

// scalar is the text of a node as it was written.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.NullNode:
		return "", true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}
