package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// JSON is a Source that reads a list of records over HTTP.
type JSON struct {
	Endpoint
	// Items is the path of the list in the document, such as data.servers; empty: the document is the list.
	Items  string
	Fields Fields
	// Total is the path of how many records there are in all, and Next that of the address of the next page; empty: there is none.
	Total, Next string
	// Basic logs in by HTTP Basic, else the credential's password is a bearer token.
	Basic bool
}

// mostPages ends a source whose pages go round in a circle.
const mostPages = 100_000

// BMCs reads all pages.
func (j JSON) BMCs(ctx context.Context, known Known) (Answer, error) {
	scheme := bearer
	if j.Basic {
		scheme = basic
	}
	talk, err := j.talk(ctx, scheme)
	if err != nil {
		return Answer{}, err
	}
	defer talk.end()
	r := &jsonReading{JSON: j, reading: newReading(known), mapped: j.Fields.mapped(), of: -1}
	seen := map[string]bool{}
	for page := j.URL; page != ""; {
		if seen[page] || len(seen) > mostPages {
			return Answer{}, fmt.Errorf("source %s: the pages go round in a circle, at %s", j.Name, clean(page, 200))
		}
		seen[page] = true
		talk.URL = page
		if err := talk.page(ctx, "", nil, r.page); err != nil {
			return Answer{}, err
		}
		if page, err = r.following(page); err != nil {
			return Answer{}, fmt.Errorf("source %s: %w", j.Name, err)
		}
	}
	if err := r.whole(); err != nil {
		return Answer{}, fmt.Errorf("source %s: %w", j.Name, err)
	}
	return r.answer, nil
}

type jsonReading struct {
	JSON
	*reading
	*mapped
	of   int    // how many there are in all; -1: it was not said
	next string // the following page
}

func (r *jsonReading) page(_ http.Header, body io.Reader) error {
	r.next = ""
	s := stream{each: r.take, beside: func(path string, value json.RawMessage) {
		if total, there := under(value, r.Total, path); there {
			_ = json.Unmarshal(total, &r.of) // what is no number is told by whole
		}
		if next, there := under(value, r.Next, path); there {
			r.next = scalarText(next)
		}
	}}
	return s.read(body, r.Items)
}

// under finds what is wanted in the value at a path.
func under(value json.RawMessage, want, path string) (json.RawMessage, bool) {
	if want == path {
		return value, true
	}
	rest, inside := strings.CutPrefix(want, path+".")
	var object map[string]json.RawMessage
	if !inside || json.Unmarshal(value, &object) != nil {
		return nil, false
	}
	return lookUp(object, rest)
}

func (r *jsonReading) take(d *json.Decoder) error {
	var record map[string]json.RawMessage
	if err := d.Decode(&record); err != nil {
		return fmt.Errorf("record %d: %w", r.mapped.read+1, err)
	}
	r.begin()
	for column, text := range r.cells(record) {
		r.set(column, text)
	}
	r.done(func() string { return fmt.Sprintf("record %d", r.mapped.read) })
	return nil
}

// following is the address of the next page. It has to be of the same server: the token goes there.
func (r *jsonReading) following(page string) (string, error) {
	if r.next == "" {
		return "", nil
	}
	base, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	next, err := base.Parse(r.next)
	if err != nil || next.Scheme != base.Scheme || next.Host != base.Host || next.User != nil {
		return "", fmt.Errorf("the next page is said to be at %s, which is another server", clean(r.next, 200))
	}
	return strings.TrimRight(next.String(), "/"), nil
}

func (r *jsonReading) whole() error {
	if r.Total != "" {
		if r.of < 0 {
			return fmt.Errorf("it does not say how many records there are (%s)", r.Total)
		}
		if r.of != r.mapped.read {
			return fmt.Errorf("read %d of %d records: the list is not whole", r.mapped.read, r.of)
		}
		r.answer.Of = r.of
	}
	r.answer.Read = r.mapped.read
	return r.err()
}
