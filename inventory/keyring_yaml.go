package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// keyringReader reads a keyring's YAML node by node, since the YAML library's own errors show the lines around a mistake,
// and with them passwords.
type keyringReader struct {
	file    string
	bad     BadLines
	entries map[string]entry
}

// parseKeyring reads a keyring; its error never shows a value, nor a key that may be a misplaced value.
func parseKeyring(path string, data []byte) (map[string]entry, error) {
	r := &keyringReader{file: path, entries: map[string]entry{}}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		r.badSyntax(err)
		return nil, r.bad.err()
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		r.badLine(1, "keyring", "want one document with credentials:")
		return nil, r.bad.err()
	}
	found := false
	r.each(file.Docs[0].Body, "keyring", func(key string, node *ast.MappingValueNode) {
		if key != "credentials" {
			r.badLine(lineOf(node), "key", "want credentials, got another key")
			return
		}
		found = true
		r.each(node.Value, "credentials", r.credential)
	})
	if !found && len(r.bad) == 0 {
		r.badLine(1, "credentials", "want this key, got none")
	}
	if err := r.bad.err(); err != nil {
		return nil, err
	}
	return r.entries, nil
}

func (r *keyringReader) badLine(line int, column, text string) {
	r.bad = append(r.bad, BadLine{r.file, line, column, text})
}

func (r *keyringReader) badSyntax(err error) {
	line, text := 1, "want YAML (text with special characters in single quotes)"
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		if token := syntax.GetToken(); token != nil && token.Position != nil {
			line = token.Position.Line
			text += fmt.Sprintf(", got a mistake at column %d", token.Position.Column)
		}
		if message := syntax.GetMessage(); !quotesInput(message) {
			text += ": " + message
		}
	}
	r.badLine(line, "syntax", text)
}

// quotesInput says whether a message of the YAML library shows a part of the file.
func quotesInput(message string) bool {
	return slices.ContainsFunc([]string{`"`, "reserved character", "escape character", "tag character"},
		func(part string) bool { return strings.Contains(message, part) })
}

// each calls f for every key of a mapping.
func (r *keyringReader) each(node ast.Node, what string, f func(key string, value *ast.MappingValueNode)) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.badLine(lineOf(node), what, "want keys and values")
	}
	for _, pair := range pairs {
		if key, ok := scalar(pair.Key); ok {
			f(key, pair)
		} else {
			r.badLine(lineOf(pair), what, "want a plain key")
		}
	}
}

var keyringKeys = []string{"username", "password", "password_file", "next_password", "next_password_file"}

func (r *keyringReader) credential(name string, node *ast.MappingValueNode) {
	fields, what := map[string]string{}, "credential "+quote(name)
	before := len(r.bad)
	r.each(node.Value, what, func(key string, field *ast.MappingValueNode) {
		text, ok := scalar(field.Value)
		switch {
		case !slices.Contains(keyringKeys, key):
			r.badLine(lineOf(field), what, "want username, password, password_file, next_password or next_password_file, got another key")
		case !ok:
			r.badLine(lineOf(field), what, key+": want text")
		default:
			fields[key] = text
		}
	})
	if len(r.bad) > before {
		return
	}
	e, err := newEntry(fields)
	if err != nil {
		r.badLine(lineOf(node), what, err.Error())
		return
	}
	r.entries[name] = e
}

func newEntry(fields map[string]string) (entry, error) {
	username, ok := fields["username"]
	if !ok {
		return entry{}, errors.New("want a username, got none")
	}
	e := entry{username: username}
	if err := checkUsername(username); err != nil {
		return e, err
	}
	var err error
	if e.password, err = newKept(fields, "password"); err != nil {
		return e, err
	}
	if e.password.text.Empty() && e.password.file == "" {
		return e, errors.New("want password or password_file, got neither")
	}
	e.next, err = newKept(fields, "next_password")
	return e, err
}

// newKept reads a password's field, or that of its file; the zero kept where there is neither.
func newKept(fields map[string]string, name string) (kept, error) {
	text, hasText := fields[name]
	file, hasFile := fields[name+"_file"]
	switch {
	case hasText && hasFile:
		return kept{}, fmt.Errorf("want %s or %s_file, got both", name, name)
	case hasFile && file == "":
		return kept{}, fmt.Errorf("%s_file is empty", name)
	case hasText:
		password, err := newPassword(text)
		return kept{text: password}, err
	}
	return kept{file: file}, nil
}

// scalar is the text of a node as it was written: a password of digits is text, not a number.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
		return "", true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func lineOf(node ast.Node) int {
	if pair, ok := node.(*ast.MappingValueNode); ok {
		node = pair.Key
	}
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 1
	}
	return node.GetToken().Position.Line
}
