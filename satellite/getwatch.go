package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"lamplighter/results"
	"lamplighter/results/api"
)

const (
	lookEvery   = 2 * time.Second // at what has no stream of its own
	silentFor   = 20 * time.Second
	comeBack    = time.Second
	mostEvent   = 64 << 20
	mostUnheard = 10 * time.Minute // how long the API may be away until --watch gives up
)

// follow lists, and then prints what changes until ctx ends.
func (g *asking) follow(ctx context.Context) error {
	switch g.kind.what {
	case "bmcs":
		return g.again(ctx, g.streamRows)
	case "changes":
		seen := changesSeen{asking: g, ids: map[string]bool{}}
		return g.again(ctx, seen.look)
	}
	if g.kind.what == "incidents" || g.kind.what == "silences" {
		seen := documentsSeen{asking: g, last: map[string]string{}}
		return g.again(ctx, seen.look)
	}
	counts := countsSeen{asking: g, last: map[string]string{}}
	return g.again(ctx, counts.look)
}

// again has look look until ctx ends, and says when the API cannot be asked. What is asked wrongly ends it.
func (g *asking) again(ctx context.Context, look func(context.Context) error) error {
	var lost time.Time
	for {
		err := look(ctx)
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return nil // its reader has seen enough
		case err == nil:
			lost = time.Time{}
		case !errors.As(err, new(unanswered)):
			return err
		case lost.IsZero():
			lost = now
			fmt.Fprintf(g.err, "lamplighter: %v; trying again\n", err)
		case now.Sub(lost) > mostUnheard:
			return err
		}
		pause := time.NewTimer(comeBack)
		if err == nil && g.kind.what != "bmcs" {
			pause.Reset(lookEvery)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// say prints a line of what changed: cells, a document, or a name.
func (g *asking) say(cells []string, name string, d document) error {
	for i := range cells {
		cells[i] = printable(dash(cells[i]))
	}
	var err error
	switch g.output {
	case "json":
		var line bytes.Buffer
		if err = json.Compact(&line, d); err == nil {
			_, err = fmt.Fprintf(g.out, "%s\n", line.Bytes())
		}
	case "csv":
		for i := range cells {
			cells[i] = `"` + strings.ReplaceAll(inert(cells[i]), `"`, `""`) + `"`
		}
		_, err = fmt.Fprintln(g.out, strings.Join(cells, ","))
	case "name":
		_, err = fmt.Fprintln(g.out, name)
	default:
		_, err = fmt.Fprintln(g.out, strings.Join(cells, "  "))
	}
	return err
}

// streamRows prints the BMCs as they are, and then each that changes. Called again it goes on where it was.
func (g *asking) streamRows(ctx context.Context) error {
	q := url.Values{}
	if g.where != "" {
		q.Set("where", g.where)
	}
	if g.since == "" {
		if err := g.snapshot(ctx, q); err != nil {
			return err
		}
	}
	q.Set("since", g.since)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(silentFor, func() { cancel(errors.New("nothing was heard")) })
	defer silence.Stop()
	response, err := g.send(ctx, "GET", "/stream", q, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	err = g.events(response.Body, func() { silence.Reset(silentFor) })
	if errors.Is(err, errResync) {
		g.since = ""
		return nil
	}
	return err
}

func (g *asking) snapshot(ctx context.Context, q url.Values) error {
	var now struct {
		Since string     `json:"since"`
		Rows  []document `json:"rows"`
	}
	if err := g.get(ctx, "/snapshot", q, &now); err != nil {
		return err
	}
	for _, row := range now.Rows {
		if err := g.row(row); err != nil {
			return err
		}
	}
	g.since = now.Since
	return nil
}

// errResync: the API cannot say what changed since; all has to be fetched again.
var errResync = errors.New("the stream lost its place")

// events reads a stream of events until it ends.
func (g *asking) events(from io.Reader, heard func()) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, mostEvent)
	event, id := "", ""
	for lines.Scan() {
		heard()
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event, id = value, ""
		case "id":
			id = value
		case "data":
			if err := g.event(event, []byte(value)); err != nil {
				return err
			}
			if id != "" {
				g.since = id
			}
		}
	}
	return unanswered{fmt.Errorf("the stream of changes broke off: %w", errors.Join(lines.Err(), io.ErrUnexpectedEOF))}
}

func (g *asking) event(event string, data []byte) error {
	switch event {
	case "resync":
		return errResync
	case "delta":
		var delta struct {
			Rows []document `json:"rows"`
		}
		if err := json.Unmarshal(data, &delta); err != nil {
			return unanswered{fmt.Errorf("read the stream of changes: %w", err)}
		}
		for _, row := range delta.Rows {
			if err := g.row(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *asking) row(d document) error {
	var r api.Row
	if err := json.Unmarshal(d, &r); err != nil {
		return unanswered{fmt.Errorf("read the stream of changes: %w", err)}
	}
	health := r.Health.String()
	if r.Gone {
		health = "no longer in the list"
	}
	notes := ""
	if r.Soft != "" {
		notes = "lately " + r.Soft
	}
	if r.Flapping {
		notes = strings.TrimSpace(notes + " flapping")
	}
	return g.say([]string{clock(time.Now()), string(r.Code), string(r.BMC), r.Site, r.Rack, health, string(r.Failed), string(r.Reason), clock(r.Since), notes}, string(r.BMC), d)
}

// changesSeen prints each change once.
type changesSeen struct {
	*asking
	ids  map[string]bool
	from time.Time // of the newest one
}

func (s *changesSeen) look(ctx context.Context) error {
	q := s.query()
	if !s.from.IsZero() {
		q.Set("from", s.from.Add(-time.Hour).UTC().Format(time.RFC3339)) // one may be kept late
	}
	var fresh []document
	err := s.pages(ctx, q, func(d document) error {
		var c results.Change
		if err := json.Unmarshal(d, &c); err != nil {
			return unanswered{fmt.Errorf("read a change: %w", err)}
		}
		if !s.ids[c.ID] {
			s.ids[c.ID] = true
			fresh = append(fresh, d)
		}
		if c.At.After(s.from) {
			s.from = c.At
		}
		return nil
	})
	for i := len(fresh) - 1; i >= 0; i-- { // the oldest first
		cells, name, bad := s.kind.cells(fresh[i], time.Now())
		if bad == nil {
			bad = s.say(cells, name, fresh[i])
		}
		if bad != nil {
			return bad
		}
	}
	return err
}

// countsSeen prints a site or rack whenever its numbers change.
type countsSeen struct {
	*asking
	last map[string]string
}

func (s *countsSeen) look(ctx context.Context) error {
	return s.pages(ctx, s.query(), func(d document) error {
		cells, name, err := s.kind.cells(d, time.Now())
		if line := strings.Join(cells, "\x00"); err == nil && s.last[name] != line {
			s.last[name] = line
			err = s.say(cells, name, d)
		}
		return err
	})
}
