package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lamplighter/results"
	"lamplighter/results/api"
	"lamplighter/results/query"
)

// quieting is a silence or a maintenance that somebody asks for.
type quieting struct {
	kind                     results.SilenceKind
	where, last, from, until string
	reason, ticket           string
	yes, dryRun              bool
	body                     quietBody // what the API is sent
}

// quietBody is what the API takes.
type quietBody struct {
	Kind   results.SilenceKind `json:"kind"`
	Where  string              `json:"where"`
	From   time.Time           `json:"from,omitzero"`
	Until  time.Time           `json:"until,omitzero"`
	For    string              `json:"for,omitempty"`
	Reason string              `json:"reason"`
	Ticket string              `json:"ticket,omitempty"`
	Who    string              `json:"who"`
	DryRun bool                `json:"dry_run,omitempty"`
	Expect *int                `json:"expect,omitempty"`
}

// quietWords are what help says of a kind.
var quietWords = map[results.SilenceKind]struct{ short, long, example string }{
	results.Silencing: {
		"keep incidents quiet for a while: nobody is woken, no ticket opened; checks go on",
		`Keeps the incidents of the BMCs that match quiet until an end, at most 7 days away: nobody is to be woken, and no ticket is opened.
Checks go on, and what works again is closed all the same. It shows first how many BMCs match and how many of them fail now, and
asks; --yes answers. One that matched no BMC for a day is reported in the list and in the API's summary.
`, "  lamplighter silence --where 'site=ams1 and rack=C01' --for 2h --reason 'switch replaced'",
	},
	results.Maintenance: {
		"say that people work there: quiet as a silence, planned, with a state of its own",
		`As lamplighter silence, for planned work: it may begin later (--from), last up to 90 days, and shows as maintenance (m) whatever a BMC's
health is meanwhile.
`, "  lamplighter maintenance --where 'row=C' --from 2026-12-01T06:00:00Z --for 8h --reason 'new power rails' --ticket CHG-77",
	},
}

// newQuiet makes the command of a kind.
func newQuiet(kind results.SilenceKind) *cobra.Command {
	q := quieting{kind: kind}
	words := quietWords[kind]
	cmd := apiCommand(&cobra.Command{
		Use:     string(kind),
		Short:   words.short,
		Long:    words.long + askedExitCodes,
		Example: words.example,
		Args:    cobra.NoArgs,
	}, func(cmd *cobra.Command, a *asked, _ []string) error {
		if err := q.read(time.Now()); err != nil {
			return err
		}
		return q.make(cmd, a)
	})
	flags := cmd.Flags()
	flags.StringVar(&q.where, "where", "", "`filter` that says which BMCs: 'site=ams1 and rack=C01', 'bmc=srv-17', 'label.tenant=blue'")
	flags.StringVar(&q.last, "for", "", "how long it holds: a `time` span such as 2h or 3d")
	flags.StringVar(&q.until, "until", "", "`time` at which it ends, instead of --for: 2026-12-01T18:00:00Z, now+2h")
	flags.StringVar(&q.from, "from", "", "`time` at which it begins; default now")
	flags.StringVar(&q.reason, "reason", "", "`text` that says why, for those who wonder later")
	flags.StringVar(&q.ticket, "ticket", "", "`name` of the ticket or change that it belongs to")
	flags.BoolVar(&q.yes, "yes", false, "do not ask whether that is meant")
	flags.BoolVar(&q.dryRun, "dry-run", false, "show what it would keep quiet, and make none")
	cmd.AddCommand(newQuietList(kind), newQuietEnd(kind))
	return cmd
}

// read checks what can be checked here.
func (q *quieting) read(now time.Time) error {
	filter, err := query.Parse(q.where)
	switch {
	case err != nil:
		return pointed(q.where, err)
	case filter.String() == "":
		return errors.New("--where: want which BMCs, such as 'site=ams1 and rack=C01'")
	case q.last == "" && q.until == "":
		return fmt.Errorf("--for or --until: want when the %s ends; none holds for ever", q.kind)
	case q.last != "" && q.until != "":
		return errors.New("--for and --until say the same; want one of them")
	case strings.TrimSpace(q.reason) == "":
		return errors.New("--reason: want why, for those who wonder later")
	}
	q.body = quietBody{Kind: q.kind, Where: q.where, For: q.last, Reason: q.reason, Ticket: q.ticket, Who: who()}
	if _, ok := query.ParseDuration(q.last); q.last != "" && !ok {
		return fmt.Errorf("--for %q: want a time span: 90s, 15m, 2h or 3d", q.last)
	}
	return errors.Join(readTime("--until", q.until, now, &q.body.Until), readTime("--from", q.from, now, &q.body.From))
}

func readTime(flag, text string, now time.Time, into *time.Time) error {
	if text == "" {
		return nil
	}
	at, ok := query.ParseTime(text, now)
	if !ok {
		return fmt.Errorf("%s %q: want a time: 2026-11-22, 2026-11-22T03:00:00Z, now or now+2h", flag, text)
	}
	*into = at.UTC()
	return nil
}

// make shows what it would keep quiet, asks, and has it made for just that.
func (q *quieting) make(cmd *cobra.Command, a *asked) error {
	ask := q.body
	ask.DryRun = true
	var made api.MadeSilence
	if err := a.do(cmd.Context(), "POST", "/silences", nil, ask, &made); err != nil {
		return err
	}
	show := cmd.ErrOrStderr()
	if q.dryRun {
		show = cmd.OutOrStdout()
	}
	s := made.Silence
	showReach(show, q.where, made.Reach)
	fmt.Fprintf(show, "%s from %s until %s: %s\n", s.Kind, clock(s.From), clock(s.Until), printable(s.Reason))
	if q.dryRun {
		return nil
	}
	if err := meant(cmd, "Make this "+string(q.kind)+"?", q.yes); err != nil {
		return err
	}
	expect := made.Matched
	q.body.Expect = &expect
	if err := a.do(cmd.Context(), "POST", "/silences", nil, q.body, &made); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s of %s until %s\n", made.Silence.ID, q.kind, plural(made.Matched, "BMC"), clock(made.Silence.Until))
	return err
}

// showReach shows what a filter reaches before anything is done to it.
func showReach(w io.Writer, where string, r api.Reach) {
	verb := map[bool]string{true: "matches", false: "match"}[r.Matched == 1]
	fmt.Fprintf(w, "%s: %s %s, %d of them %s now\n", printable(where), plural(r.Matched, "BMC"), verb, r.Failing, map[bool]string{true: "fails", false: "fail"}[r.Failing == 1])
	for _, n := range r.Sample {
		fmt.Fprintf(w, "  %s  %s  %s\n", results.CodeOf(n.Health, n.Failed, n.Reason, ""), printable(string(n.BMC)), strings.TrimSpace(fmt.Sprint(n.Health, " ", n.Reason)))
	}
	if more := r.Matched - len(r.Sample); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// newQuietList lists those of a kind.
func newQuietList(kind results.SilenceKind) *cobra.Command {
	g := asking{kind: kinds["silences"]}
	cmd := apiCommand(&cobra.Command{
		Use:   "list",
		Short: fmt.Sprintf("list each %s that is not over, with how many BMCs it matches now", kind),
		Long:  "Lists what lamplighter get silences does, of this kind alone.\n" + askedExitCodes,
		Args:  cobra.NoArgs,
	}, func(cmd *cobra.Command, a *asked, _ []string) error {
		g.asked, g.out, g.err = a, cmd.OutOrStdout(), cmd.ErrOrStderr()
		if err := g.readOutput(); err != nil {
			return err
		}
		if err := g.readStatus("silences"); err != nil {
			return err
		}
		return g.listOf(cmd.Context(), kind)
	})
	cmd.Flags().StringVar(&g.status, "status", "", "`status`: holds, waits, over or all; default those that are not over")
	cmd.Flags().StringVarP(&g.output, "output", "o", "table", "`format`: "+strings.Join(getFormats, ", "))
	return cmd
}

func (g *asking) listOf(ctx context.Context, kind results.SilenceKind) error {
	l := g.lister()
	err := g.pages(ctx, g.query(), func(d document) error {
		var s results.Silence
		if err := json.Unmarshal(d, &s); err != nil || s.Kind != kind {
			return err
		}
		return l.put(d)
	})
	if err != nil {
		return err
	}
	return l.close()
}

// newQuietEnd ends some before their time.
func newQuietEnd(kind results.SilenceKind) *cobra.Command {
	return apiCommand(&cobra.Command{
		Use:   "end ID...",
		Short: fmt.Sprintf("end a %s before its time", kind),
		Long:  "Ends it at once; what still fails is told then.\n" + askedExitCodes,
		Args:  cobra.MinimumNArgs(1),
	}, func(cmd *cobra.Command, a *asked, args []string) error {
		var errs []error
		for _, id := range args {
			err := a.do(cmd.Context(), "DELETE", "/silences/"+url.PathEscape(id), nil, nil, nil)
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ended\n", printable(id))
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// readOutput checks --output.
func (g *asking) readOutput() error {
	if !slices.Contains(getFormats, g.output) {
		return fmt.Errorf("--output %q: want one of %s", g.output, strings.Join(getFormats, ", "))
	}
	return nil
}
