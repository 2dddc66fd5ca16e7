package ticket_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/ticket"
	"lamplighter/results/ticket/standin"
)

// desk is a desk with people at it.
type desk struct {
	ticket.Desk
	count  func() int              // how many tickets are open
	add    func(incident string)   // somebody else opens one
	shut   func(ref string)        // a person closes one
	gone   func(ref string)        // a person deletes one
	said   func(ref string) string // what the ticket says, with all comments
	fault  func(func(http.ResponseWriter, *http.Request) bool)
	locked func() // nobody is let in any more
}

func jiraDesk(t *testing.T, dataCenter bool, settings ticket.JiraSettings) (*desk, *standin.Jira) {
	j := standin.StartJira(t, dataCenter)
	settings.Project, settings.Type, settings.DataCenter = "OPS", "Task", dataCenter
	d := ticket.NewJira(ticket.Web{Name: "jira", URL: j.URL + "/", User: j.User, Secret: inventory.NewSecret(j.Token), Patience: 2 * time.Second}, settings)
	t.Cleanup(d.Close)
	return &desk{
		Desk: d, fault: j.Fault, locked: func() { j.Token = "other" },
		count: func() (n int) {
			for _, i := range j.Issues() {
				if !i.Done() {
					n++
				}
			}
			return n
		},
		add: func(incident string) {
			j.Add(standin.Issue{Summary: "of another process", Status: "To Do", Labels: []string{"lamplighter-" + incident}, Created: time.Now().Add(-time.Hour)})
		},
		shut: func(ref string) { j.ByHand(ref, func(i *standin.Issue) { i.Status = "Done" }) },
		gone: func(ref string) { j.ByHand(ref, func(i *standin.Issue) { i.Deleted = true }) },
		said: func(ref string) string {
			for _, i := range j.Issues() {
				if i.Key == ref {
					return strings.Join(append([]string{i.Summary, i.Description}, i.Comments...), "\n")
				}
			}
			return ""
		},
	}, j
}

func serviceNowDesk(t *testing.T) (*desk, *standin.ServiceNow) {
	s := standin.StartServiceNow(t)
	d := ticket.NewServiceNow(ticket.Web{Name: "snow", URL: s.URL, User: s.User, Secret: inventory.NewSecret(s.Password), Patience: 2 * time.Second},
		ticket.ServiceNowSettings{Table: "incident", Done: "6", Again: "2", CloseCode: "Solution provided", Fields: map[string]string{"assignment_group": "hands"}})
	t.Cleanup(d.Close)
	return &desk{
		Desk: d, fault: s.Fault, locked: func() { s.Password = "other" },
		count: func() (n int) {
			for _, r := range s.Records() {
				if r["state"] < "6" {
					n++
				}
			}
			return n
		},
		add: func(incident string) {
			s.Add(map[string]string{"correlation_id": incident, "sys_created_on": "2020-01-01 00:00:00"})
		},
		shut: func(ref string) { s.ByHand(ref, map[string]string{"state": "6"}) },
		gone: func(ref string) { s.ByHand(ref, nil) },
		said: func(ref string) string {
			for _, r := range s.Records() {
				if r["number"] == ref {
					return strings.Join([]string{r["short_description"], r["description"], r["work_notes"], r["close_notes"]}, "\n")
				}
			}
			return ""
		},
	}, s
}

// desks are the stand-ins by what they stand in for.
func desks(t *testing.T) map[string]func(*testing.T) *desk {
	t.Helper()
	return map[string]func(*testing.T) *desk{
		"stand-in for Jira Cloud, not a real one":       func(t *testing.T) *desk { d, _ := jiraDesk(t, false, ticket.JiraSettings{}); return d },
		"stand-in for Jira Data Center, not a real one": func(t *testing.T) *desk { d, _ := jiraDesk(t, true, ticket.JiraSettings{}); return d },
		"stand-in for ServiceNow, not a real one":       func(t *testing.T) *desk { d, _ := serviceNowDesk(t); return d },
	}
}

func (d *desk) tell(t *testing.T, act ticket.Act, i results.Incident, f ticket.Found, comment string) ticket.Found {
	t.Helper()
	f, err := d.Tell(t.Context(), ticket.Message{Act: act, Incident: i, Title: ticket.Title(i), Body: ticket.Body(i, "https://l/"+i.ID), Comment: comment, Ticket: f})
	if err != nil {
		t.Fatalf("%s: %v", act, err)
	}
	return f
}

func (d *desk) find(t *testing.T, known results.Ticket) ticket.Found {
	t.Helper()
	f, err := d.Find(t.Context(), known)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestATicketFromItsOpeningToItsEnd(t *testing.T) {
	t.Parallel()
	for name, start := range desks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, i := start(t), rack("inc-1", 3)
			if f := d.find(t, results.Ticket{Incident: "inc-1"}); f.There {
				t.Fatalf("found %+v", f)
			}
			f := d.tell(t, ticket.Open, i, ticket.Found{}, "")
			if f.Ref == "" || !f.Open || !strings.HasPrefix(f.URL, "http") {
				t.Errorf("opened %+v", f)
			}
			if said := d.said(f.Ref); !strings.Contains(said, "ping the rack's switch") || !strings.Contains(said, "no answer within 3s") || !strings.Contains(said, "https://l/inc-1") {
				t.Errorf("it says\n%s", said)
			}
			known := results.Ticket{Incident: "inc-1", Ref: f.Ref}
			if again := d.find(t, results.Ticket{Incident: "inc-1"}); again.Ref != f.Ref || !again.Open {
				t.Errorf("found %+v by its key, want %+v", again, f)
			}
			f = d.tell(t, ticket.Comment, i, d.find(t, known), "9 of 40 BMCs fail")
			f = d.tell(t, ticket.Close, i, f, "Its BMCs work again.")
			if got := d.find(t, known); f.Open || got.Open || got.Ref != f.Ref || d.count() != 0 {
				t.Errorf("closed %+v, found %+v", f, got)
			}
			f = d.tell(t, ticket.Reopen, i, d.find(t, known), "It is back.")
			if got := d.find(t, known); !f.Open || !got.Open || d.count() != 1 {
				t.Errorf("reopened %+v, found %+v", f, got)
			}
			for _, want := range []string{"9 of 40", "work again", "is back"} {
				if said := d.said(f.Ref); !strings.Contains(said, want) {
					t.Errorf("it lacks %q:\n%s", want, said)
				}
			}
			d.shut(f.Ref)
			if got := d.find(t, known); !got.There || got.Open {
				t.Errorf("closed by hand: %+v", got)
			}
			d.gone(f.Ref)
			if got := d.find(t, known); got.There {
				t.Errorf("deleted by hand: %+v", got)
			}
		})
	}
}

func TestOfTwoTicketsTheYoungerIsClosed(t *testing.T) {
	t.Parallel()
	for name, start := range desks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, i := start(t), rack("inc-2", 3)
			d.add("inc-2")
			f := d.tell(t, ticket.Open, i, ticket.Found{}, "") // as one does who did not see the other
			if d.count() != 1 || !f.Open || f.Double != nil || strings.Contains(d.said(f.Ref), "opened twice") {
				t.Errorf("%d are open, %+v", d.count(), f)
			}
		})
	}
}

func TestWhatADeskAnswersInsteadIsNamed(t *testing.T) {
	t.Parallel()
	for name, start := range desks(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, i := start(t), rack("inc-3", 3)
			fails := func(kind ticket.FailureKind, after time.Duration, want ...string) {
				t.Helper()
				_, err := d.Tell(t.Context(), ticket.Message{Act: ticket.Open, Incident: i, Title: "t", Body: "b"})
				var f *ticket.Failure
				if !errors.As(err, &f) || f.Kind != kind || f.After != after {
					t.Fatalf("got %#v %v, want kind %s after %s", f, err, kind, after)
				}
				for _, w := range append(want, "desk ", "POST http://127.0.0.1") {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("%v lacks %q", err, w)
					}
				}
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the password is in %v", err)
				}
			}
			d.fault(standin.Limited(30*time.Second, `{"message": "Rate limit exceeded"}`))
			fails(ticket.Away, 30*time.Second, "429", "Rate limit exceeded", "after 30s")
			d.fault(standin.Page(http.StatusServiceUnavailable))
			fails(ticket.Away, 0, "503", "a web page instead of an answer")
			d.fault(standin.Page(http.StatusOK))
			fails(ticket.Away, 0, "200", "a web page instead of an answer", "Down for maintenance")
			if _, err := d.Tell(t.Context(), ticket.Message{Act: ticket.Comment, Ticket: ticket.Found{Ref: "OPS-1", ID: "1"}, Comment: "c"}); err == nil {
				t.Error("a web page was taken for a comment that was made")
			}
			d.fault(func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "http://evil.example/", http.StatusTemporaryRedirect)
				return true
			})
			fails(ticket.Wrong, 0, "307", "it is at http://evil.example/", "no password is sent elsewhere")
			d.fault(func(w http.ResponseWriter, r *http.Request) bool {
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte("you sent " + r.Header.Get("Authorization") + strings.Repeat("x", 1000)))
				return true
			})
			fails(ticket.Away, 0, "500", "REDACTED")
			d.fault(func(_ http.ResponseWriter, r *http.Request) bool {
				_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the asker hangs up
				<-r.Context().Done()
				return true
			})
			fails(ticket.Away, 0, "deadline exceeded", "tried again")
			d.fault(nil)
			d.locked()
			fails(ticket.Refused, 0, "401", "token_file or password_file")
			if d.count() != 0 {
				t.Errorf("%d tickets were opened", d.count())
			}
		})
	}
}

func TestWhatJiraDemandsAndWhatItsSearchMisses(t *testing.T) {
	t.Parallel()
	t.Run("stand-in for Jira, not a real one: a field that it refuses is named", func(t *testing.T) {
		t.Parallel()
		d, j := jiraDesk(t, false, ticket.JiraSettings{})
		wrong := ticket.NewJira(ticket.Web{Name: "jira", URL: j.URL, User: j.User, Secret: inventory.NewSecret(j.Token)}, ticket.JiraSettings{Project: "NO", Type: "Bug", Labels: []string{"a b"}})
		t.Cleanup(wrong.Close)
		_, err := wrong.Tell(t.Context(), ticket.Message{Act: ticket.Open, Incident: rack("i", 1), Title: "t", Body: "b"})
		var f *ticket.Failure
		if !errors.As(err, &f) || f.Kind != ticket.Wrong || !strings.Contains(err.Error(), "valid project is required") || !strings.Contains(err.Error(), "contains spaces") || d.count() != 0 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("stand-in for Jira, not a real one: a workflow without the transition is named", func(t *testing.T) {
		t.Parallel()
		d, _ := jiraDesk(t, false, ticket.JiraSettings{Done: "Resolve"})
		f := d.tell(t, ticket.Open, rack("i", 1), ticket.Found{}, "")
		_, err := d.Tell(t.Context(), ticket.Message{Act: ticket.Close, Ticket: f, Comment: "c"})
		if err == nil || !strings.Contains(err.Error(), `no transition "Resolve" from here, only "Start", "Close it"`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("stand-in for Jira, not a real one: a known issue is found though the search is behind", func(t *testing.T) {
		t.Parallel()
		d, j := jiraDesk(t, false, ticket.JiraSettings{Done: "close IT", Again: "to do"})
		j.Lag = time.Hour
		f := d.tell(t, ticket.Open, rack("i", 1), ticket.Found{}, "")
		if got := d.find(t, results.Ticket{Incident: "i", Ref: f.Ref}); got.Ref != f.Ref || !got.Open {
			t.Errorf("found %+v", got)
		}
		f = d.tell(t, ticket.Close, rack("i", 1), f, "c")
		if f = d.tell(t, ticket.Reopen, rack("i", 1), f, "c"); !f.Open || d.count() != 1 {
			t.Errorf("%+v", f)
		}
	})
	t.Run("stand-in for Jira, not a real one: a second issue that the search found late is told of", func(t *testing.T) {
		t.Parallel()
		d, j := jiraDesk(t, false, ticket.JiraSettings{})
		j.Lag = time.Hour
		j.Add(standin.Issue{Status: "To Do", Labels: []string{"lamplighter-i"}, Created: time.Now()})
		f := d.tell(t, ticket.Open, rack("i", 1), ticket.Found{}, "")
		j.Lag = 0
		got := d.find(t, results.Ticket{Incident: "i", Ref: f.Ref})
		if got.Ref != "OPS-1" || got.Double == nil || got.Double.Ref != f.Ref {
			t.Errorf("found %+v", got)
		}
	})
	t.Run("stand-in for Jira, not a real one: an issue that a person copied is left alone", func(t *testing.T) {
		t.Parallel()
		d, j := jiraDesk(t, false, ticket.JiraSettings{})
		f := d.tell(t, ticket.Open, rack("i", 1), ticket.Found{}, "")
		j.Add(standin.Issue{Status: "To Do", Labels: []string{"lamplighter-i"}, Created: time.Now()})
		if got := d.find(t, results.Ticket{Incident: "i", Ref: f.Ref}); got.Ref != f.Ref || got.Double != nil {
			t.Errorf("found %+v", got)
		}
	})
}

func TestWhatServiceNowDemandsAndWhatItsSearchReturnsTooMuch(t *testing.T) {
	t.Parallel()
	t.Run("stand-in for ServiceNow, not a real one: without a close code nothing is closed", func(t *testing.T) {
		t.Parallel()
		d, s := serviceNowDesk(t)
		bare := ticket.NewServiceNow(ticket.Web{Name: "snow", URL: s.URL, User: s.User, Secret: inventory.NewSecret(s.Password)}, ticket.ServiceNowSettings{Table: "incident", Done: "6", Again: "2"})
		t.Cleanup(bare.Close)
		f := d.tell(t, ticket.Open, rack("i", 1), ticket.Found{}, "")
		_, err := bare.Tell(t.Context(), ticket.Message{Act: ticket.Close, Ticket: f, Comment: "c"})
		if err == nil || !strings.Contains(err.Error(), "Resolution code") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("stand-in for ServiceNow, not a real one: records of others are passed over", func(t *testing.T) {
		t.Parallel()
		d, s := serviceNowDesk(t)
		s.Add(map[string]string{"correlation_id": "other"})
		s.Add(map[string]string{"short_description": "the printer is on fire"})
		d.fault(func(_ http.ResponseWriter, r *http.Request) bool { // a table without the column answers with all that it has
			query := r.URL.Query()
			query.Set("sysparm_query", strings.Replace(query.Get("sysparm_query"), "correlation_id", "u_none", 1))
			r.URL.RawQuery = query.Encode()
			return false
		})
		if f := d.find(t, results.Ticket{Incident: "i"}); f.There {
			t.Errorf("found %+v", f)
		}
	})
	t.Run("stand-in for ServiceNow, not a real one: what is closed for good is final", func(t *testing.T) {
		t.Parallel()
		d, s := serviceNowDesk(t)
		f := d.tell(t, ticket.Open, rack("i", 1), ticket.Found{}, "")
		s.ByHand(f.Ref, map[string]string{"state": "7"})
		if got := d.find(t, results.Ticket{Incident: "i", Ref: f.Ref}); !got.Final || got.Open {
			t.Errorf("found %+v", got)
		}
	})
	t.Run("stand-in for ServiceNow, not a real one: a table that is not there is named", func(t *testing.T) {
		t.Parallel()
		_, s := serviceNowDesk(t)
		d := ticket.NewServiceNow(ticket.Web{Name: "snow", URL: s.URL, User: s.User, Secret: inventory.NewSecret(s.Password)}, ticket.ServiceNowSettings{Table: "u_bmc"})
		t.Cleanup(d.Close)
		_, err := d.Find(t.Context(), results.Ticket{Incident: "i"})
		if err == nil || !strings.Contains(err.Error(), "Invalid table u_bmc") || strings.Contains(err.Error(), "sysparm") {
			t.Errorf("got %v", err)
		}
	})
}
