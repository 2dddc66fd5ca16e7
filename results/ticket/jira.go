package ticket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lamplighter/results"
)

// Jira is a project of Jira: Cloud, by version 3 of its REST API, or Data Center, by version 2. An incident's issue has the label
// lamplighter-ID.
type Jira struct {
	web
	settings JiraSettings
}

// JiraSettings say what issues are like.
type JiraSettings struct {
	Project, Type string
	// DataCenter: a Jira of one's own, which has version 2 of the API and its own search.
	DataCenter bool
	// Done and Again are the status or transition by which an issue is closed and opened again; empty: any whose status counts as
	// done, or does not.
	Done, Again string
	// Resolution is set when an issue is closed; empty: none, as most projects of Jira Cloud want it.
	Resolution string
	Labels     []string
}

var _ Desk = (*Jira)(nil)

// NewJira makes the desk; nothing is asked yet.
func NewJira(w Web, s JiraSettings) *Jira {
	return &Jira{newWeb(w), s}
}

type jiraIssue struct {
	ID     string `json:"id"`
	Key    string `json:"key"`
	Fields struct {
		Status struct {
			Category struct {
				Key string `json:"key"` // new, indeterminate or done
			} `json:"statusCategory"`
		} `json:"status"`
	} `json:"fields"`
}

func (j *Jira) path(rest string) string {
	if j.settings.DataCenter {
		return "/rest/api/2" + rest
	}
	return "/rest/api/3" + rest
}

// label is by which an incident's issues are found. A label has no spaces.
func label(incident string) string {
	return "lamplighter-" + strings.Join(strings.Fields(incident), "_")
}

// Find asks for the known issue itself, because a search may be minutes behind, and searches for others.
func (j *Jira) Find(ctx context.Context, known results.Ticket) (Found, error) {
	var mine *jiraIssue
	if known.Ref != "" {
		issue := new(jiraIssue)
		err := j.ask(ctx, http.MethodGet, j.path("/issue/"+url.PathEscape(known.Ref)+"?fields=status"), nil, issue)
		var failure *Failure
		switch {
		case errors.As(err, &failure) && failure.Status == http.StatusNotFound && !failure.HTML:
		case err != nil:
			return Found{}, err
		default:
			mine = issue
		}
	}
	all, err := j.search(ctx, known.Incident)
	if err != nil {
		return Found{}, err
	}
	return j.choose(all, mine), nil
}

// search finds the issues of an incident, the oldest first. Cloud's search is behind.
func (j *Jira) search(ctx context.Context, incident string) ([]jiraIssue, error) {
	body := map[string]any{
		"jql": fmt.Sprintf("project = %q AND labels = %q ORDER BY created ASC", j.settings.Project, label(incident)), "maxResults": 50, "fields": []string{"status"},
	}
	path := "/search"
	if !j.settings.DataCenter {
		path = "/search/jql"
	}
	var answer struct {
		Issues []jiraIssue `json:"issues"`
	}
	if err := j.ask(ctx, http.MethodPost, j.path(path), body, &answer); err != nil {
		return nil, err
	}
	slices.SortFunc(answer.Issues, func(a, b jiraIssue) int { return cmp.Or(len(a.ID)-len(b.ID), strings.Compare(a.ID, b.ID)) }) // they count up
	return answer.Issues, nil
}

// choose is the oldest open issue; else the known one, else the newest.
func (j *Jira) choose(all []jiraIssue, mine *jiraIssue) Found {
	all = slices.DeleteFunc(all, func(i jiraIssue) bool { return mine != nil && i.ID == mine.ID })
	if mine != nil {
		all = append(all, *mine)
		slices.SortFunc(all, func(a, b jiraIssue) int { return cmp.Or(len(a.ID)-len(b.ID), strings.Compare(a.ID, b.ID)) })
	}
	if first := slices.IndexFunc(all, isOpen); first >= 0 {
		f := j.found(all[first])
		if mine != nil && isOpen(*mine) && mine.ID != all[first].ID {
			double := j.found(*mine)
			f.Double = &double
		}
		return f
	}
	switch {
	case mine != nil:
		return j.found(*mine)
	case len(all) > 0:
		return j.found(all[len(all)-1])
	}
	return Found{}
}

func isOpen(i jiraIssue) bool { return i.Fields.Status.Category.Key != "done" }

func (j *Jira) found(i jiraIssue) Found {
	return Found{Ref: i.Key, ID: i.ID, URL: j.URL + "/browse/" + url.PathEscape(i.Key), There: true, Open: isOpen(i)}
}

// Tell does one act.
func (j *Jira) Tell(ctx context.Context, m Message) (Found, error) {
	t := m.Ticket
	issue := j.path("/issue/" + url.PathEscape(t.Ref))
	switch m.Act {
	case Open:
		return j.open(ctx, m)
	case Comment:
		return t, j.comment(ctx, issue, m.Comment)
	case Reopen, Close, Merge:
		t.Open = m.Act == Reopen
		if err := j.transit(ctx, issue, t.Open); err != nil {
			return Found{}, err
		}
		return t, j.comment(ctx, issue, m.Comment)
	}
	return Found{}, fmt.Errorf("desk %s: no way to %s", j.Name, m.Act)
}

func (j *Jira) comment(ctx context.Context, issue, text string) error {
	return j.ask(ctx, http.MethodPost, issue+"/comment", map[string]any{"body": j.text(text)}, nil)
}

// open makes an issue and looks again: where somebody else made one meanwhile, the younger is closed.
func (j *Jira) open(ctx context.Context, m Message) (Found, error) {
	var made jiraIssue
	err := j.ask(ctx, http.MethodPost, j.path("/issue"), map[string]any{"fields": map[string]any{
		"project": map[string]string{"key": j.settings.Project}, "issuetype": map[string]string{"name": j.settings.Type},
		"summary": m.Title, "description": j.text(m.Body), "labels": append([]string{"lamplighter", label(m.Incident.ID)}, j.settings.Labels...),
	}}, &made)
	if err != nil {
		return Found{}, err
	}
	others, err := j.search(ctx, m.Incident.ID)
	if err != nil { // it is made, and looked for once more later
		return j.found(made), nil
	}
	return settle(ctx, j, m, j.choose(others, &made)), nil
}

// transit closes or opens an issue by a transition that its workflow has.
func (j *Jira) transit(ctx context.Context, issue string, open bool) error {
	var answer struct {
		Transitions []jiraTransition `json:"transitions"`
	}
	if err := j.ask(ctx, http.MethodGet, issue+"/transitions", nil, &answer); err != nil {
		return err
	}
	wanted := j.settings.Done
	if open {
		wanted = j.settings.Again
	}
	i := slices.IndexFunc(answer.Transitions, func(t jiraTransition) bool { return t.leads(wanted, open) })
	if i < 0 {
		return &Failure{Desk: j.Name, Did: "POST " + j.URL + issue + "/transitions", Kind: Wrong, Err: fmt.Errorf("the workflow has no transition %s from here, only %s: set the desk's done and again",
			cmp.Or(strconv.Quote(wanted), map[bool]string{true: "that opens", false: "that closes"}[open]), namesOf(answer.Transitions))}
	}
	body := map[string]any{"transition": map[string]string{"id": answer.Transitions[i].ID}}
	if !open && j.settings.Resolution != "" {
		body["fields"] = map[string]any{"resolution": map[string]string{"name": j.settings.Resolution}}
	}
	return j.ask(ctx, http.MethodPost, issue+"/transitions", body, nil)
}

type jiraTransition struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	To   struct {
		Name     string `json:"name"`
		Category struct {
			Key string `json:"key"`
		} `json:"statusCategory"`
	} `json:"to"`
}

func (t jiraTransition) leads(wanted string, open bool) bool {
	if wanted != "" {
		return strings.EqualFold(wanted, t.Name) || strings.EqualFold(wanted, t.To.Name)
	}
	return open == (t.To.Category.Key != "done")
}

func namesOf(all []jiraTransition) string {
	var names []string
	for _, t := range all {
		names = append(names, strconv.Quote(t.Name))
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// text is how a version of the API takes text in which nothing is markup: version 3 as a document (ADF) with a code block,
// version 2 within noformat.
func (j *Jira) text(text string) any {
	if j.settings.DataCenter {
		return "{noformat}\n" + strings.ReplaceAll(text, "{noformat}", "{ noformat }") + "\n{noformat}"
	}
	return map[string]any{"type": "doc", "version": 1, "content": []any{map[string]any{
		"type": "codeBlock", "content": []any{map[string]any{"type": "text", "text": cmp.Or(text, " ")}},
	}}}
}

// settle closes the ticket that we just opened, where another one is older.
func settle(ctx context.Context, d Desk, m Message, f Found) Found {
	if f.Double == nil {
		return f
	}
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := d.Tell(within, mergeOf(m, f)); err != nil {
		return f // Double stays: the Keeper looks again
	}
	f.Double = nil
	return f
}

// mergeOf closes the younger of two tickets.
func mergeOf(m Message, f Found) Message {
	m.Act, m.Ticket, m.Comment = Merge, *f.Double, "This was opened twice: "+f.Ref+" is older, and is kept."
	return m
}
