package standin

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Jira stands in for Jira Cloud (version 3 of the REST API), or for Data Center (version 2).
type Jira struct {
	server
	User, Token string
	DataCenter  bool
	// Lag is how long an issue is not found by a search that is not told of it, as in Cloud.
	Lag time.Duration

	issues []*Issue
}

// Issue is one of a Jira's.
type Issue struct {
	ID, Key, Summary, Description, Status string
	Labels, Comments                      []string
	Created                               time.Time
	Deleted                               bool
}

// Done says whether the issue's status counts as done.
func (i Issue) Done() bool { return i.Status == "Done" }

// The workflow: from each status there are transitions, by their IDs.
var workflow = map[string][]transition{
	"To Do":       {{"11", "Start", "In Progress"}, {"31", "Close it", "Done"}},
	"In Progress": {{"21", "Stop", "To Do"}, {"31", "Close it", "Done"}},
	"Done":        {{"41", "Open again", "To Do"}},
}

type transition struct{ id, name, to string }

var categories = map[string]string{"To Do": "new", "In Progress": "indeterminate", "Done": "done"}

// StartJira starts one with the project OPS.
func StartJira(t testing.TB, dataCenter bool) *Jira {
	t.Helper()
	j := &Jira{User: "lamp@example.com", Token: "jira-s3cret", DataCenter: dataCenter}
	if dataCenter {
		j.User = ""
	}
	api, mux := "/rest/api/3", http.NewServeMux()
	if dataCenter {
		api = "/rest/api/2"
	}
	mux.HandleFunc("POST "+api+"/issue", j.create)
	mux.HandleFunc("GET "+api+"/issue/{key}", j.one(func(w http.ResponseWriter, r *http.Request, i *Issue) {
		answer(w, http.StatusOK, j.shown(i, strings.Split(r.URL.Query().Get("fields"), ",")))
	}))
	mux.HandleFunc("POST "+api+"/issue/{key}/comment", j.one(j.comment))
	mux.HandleFunc("GET "+api+"/issue/{key}/transitions", j.one(func(w http.ResponseWriter, _ *http.Request, i *Issue) {
		answer(w, http.StatusOK, map[string]any{"transitions": transitions(i)})
	}))
	mux.HandleFunc("POST "+api+"/issue/{key}/transitions", j.one(j.transit))
	if dataCenter {
		mux.HandleFunc("POST "+api+"/search", j.search)
	} else {
		mux.HandleFunc("POST "+api+"/search/jql", j.search)
		mux.HandleFunc(api+"/search", func(w http.ResponseWriter, _ *http.Request) {
			jiraError(w, http.StatusGone, "The requested API has been removed. Please migrate to /rest/api/3/search/jql.", nil)
		})
	}
	j.serve(t, "Jira", j.guarded(mux))
	return j
}

func jiraError(w http.ResponseWriter, status int, message string, fields map[string]string) {
	messages := []string{}
	if message != "" {
		messages = append(messages, message)
	}
	answer(w, status, map[string]any{"errorMessages": messages, "errors": fields})
}

// guarded lets in who has the token: Basic with the user's e-mail in Cloud, Bearer in Data Center.
func (j *Jira) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, token, basic := r.BasicAuth()
		ok := basic && user == j.User && token == j.Token
		if j.DataCenter {
			ok = r.Header.Get("Authorization") == "Bearer "+j.Token
		}
		if !ok {
			w.Header().Set("X-Seraph-LoginReason", "AUTHENTICATED_FAILED")
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprint(w, "Client must be authenticated to access this resource.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (j *Jira) create(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	fields, _ := body["fields"].(map[string]any)
	if err != nil || fields == nil {
		jiraError(w, http.StatusBadRequest, "Invalid request payload. Refer to the REST API documentation and try again.", nil)
		return
	}
	wrong := map[string]string{}
	if text(fields, "project", "key") != "OPS" {
		wrong["project"] = "valid project is required"
	}
	if text(fields, "issuetype", "name") != "Task" {
		wrong["issuetype"] = "Specify a valid issue type"
	}
	summary := text(fields, "summary")
	switch {
	case summary == "":
		wrong["summary"] = "You must specify a summary of the issue."
	case len(summary) > 255:
		wrong["summary"] = "Summary can't exceed 255 characters."
	case strings.Contains(summary, "\n"):
		wrong["summary"] = "The summary is invalid because it contains newline characters."
	}
	description, ok := j.text(fields["description"])
	if !ok {
		wrong["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
	}
	labels, _ := fields["labels"].([]any)
	issue := &Issue{Summary: summary, Description: description, Status: "To Do", Created: time.Now()}
	for _, l := range labels {
		name, _ := l.(string)
		if strings.ContainsAny(name, " \t") {
			wrong["labels"] = fmt.Sprintf("The label '%s' contains spaces which is invalid.", name)
		}
		issue.Labels = append(issue.Labels, name)
	}
	if len(wrong) > 0 {
		jiraError(w, http.StatusBadRequest, "", wrong)
		return
	}
	j.add(issue)
	answer(w, http.StatusCreated, map[string]string{"id": issue.ID, "key": issue.Key, "self": j.URL + "/rest/api/3/issue/" + issue.ID})
}

func (j *Jira) add(issue *Issue) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := len(j.issues) + 1
	issue.ID, issue.Key = strconv.Itoa(9998+n), fmt.Sprintf("OPS-%d", n)
	j.issues = append(j.issues, issue)
}

// text reads a text: a document (ADF) in version 3, a string in version 2.
func (j *Jira) text(value any) (string, bool) {
	if j.DataCenter {
		s, ok := value.(string)
		return s, ok
	}
	if text(value, "type") != "doc" || at(value, "version") != 1.0 {
		return "", false
	}
	var all []string
	ok := true
	var walk func(node any)
	walk = func(node any) {
		if text(node, "type") == "text" {
			s := text(node, "text")
			ok = ok && s != "" // a text node is never empty
			all = append(all, s)
		}
		children, _ := at(node, "content").([]any)
		for _, child := range children {
			walk(child)
		}
	}
	walk(value)
	return strings.Join(all, ""), ok
}

// one finds the issue that a path names, by key or ID.
func (j *Jira) one(then func(http.ResponseWriter, *http.Request, *Issue)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		j.mu.Lock()
		defer j.mu.Unlock()
		key := r.PathValue("key")
		i := slices.IndexFunc(j.issues, func(i *Issue) bool { return !i.Deleted && (i.Key == key || i.ID == key) })
		if i < 0 {
			jiraError(w, http.StatusNotFound, "Issue does not exist or you do not have permission to see it.", map[string]string{})
			return
		}
		then(w, r, j.issues[i])
	}
}

// shown is an issue with the fields that were asked for, and no other.
func (j *Jira) shown(i *Issue, wanted []string) map[string]any {
	fields := map[string]any{}
	for name, value := range map[string]any{
		"labels": i.Labels, "summary": i.Summary,
		"status": map[string]any{"name": i.Status, "statusCategory": map[string]any{"key": categories[i.Status]}},
	} {
		if slices.Contains(wanted, name) {
			fields[name] = value
		}
	}
	return map[string]any{"id": i.ID, "key": i.Key, "fields": fields}
}

var jql = regexp.MustCompile(`^project = "([^"]+)" AND labels = "([^"]+)" ORDER BY created ASC$`)

func (j *Jira) search(w http.ResponseWriter, r *http.Request) {
	body, err := read(r)
	query := jql.FindStringSubmatch(text(body, "jql"))
	if err != nil || query == nil {
		jiraError(w, http.StatusBadRequest, "Error in the JQL Query: this stand-in does not know it.", nil)
		return
	}
	var wanted []string
	fields, _ := body["fields"].([]any)
	for _, f := range fields {
		wanted = append(wanted, fmt.Sprint(f))
	}
	sure, _ := body["reconcileIssues"].([]any)
	j.mu.Lock()
	defer j.mu.Unlock()
	found := []any{}
	for _, i := range j.issues {
		id, _ := strconv.ParseFloat(i.ID, 64)
		seen := time.Since(i.Created) >= j.Lag || slices.Contains(sure, any(id))
		if !i.Deleted && seen && slices.Contains(i.Labels, query[2]) && query[1] == "OPS" {
			found = append(found, j.shown(i, wanted))
		}
	}
	if j.DataCenter {
		answer(w, http.StatusOK, map[string]any{"startAt": 0, "maxResults": 50, "total": len(found), "issues": found})
		return
	}
	answer(w, http.StatusOK, map[string]any{"isLast": true, "issues": found})
}

func (j *Jira) comment(w http.ResponseWriter, r *http.Request, i *Issue) {
	body, err := read(r)
	said, ok := j.text(body["body"])
	if err != nil || !ok {
		jiraError(w, http.StatusBadRequest, "", map[string]string{"comment": "Comment body is not valid!"})
		return
	}
	i.Comments = append(i.Comments, said)
	answer(w, http.StatusCreated, map[string]string{"id": strconv.Itoa(len(i.Comments))})
}

func transitions(i *Issue) []any {
	all := []any{}
	for _, t := range workflow[i.Status] {
		all = append(all, map[string]any{"id": t.id, "name": t.name, "to": map[string]any{"name": t.to, "statusCategory": map[string]any{"key": categories[t.to]}}})
	}
	return all
}

func (j *Jira) transit(w http.ResponseWriter, r *http.Request, i *Issue) {
	body, err := read(r)
	n := slices.IndexFunc(workflow[i.Status], func(t transition) bool { return t.id == text(body, "transition", "id") })
	if err != nil || n < 0 {
		jiraError(w, http.StatusBadRequest, fmt.Sprintf("It seems that you have tried to perform a workflow operation (%s) that is not valid for the current state of this issue.", text(body, "transition", "id")), nil)
		return
	}
	if resolution := at(body, "fields", "resolution"); resolution != nil {
		jiraError(w, http.StatusBadRequest, "", map[string]string{"resolution": "Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown."})
		return
	}
	i.Status = workflow[i.Status][n].to
	w.WriteHeader(http.StatusNoContent)
}

// Issues are copies of all that are not deleted.
func (j *Jira) Issues() (all []Issue) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range j.issues {
		if !i.Deleted {
			copied := *i
			copied.Comments = slices.Clone(i.Comments)
			all = append(all, copied)
		}
	}
	return all
}

// ByHand does something to an issue as a person would.
func (j *Jira) ByHand(key string, do func(*Issue)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range j.issues {
		if i.Key == key {
			do(i)
		}
	}
}

// Add makes an issue as somebody else would.
func (j *Jira) Add(issue Issue) { j.add(&issue) }
