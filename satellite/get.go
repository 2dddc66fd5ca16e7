package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/results/query"
)

// asking is what lamplighter get was asked for.
type asking struct {
	*asked
	kind     kind
	where    string
	status   string
	from, to string
	output   string
	watch    bool
	facts    []string // that the filter asks for: they are shown, too
	since    string   // where the stream of changes goes on; empty: with all that there is
	out      io.Writer
	err      io.Writer
}

var (
	getKinds   = []string{"bmcs", "sites", "racks", "changes", "incidents", "silences"}
	getFormats = []string{"table", "json", "csv", "name"}
)

func newGet() *cobra.Command {
	g := asking{}
	cmd := apiCommand(&cobra.Command{
		Use:   "get bmcs|sites|racks|changes|incidents|silences",
		Short: "list what is believed now: BMCs, sites, racks, what changed, incidents and silences",
		Long: `Asks the API of lamplighter results, all or demo for what it believes. A filter is the same everywhere: fields, what they are compared
with, and and, or, not and brackets. "health!=available and site=ams1", "firmware<2.14 and vendor=Dell", "reason~tls and age>2h". A
filter of changes asks the BMCs as they are now. Changes are those of the last day unless --from says otherwise, newest first.
Incidents are those that are not closed, the most important first; a filter asks the BMCs that fail in them.

--watch goes on and prints what changes, a line for each (-o json: a document a line), until Ctrl-C.
` + askedExitCodes,
		Example:   "  lamplighter get bmcs --where 'health=unavailable'\n  lamplighter get changes --from now-1h -o json\n  lamplighter get incidents --watch",
		Args:      cobra.MatchAll(one("of "+strings.Join(getKinds, ", ")), cobra.OnlyValidArgs),
		ValidArgs: getKinds,
	}, func(cmd *cobra.Command, a *asked, args []string) error {
		g.asked, g.out, g.err = a, cmd.OutOrStdout(), cmd.ErrOrStderr()
		if err := g.read(args[0]); err != nil {
			return err
		}
		return g.run(cmd.Context())
	})
	flags := cmd.Flags()
	flags.StringVar(&g.where, "where", "", "`filter`, such as 'health=unavailable and site=ams1'")
	flags.StringVar(&g.status, "status", "", "`status` of incidents (open, acknowledged, closed, all) or silences (holds, waits, over, all)")
	flags.StringVar(&g.from, "from", "", "`time` that changes are wanted from: 2026-11-22T03:00:00Z, now-2h; default now-24h")
	flags.StringVar(&g.to, "to", "", "`time` that changes are wanted to; default now")
	flags.StringVarP(&g.output, "output", "o", "table", "`format`: "+strings.Join(getFormats, ", "))
	flags.BoolVarP(&g.watch, "watch", "w", false, "go on, and print what changes")
	return cmd
}

// read checks what can be checked here, so that a mistake is shown where it is.
func (g *asking) read(what string) error {
	g.kind = kinds[what]
	if err := g.readOutput(); err != nil {
		return err
	}
	if what != "changes" && g.from+g.to != "" {
		return fmt.Errorf("--from and --to are for changes; %s are as they are now", what)
	}
	if err := g.readStatus(what); err != nil {
		return err
	}
	if g.watch && g.to != "" {
		return errors.New("--watch goes on; it has no --to")
	}
	for name, text := range map[string]string{"--from": g.from, "--to": g.to} {
		if _, ok := query.ParseTime(text, time.Now()); text != "" && !ok {
			return fmt.Errorf("%s %q: want a time: 2026-11-22, 2026-11-22T03:00:00Z, now or now-2h", name, text)
		}
	}
	filter, err := query.Parse(g.where)
	if err != nil {
		return pointed(g.where, err)
	}
	g.facts = filter.Facts()
	return nil
}

// pointed shows where in a filter the mistake is.
func pointed(where string, err error) error {
	at := new(query.Error)
	if !errors.As(err, &at) {
		return fmt.Errorf("--where: %w", err)
	}
	return fmt.Errorf("--where: %w\n  %s\n  %s^", err, strings.Map(oneLine, where), strings.Repeat(" ", max(0, at.Position-1)))
}

// oneLine keeps a filter of several lines in one, for a mark below it.
func oneLine(r rune) rune {
	if r == '\n' || r == '\t' || r == '\r' {
		return ' '
	}
	return r
}

func (g *asking) run(ctx context.Context) error {
	if g.watch {
		return g.follow(ctx)
	}
	if g.output == "csv" && g.kind.export != "" {
		return g.export(ctx)
	}
	l := g.lister()
	if err := g.pages(ctx, g.query(), l.put); err != nil {
		return err // what is not whole must not look so
	}
	return l.close()
}

// query is what the API is asked.
func (g *asking) query() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("where", g.where)
	set("status", g.status)
	if g.kind.what == "changes" {
		set("from", orDefault(g.from, "now-24h"))
		set("to", g.to)
	}
	if g.kind.what == "bmcs" {
		set("facts", strings.Join(g.facts, ","))
	}
	return q
}

func orDefault(text, usual string) string {
	if text == "" {
		return usual
	}
	return text
}

const pageSize = 1000

// pages asks for page after page, and hands on each document.
func (g *asking) pages(ctx context.Context, q url.Values, put func(document) error) error {
	if g.kind.what != "silences" { // they come whole
		q.Set("limit", strconv.Itoa(pageSize))
	}
	for {
		var page struct {
			Items []document `json:"items"`
			Next  string     `json:"next"`
		}
		if err := g.get(ctx, "/"+g.kind.what, q, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := put(item); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Set("cursor", page.Next)
	}
}

// export hands on the API's own CSV, which has more columns than fit a screen.
func (g *asking) export(ctx context.Context) error {
	q := g.query()
	q.Del("facts")
	q.Set("format", "csv")
	response, err := g.send(ctx, "GET", g.kind.export, q, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(g.out, response.Body); err != nil {
		return unanswered{fmt.Errorf("the answer broke off: %w", err)}
	}
	return nil
}
