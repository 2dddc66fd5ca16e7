package api

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// incident waits until a BMC is in one, and returns it.
func (f *fleet) incident(bmc inventory.ID) (found results.Incident) {
	f.t.Helper()
	until(f.t, fmt.Sprintf("an incident of %s", bmc), func() bool {
		id, ok := f.follower.IncidentOf(bmc)
		if ok {
			found, _ = f.follower.Incident(f.t.Context(), id)
		}
		return found.ID != ""
	})
	return found
}

// send sends a document, wants a status, and reads the answer.
func send[T any](f *fleet, method, path, body string, want int) (into T) {
	f.t.Helper()
	status, answer, _ := f.call(method, base+path, body)
	if status != want {
		f.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, status, answer, want)
	}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &into); err != nil {
			f.t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
		}
	}
	return into
}

func ids(all []Incident) (names []string) {
	for _, i := range all {
		names = append(names, i.ID)
	}
	return names
}

func TestIncidentsAreListedFilteredAndShown(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 90, nil)
	f.bad(3)
	f.impostor(45)
	one, other := f.incident("bmc-00003"), f.incident("bmc-00045")
	all := get[page[Incident]](f, "/incidents").Items
	if len(all) != 2 || all[0].Tickets == nil || all[0].Children != nil || all[0].Cause.Kind != results.CauseBMC {
		t.Fatalf("%+v", all)
	}
	for query, want := range map[string][]string{
		"status=open&site=AMS1&cause=bmc":                      {one.ID, other.ID},
		"owner=credentials":                                    {one.ID},
		"owner=security":                                       {other.ID},
		"where=" + url.QueryEscape("rack=A01"):                 {one.ID},
		"where=" + url.QueryEscape("incident="+other.ID):       {other.ID},
		"status=acknowledged":                                  nil,
		"status=closed":                                        nil,
		"owner=network":                                        nil,
		"site=fra1":                                            nil,
		"cause=rack":                                           nil,
		"where=" + url.QueryEscape("health=available"):         nil,
		"where=" + url.QueryEscape("rack=A01") + "&status=all": {one.ID},
	} {
		if got := ids(get[page[Incident]](f, "/incidents?"+query).Items); !same2(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	first := get[incidentPage](f, "/incidents?limit=1")
	rest := get[incidentPage](f, "/incidents?limit=1&cursor="+first.Next)
	if len(first.Items) != 1 || len(rest.Items) != 1 || rest.Next != "" || first.Items[0].ID == rest.Items[0].ID || first.Total != 2 || rest.Total != 2 {
		t.Errorf("%+v then %+v", first, rest)
	}
	d := get[IncidentDetail](f, "/incidents/"+one.ID)
	if len(d.Members) != 1 || d.Members[0].BMC != "bmc-00003" || len(d.Changes) == 0 || d.Changes[0].To.Health != checks.Unavailable || len(d.Evidence) == 0 || d.Title == "" {
		t.Errorf("%+v", d)
	}
	b := get[Detail](f, "/bmcs/bmc-00003")
	if b.Incident == nil || b.Incident.ID != one.ID || b.Code != "P" || b.Silence != nil {
		t.Errorf("%+v", b.Incident)
	}
	if list := get[page[BMC]](f, where("/bmcs", "incident="+one.ID)); len(list.Items) != 1 || list.Items[0].Incident != one.ID || list.Items[0].Code != "P" {
		t.Errorf("%+v", list.Items)
	}
	sum := get[Summary](f, "/summary")
	if sum.Incidents.Total != 2 || sum.Incidents.Open != 2 || len(sum.Incidents.Causes) != 1 || sum.Incidents.Causes[0] != (CauseCount{results.CauseBMC, 2, 2}) ||
		!strings.HasPrefix(sum.Sentence, "2 incidents, 2 of 90 BMCs failing, worst: BMC bmc-000") {
		t.Errorf("%+v", sum)
	}
	if sum := get[Summary](f, where("/summary", "rack=A01")); sum.Incidents.Total != 1 || !strings.HasPrefix(sum.Sentence, "1 incident, 1 of 40 BMCs failing") {
		t.Errorf("%+v", sum)
	}
}

func same2(got, want []string) bool {
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}

func TestAClosedIncidentIsFoundAgainWithWhoWasInIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 3, nil)
	f.bad(1)
	id := f.incident("bmc-00001").ID
	f.good(1, 2, nil)
	f.good(1, 2, nil)
	until(t, "it is closed", func() bool { return len(get[page[Incident]](f, "/incidents").Items) == 0 })
	for _, query := range []string{"?status=closed", "?status=all&where=bmc%3Dbmc-00001", "?status=closed&owner=credentials"} {
		if all := get[page[Incident]](f, "/incidents"+query).Items; len(all) != 1 || all[0].ID != id || all[0].Closed != results.Recovered {
			t.Errorf("%s: %+v", query, all)
		}
	}
	if all := get[page[Incident]](f, "/incidents?status=closed&where=bmc%3Dbmc-00002").Items; len(all) != 0 {
		t.Errorf("%+v", all)
	}
	if d := get[IncidentDetail](f, "/incidents/"+id); len(d.Members) != 1 || d.Members[0].Left.IsZero() || len(d.Changes) < 2 {
		t.Errorf("%+v", d)
	}
	if _, text, _ := f.call("GET", base+"/export/incidents?status=all", ""); !strings.Contains(string(text), id) || !strings.Contains(string(text), "recovered") {
		t.Errorf("%s", text)
	}
	if status, answer, _ := f.call("PUT", base+"/incidents/"+id+"/ack", `{"note":"x"}`); status != 409 || !strings.Contains(string(answer), "is closed") {
		t.Errorf("%d %s", status, answer)
	}
}

func TestSomebodyIsOnAnIncident(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 3, nil)
	f.bad(1)
	id := f.incident("bmc-00001").ID
	if i := send[Incident](f, "PUT", "/incidents/"+id+"/ack", `{"note":"on it","who":"ada"}`, 200); i.Status != results.Acknowledged || i.Ack == nil || i.Ack.Who != "ada" {
		t.Errorf("%+v", i)
	}
	if all := get[page[Incident]](f, "/incidents?status=acknowledged").Items; len(all) != 1 {
		t.Errorf("%+v", all)
	}
	send[struct{}](f, "DELETE", "/incidents/"+id+"/ack", "", 204)
	send[Problem](f, "DELETE", "/incidents/"+id+"/ack", "", 404)
	d := get[IncidentDetail](f, "/incidents/"+id)
	if d.Ack != nil || len(d.Acts) != 2 || d.Acts[0].Do != "unack" || d.Acts[1].Who != "ada" || d.Acts[1].Note != "on it" {
		t.Errorf("%+v", d.Acts)
	}
}

func TestManyAreAcknowledgedOnlyAsWasExpected(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 90, nil)
	f.bad(3)
	f.impostor(45)
	f.incident("bmc-00003")
	f.incident("bmc-00045")
	for _, path := range []string{"/incidents/ack?site=ams1", where("/acks", "site=ams1")} {
		method := map[bool]string{true: "PUT", false: "POST"}[strings.HasPrefix(path, "/acks")]
		dry := send[AckedBMCs](f, method, path, `{"note":"x","dry_run":true}`, 200)
		if dry.Done || len(dry.Sample) == 0 || dry.Failing != 2 {
			t.Errorf("%s: %+v", path, dry)
		}
		for body, want := range map[string]string{`{"note":"x"}`: "expect: want how many", `{"note":"x","expect":3}`: "3 were expected, 2 match now: nothing was done"} {
			status, answer, _ := f.call(method, base+path, body)
			if !strings.Contains(string(answer), want) || status != 400 && status != 409 {
				t.Errorf("%s %s: %d %s", path, body, status, answer)
			}
		}
	}
	if acked := get[page[BMC]](f, where("/bmcs", "acknowledged")).Items; len(acked) != 0 || len(get[page[Act]](f, "/audit").Items) != 0 {
		t.Errorf("something was done: %+v", acked)
	}
	if done := send[AckedIncidents](f, "POST", where("/incidents/ack", "rack=A01"), `{"note":"x","who":"ada","expect":1}`, 200); !done.Done || done.Matched != 1 || done.Sample[0].Ack == nil {
		t.Errorf("%+v", done)
	}
	if done := send[AckedBMCs](f, "PUT", where("/acks", "site=ams1"), `{"note":"OPS-790","who":"ada","expect":2}`, 200); !done.Done || done.Count != 2 || done.Matched != 90 || done.Failing != 2 {
		t.Errorf("%+v", done)
	}
	acts := get[page[Act]](f, "/audit").Items
	if len(acts) != 2 || acts[0].Count != 2 || acts[0].Where != `site="ams1"` || acts[1].Incident == "" {
		t.Errorf("%+v", acts)
	}
	if acked := get[page[BMC]](f, where("/bmcs", "acknowledged")).Items; len(acked) != 2 || acked[0].Ack.Note != "OPS-790" {
		t.Errorf("%+v", acked)
	}
}

func TestIncidentsAreExported(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 50, nil)
	f.bad(3)
	f.impostor(45)
	f.incident("bmc-00003")
	f.incident("bmc-00045")
	_, text, header := f.call("GET", base+"/export/incidents?status=open", "")
	lines, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil || len(lines) != 3 || len(lines[0]) != len(incidentColumns) || len(lines[1]) != len(incidentColumns) || !strings.Contains(header.Get("Content-Disposition"), "incidents.csv") {
		t.Errorf("%v, %v, %v", err, lines, header)
	}
	if _, text, _ := f.call("GET", base+where("/export/incidents", "rack=A02")+"&format=ndjson", ""); strings.Count(string(text), "\n") != 1 {
		t.Errorf("%s", text)
	}
}

func TestIncidentsAndTicketsAreFound(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.good(0, 3, nil)
	f.bad(1)
	i := f.incident("bmc-00001")
	ticket := results.Ticket{Schema: results.TicketSchema, Incident: i.ID, Desk: "jira", Ref: "OPS-812", URL: "https://desk.example/OPS-812", Open: true, Seq: i.Seq, At: time.Now().UTC()}
	if err := f.follower.PutTicket(t.Context(), ticket); err != nil {
		t.Fatal(err)
	}
	for q, field := range map[string]string{"ops-812": "ticket", i.ID: "incident"} {
		hits := get[page[Hit]](f, "/search?q="+url.QueryEscape(q)).Items
		if len(hits) != 1 || hits[0].Incident != i.ID || hits[0].BMC != "" || hits[0].Field != field {
			t.Errorf("%s: %+v", q, hits)
		}
	}
	if d := get[Detail](f, "/bmcs/bmc-00001"); d.Incident == nil || len(d.Incident.Tickets) != 1 || d.Incident.Tickets[0].Ref != "OPS-812" {
		t.Errorf("%+v", d.Incident)
	}
}
