package api

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"lamplighter/results/console"
	"lamplighter/results/query"
)

// Pages have so many entries.
const (
	usualPage = 100
	mostPage  = 1000
)

// ask is what a request asks for.
type ask struct {
	who    person
	now    time.Time
	then   *then // what was at now, where at= asks for what is past; nil: what is
	query  url.Values
	filter query.Filter
	limit  int
	id     string
}

// readAsk reads the parameters. One that the route does not know, or that stands there twice, is a mistake: a filter that is
// spelled wrongly would otherwise find everything.
func (s *Server) readAsk(r *http.Request, to route, who person, now time.Time) (ask, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return ask{}, problem(http.StatusBadRequest, "query: %v", err)
	}
	for name, all := range values {
		if !slices.Contains(to.parameters, name) {
			return ask{}, mistake(name, fmt.Errorf("no such parameter; %s takes %s", to.path, orNone(to.parameters)))
		}
		if len(all) > 1 {
			return ask{}, mistake(name, fmt.Errorf("want it once, got it %d times", len(all)))
		}
	}
	a := ask{who: who, now: now, query: values, limit: usualPage}
	if a.filter, err = s.parse(a.text("where")); err != nil {
		return ask{}, mistake("where", err)
	}
	if text := a.text("limit"); text != "" {
		if a.limit, err = strconv.Atoi(text); err != nil || a.limit < 1 || a.limit > mostPage {
			return ask{}, mistake("limit", fmt.Errorf("%q: want a number from 1 to %d", text, mostPage))
		}
	}
	return a, s.lookBack(r.Context(), &a)
}

// lookBack has an ask see what was, where it says when: now is that time then, and what leans on now leans on that.
func (s *Server) lookBack(ctx context.Context, a *ask) error {
	at, err := a.time("at", time.Time{})
	if err != nil || at.IsZero() {
		return err
	}
	if a.then, err = s.then(ctx, at, a.now); err == nil {
		a.now = at
	}
	return err
}

// parse reads a filter. Labels can be asked for where the inventory is known.
func (s *Server) parse(where string) (query.Filter, error) {
	filter, err := query.Parse(where)
	if err == nil && s.Labels == nil {
		err = filter.Without("labels are the inventory's, and this process knows none; its configuration names none", query.Field.IsLabel)
	}
	return filter, err
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return fmt.Sprint(names)
}

func (a ask) text(name string) string { return a.query.Get(name) }

// time reads a parameter that is a time; without one it is usual.
func (a ask) time(name string, usual time.Time) (time.Time, error) {
	text := a.text(name)
	if text == "" {
		return usual, nil
	}
	at, ok := query.ParseTime(text, a.now)
	if !ok {
		return at, mistake(name, fmt.Errorf("%q: want a time: 2026-11-22, 2026-11-22T03:00:00Z, now or now-2h", text))
	}
	return at, nil
}

// choice reads a parameter that is one of a list; without one it is the first.
func (a ask) choice(name string, from ...string) (string, error) {
	text := a.text(name)
	if text == "" {
		return from[0], nil
	}
	if !slices.Contains(from, text) {
		return "", mistake(name, fmt.Errorf("%q: want one of %q", text, slices.DeleteFunc(slices.Clone(from), func(s string) bool { return s == "" })))
	}
	return text, nil
}

// cursor reads where the page before ended; nothing is read where there was none.
func (a ask) cursor(into any) error {
	text := a.text("cursor")
	if text == "" {
		return nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return mistake("cursor", fmt.Errorf("%.50q is none; take it from next of the page before", text))
	}
	return nil
}

// next makes the cursor of the page that follows.
func next(from any) string { return base64.RawURLEncoding.EncodeToString(encode(from)) }

// page is a part of a list. Next is the cursor of the following part; "" at the end.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// reply answers with a document.
func reply(w http.ResponseWriter, document any) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(encode(document), '\n')) // who asks may have left
	return nil
}

// replyPacked is reply for what each page of the console begins with: compressed, where whoever asks can read that.
func replyPacked(w http.ResponseWriter, r *http.Request, document any) error {
	if !console.ReadsGzip(r) {
		return reply(w, document)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // a known level is no error
	_, _ = packed.Write(append(encode(document), '\n'))
	_ = packed.Close() // who asks may have left
	return nil
}
