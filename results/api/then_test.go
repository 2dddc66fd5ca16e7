package api

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// moment is a time that no change has: later ones are after it, in what is written of times, too.
func moment(t *testing.T) time.Time {
	t.Helper()
	at := time.Now().Add(2 * time.Millisecond).Truncate(time.Millisecond)
	until(t, "it is two milliseconds later", func() bool { return time.Now().After(at.Add(2 * time.Millisecond)) })
	return at
}

// then is a path as of a time.
func asOf(path string, at time.Time) string {
	sign := "?"
	if strings.Contains(path, "?") {
		sign = "&"
	}
	return path + sign + "at=" + url.QueryEscape(at.UTC().Format(time.RFC3339Nano))
}

// seen is what the API says of the fleet.
type seen struct {
	at      time.Time
	letters string
	rows    string
	count   Count
	rack    string
}

// look asks for what is, or was. Of the map only letters and marks are compared: its name is of now.
func (f *fleet) look(at time.Time) (s seen) {
	ask := func(path string) string {
		if at.IsZero() {
			return path
		}
		return asOf(path, at)
	}
	m := get[Map](f, ask("/map"))
	s.letters = fmt.Sprint(m.Racks, m.Marks)
	for _, b := range get[page[BMC]](f, ask("/bmcs")).Items {
		s.rows += fmt.Sprintln(b.BMC, b.Health, b.Failed, b.Reason, b.Since, b.Owner, b.NextStep, b.Code)
	}
	for _, p := range get[Elevation](f, ask("/elevation?site=ams1&room=r1&row=A&rack=A01")).Units {
		s.rack += fmt.Sprintln(p.BMC, p.Look, p.Health, p.Reason, p.Since)
	}
	s.count = get[Summary](f, ask("/summary")).Count
	s.count.LastAt, s.count.Soft = time.Time{}, 0 // of rounds that are no news nothing is kept
	return s
}

func TestWhatWasShownAtAnyMomentIsShownAgain(t *testing.T) {
	f := newFleet(t, func(f *fleet) { f.holding = time.Hour })
	const bmcs = 6
	f.good(0, bmcs, nil)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	story := ""
	var all []seen
	for range 25 {
		n, what := random.IntN(bmcs), random.IntN(4)
		story += fmt.Sprintf("%d %d, ", n, what)
		switch what {
		case 0:
			f.good(n, n+1, nil)
		case 1:
			f.bad(n)
		case 2:
			f.impostor(n)
		default:
			f.emit(f.round(n, checks.NetTimeout, nil)) // believed the third time in a row
		}
		until(t, "the map is painted", func() bool {
			f.server.hub.mu.Lock()
			defer f.server.hub.mu.Unlock()
			return len(f.server.hub.cells.dirty) == 0 && len(f.server.hub.cells.number) == bmcs
		})
		was := f.look(time.Time{})
		was.at = moment(t)
		all = append(all, was)
	}
	for i, want := range all {
		got := f.look(want.at)
		got.at = want.at
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Fatalf("moment %d of the story %s\nwas  %+v\nread %+v", i, story, want, got)
		}
	}
}

func TestAnIncidentASilenceAndABMCAreShownAsTheyWere(t *testing.T) {
	f := newFleet(t)
	f.good(0, 40, nil)
	before := moment(t)
	f.bad(3)
	until(t, "it is an incident", func() bool { return len(get[incidentPage](f, "/incidents").Items) == 1 })
	status, answer, _ := f.call("POST", base+"/silences", `{"kind":"maintenance","where":"rack=A01 and unit=6","for":"1h","reason":"new rails","who":"kim"}`)
	if status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	failing := moment(t)
	id := get[page[results.Silence]](f, "/silences").Items[0].ID
	if status, answer, _ := f.call("DELETE", base+"/silences/"+id, ""); status != 204 {
		t.Fatalf("%d %s", status, answer)
	}
	f.good(3, 4, nil)
	f.good(3, 4, nil)
	until(t, "the incident is over", func() bool { return len(get[incidentPage](f, "/incidents").Items) == 0 })

	if p := get[incidentPage](f, asOf("/incidents", before)); len(p.Items) != 0 || p.Total != 0 {
		t.Errorf("before it there was %+v", p)
	}
	p := get[incidentPage](f, asOf("/incidents", failing))
	if len(p.Items) != 1 || p.Items[0].Status != results.Open || p.Items[0].Failing != 1 || !p.Items[0].ClosedAt.IsZero() {
		t.Fatalf("while it lasted there was %+v", p)
	}
	if all := get[incidentPage](f, asOf(where("/incidents", "rack=A02"), failing)); all.Total != 0 {
		t.Errorf("%+v", all)
	}
	d := get[Detail](f, asOf("/bmcs/bmc-00003", failing))
	if d.State.Health != checks.Unavailable || d.Incident == nil || d.Incident.ID != p.Items[0].ID || d.Verdict == nil || d.Verdict.Reason != checks.AuthRejected || !d.State.LastAt.IsZero() {
		t.Errorf("while it failed: %+v", d)
	}
	if d := get[Detail](f, asOf("/bmcs/bmc-00003", before)); d.State.Health != checks.Available || d.Incident != nil || d.Verdict != nil || d.Code != "." {
		t.Errorf("before it failed: %+v", d)
	}
	if d := get[Detail](f, "/bmcs/bmc-00003"); d.State.Health != checks.Available || d.Verdict == nil {
		t.Errorf("now: %+v", d)
	}
	sum := get[Summary](f, asOf("/summary", failing))
	if sum.Unavailable != 1 || sum.Maintenance != 1 || sum.Silences.Maintenance != 1 || sum.Incidents.Total != 1 || !sum.At.Equal(failing) {
		t.Errorf("%+v", sum)
	}
	if quiet := get[page[BMC]](f, asOf(where("/bmcs", "maintenance"), failing)); len(quiet.Items) != 1 || quiet.Items[0].BMC != "bmc-00005" || quiet.Items[0].Code != "m" {
		t.Errorf("%+v", quiet)
	}
	if h := get[History](f, asOf("/bmcs/bmc-00003/history", before)); !h.To.Equal(before) {
		t.Errorf("%+v", h)
	}
	if c := get[page[results.Change]](f, asOf(where("/changes", "bmc=bmc-00003"), before)); len(c.Items) != 1 {
		t.Errorf("%+v", c)
	}
	if _, csv, _ := f.call("GET", base+asOf("/export/bmcs?where="+url.QueryEscape("health=unavailable"), failing), ""); strings.Count(string(csv), "\n") != 2 {
		t.Errorf("%s", csv)
	}
}

func TestAMomentThatCannotBeKnownIsRefused(t *testing.T) {
	f := newFleet(t)
	f.server.Kept = 48 * time.Hour
	f.good(0, 1, nil)
	for at, says := range map[string]string{
		"tomorrow":          "want a time",
		"now+1h":            "is not past yet",
		"2026-01-01T03:12Z": "what changed is kept for 48h0m0s",
	} {
		if status, answer, _ := f.call("GET", base+"/summary?at="+url.QueryEscape(at), ""); status != 400 || !strings.Contains(string(answer), says) {
			t.Errorf("%s: %d %s, want %q", at, status, answer, says)
		}
	}
	if was := get[page[BMC]](f, "/bmcs?at=now-1h").Items; len(was) != 1 || was[0].Health != checks.Unknown || !was[0].Since.IsZero() {
		t.Errorf("before it was heard of: %+v", was)
	}
	if status, _, _ := f.call("GET", base+"/bmcs/nobody?at=now-1h", ""); status != 404 {
		t.Errorf("%d", status)
	}
}

func TestAWarningIsTheWorstWithoutACheckThatItFailedAt(t *testing.T) {
	warning := results.Incident{Cause: results.Cause{Kind: results.CauseBMC, Name: "BMC a"}, Reason: checks.TLSWeak}
	if got := worstOf([]results.Incident{warning}, nil); got != "BMC a ("+string(checks.TLSWeak)+")" {
		t.Error(got)
	}
}
