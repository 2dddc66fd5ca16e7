package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ServiceNow is a Source that reads a table by the Table API.
//
// It pages by sys_id, and compares what it read with X-Total-Count. That also counts records that the login may not see, so that such
// a login is an error and not a shorter list.
type ServiceNow struct {
	Endpoint
	Table string // cmdb_ci_server, say
	// Query is an encoded query, such as operational_status=1. ServiceNow ignores a part that it does not know, unless the property
	// glide.invalid_query.returns_no_rows is set.
	Query  string
	Fields Fields
	// Page is how many records are asked for at once; 0: 1000.
	Page int
}

// BMCs reads all records.
func (s ServiceNow) BMCs(ctx context.Context, known Known) (Answer, error) {
	talk, err := s.talk(ctx, basic)
	if err != nil {
		return Answer{}, err
	}
	defer talk.end()
	if s.Page == 0 {
		s.Page = 1000
	}
	r := &snowReading{ServiceNow: s, reading: newReading(known), mapped: s.Fields.mapped()}
	for more := true; more && err == nil; {
		more, err = r.next(ctx, talk)
	}
	if err != nil {
		return Answer{}, err
	}
	if err := r.err(); err != nil {
		return Answer{}, fmt.Errorf("source %s: table %s: %w", s.Name, s.Table, err)
	}
	r.answer.Read, r.answer.Of = r.mapped.read, r.mapped.read
	return r.answer, nil
}

type snowReading struct {
	ServiceNow
	*reading
	*mapped
	last string // sys_id
}

// query is of the records after the last.
func (r *snowReading) query() url.Values {
	var terms []string
	if r.Query != "" {
		terms = append(terms, r.Query)
	}
	if r.last != "" {
		terms = append(terms, "sys_id>"+r.last)
	}
	fields := append(slices.Sorted(maps.Values(r.ServiceNow.Fields)), "sys_id")
	return url.Values{
		"sysparm_query": {strings.Join(append(terms, "ORDERBYsys_id"), "^")}, "sysparm_limit": {strconv.Itoa(r.Page)},
		"sysparm_fields": {strings.Join(slices.Compact(fields), ",")}, "sysparm_display_value": {"true"}, "sysparm_exclude_reference_link": {"true"},
	}
}

// next reads a page, and says whether there are more.
func (r *snowReading) next(ctx context.Context, talk *conversation) (more bool, err error) {
	before := r.mapped.read
	err = talk.page(ctx, "/api/now/table/"+url.PathEscape(r.Table), r.query(), func(head http.Header, body io.Reader) error {
		left, err := strconv.Atoi(head.Get("X-Total-Count"))
		if err != nil {
			return fmt.Errorf("it does not say how many records there are (header X-Total-Count)")
		}
		more = hasNext(head.Values("Link"))
		var failed json.RawMessage
		s := stream{each: r.take, beside: func(path string, value json.RawMessage) {
			if path == "error" { // what was sent before a transaction was cancelled comes with status 200
				failed = value
			}
		}}
		if err := s.read(body, "result"); err != nil {
			return err
		}
		if failed != nil {
			return fmt.Errorf("it broke off: %s", clean(string(failed), 200))
		}
		if err := complete(before, r.mapped.read-before, left, more); err != nil {
			return fmt.Errorf("%w (records that the login may not see are counted, too)", err)
		}
		return nil
	})
	return more, err
}

func (r *snowReading) take(d *json.Decoder) error {
	var record map[string]json.RawMessage
	if err := d.Decode(&record); err != nil {
		return fmt.Errorf("record %d: %w", r.mapped.read+1, err)
	}
	id := scalarText(record["sys_id"])
	if id == "" || id <= r.last {
		return fmt.Errorf("record %q comes after %q: the order by sys_id is not obeyed", clean(id, 40), r.last)
	}
	r.last = id
	r.begin()
	for column, text := range r.cells(record) {
		r.set(column, text)
	}
	r.done(func() string { return "ServiceNow record " + clean(id, 40) })
	return nil
}

// hasNext says whether a header Link has a next page (RFC 8288).
func hasNext(links []string) bool {
	return slices.ContainsFunc(links, func(l string) bool { return strings.Contains(l, `rel="next"`) })
}
