package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/api"
)

func newWhy() *cobra.Command {
	var asJSON bool
	cmd := apiCommand(&cobra.Command{
		Use:   "why BMC|INCIDENT",
		Short: "what is believed of a BMC, or what an incident looks like, and why: evidence, whose job it is, what to do next",
		Long: `Prints what is believed of a BMC, since when and by how many rounds; the checks of its newest round with their evidence; when it was
last good, what it was in the last day, and how its neighbours in the rack are; and the incident that it fails in, with its ticket. A BMC is
named by its ID, or by what search finds of one BMC alone: an address, a serial number.

Of an incident, named by its ID or its ticket, it prints what it looks like and what was counted, its BMCs, evidence and tickets,
what happened to it, and what people did.
` + askedExitCodes,
		Args: one("BMC"),
	}, func(cmd *cobra.Command, a *asked, args []string) error {
		r, err := a.answer(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if asJSON {
			encoder := json.NewEncoder(cmd.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(r)
		}
		return r.print(cmd.OutOrStdout())
	})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it all as one JSON document")
	return cmd
}

// whyReport is all that is said of one BMC.
type whyReport struct {
	api.Detail
	// Decided is the newest verdict that found something out, where that is another than Verdict; nil otherwise.
	Decided *results.Verdict `json:"decided"`
	History api.History      `json:"history"`
}

// because is what why answers with.
type because interface {
	print(io.Writer) error
}

// answer finds out what is meant, a BMC or an incident, and asks for it.
func (a *asked) answer(ctx context.Context, named string) (because, error) {
	r := &whyReport{}
	err := a.get(ctx, "/bmcs/"+url.PathEscape(named), nil, &r.Detail)
	if !isNotFound(err) {
		return orMore(err, func() (because, error) { return r, a.more(ctx, r) })
	}
	i := &incidentReport{}
	if err = a.get(ctx, "/incidents/"+url.PathEscape(named), nil, &i.IncidentDetail); !isNotFound(err) {
		return i, err
	}
	found, err := a.find(ctx, named)
	if err == nil && found.Incident != "" {
		return i, a.get(ctx, "/incidents/"+url.PathEscape(found.Incident), nil, &i.IncidentDetail)
	}
	if err == nil {
		err = a.get(ctx, "/bmcs/"+url.PathEscape(string(found.BMC)), nil, &r.Detail)
	}
	return orMore(err, func() (because, error) { return r, a.more(ctx, r) })
}

func orMore(err error, more func() (because, error)) (because, error) {
	if err != nil {
		return nil, err
	}
	return more()
}

// more asks for what was, and for what is believed rests on.
func (a *asked) more(ctx context.Context, r *whyReport) error {
	id := url.PathEscape(string(r.State.BMC))
	if err := a.get(ctx, "/bmcs/"+id+"/history", nil, &r.History); err != nil {
		return err
	}
	found := r.State.Found
	if found == nil || found.Belief.Reason == "" || r.Verdict != nil && !found.Round.Due.After(r.Verdict.Round.Due) && found.Round == r.Verdict.Round {
		return nil
	}
	var decided results.Verdict
	switch err := a.get(ctx, "/rounds/"+url.PathEscape(found.Round.String()), nil, &decided); {
	case isNotFound(err): // it was forgotten
		return nil
	case err != nil:
		return err
	}
	r.Decided = &decided
	return nil
}

func isNotFound(err error) bool {
	refused := new(refusal)
	return errors.As(err, &refused) && refused.Status == http.StatusNotFound
}

// find is the one BMC, or the one incident, that a text means.
func (a *asked) find(ctx context.Context, text string) (one api.Hit, err error) {
	var found struct {
		Items []api.Hit `json:"items"`
	}
	if err := a.get(ctx, "/search", url.Values{"q": {text}, "limit": {"5"}}, &found); err != nil {
		return one, err
	}
	var exact []api.Hit
	var names []string
	for _, hit := range found.Items {
		if strings.EqualFold(hit.Value, text) {
			exact = append(exact, hit)
		}
		names = append(names, string(hit.BMC)+hit.Incident)
	}
	switch {
	case len(exact) == 1:
		return exact[0], nil
	case len(names) > 0:
		return one, fmt.Errorf("%s: no BMC or incident has this ID; do you mean %s?", text, strings.Join(names, ", "))
	}
	return one, fmt.Errorf("%s: no verdict of a BMC with this ID, address or serial number was ever heard, and no incident is called so; lamplighter get bmcs -o name lists all BMCs", text)
}

// place is where it is, for a first line such as check prints.
func (r *whyReport) place() string {
	s := &r.State
	words := []string{string(s.BMC)}
	for _, word := range []string{s.Address, s.Site, s.Room, s.Row, s.Rack, unitLabel(s.Unit), s.Vendor, s.Model} {
		if word != "" && word != words[len(words)-1] {
			words = append(words, word)
		}
	}
	return printable(strings.Join(words, "  "))
}

// job is whose it is and what they do next: of what the newest round found, while that is not believed yet.
func (r *whyReport) job() (reason checks.Reason, owner checks.Owner, next string) {
	switch s := &r.State; {
	case s.Soft != nil && s.Soft.Reason != "":
		reason = s.Soft.Reason
	default:
		reason = s.Reason
	}
	info := reason.Info()
	return reason, info.Owner, info.NextStep
}

// attempts says how often what is believed, or is on trial, was seen.
func (r *whyReport) attempts() string {
	if s := r.State.Soft; s != nil {
		return fmt.Sprintf("%d of %d: %s", s.Attempts, s.Of, "not believed yet")
	}
	rounds := 0
	for _, span := range r.History.Spans {
		if span.Open && span.Health == r.State.Health && span.Reason == r.State.Reason {
			rounds = span.Rounds
		}
	}
	switch rounds {
	case 0:
		return "believed"
	case 1:
		return "believed; the newest round says so"
	}
	return fmt.Sprintf("believed; the newest %s say so", plural(rounds, "round"))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// sameRack counts the neighbours by health.
func (r *whyReport) sameRack() (line string, sick []api.Neighbour) {
	counts := map[checks.Health]int{}
	for _, n := range r.Neighbours {
		counts[n.Health]++
		if n.Health != checks.Available {
			sick = append(sick, n)
		}
	}
	line = (&summary{health: counts}).healthLine()
	if len(r.Neighbours) == 0 {
		line = "none is known"
	}
	return line, sick
}
