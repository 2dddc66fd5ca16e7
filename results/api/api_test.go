package api

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// where is a path with a filter.
func where(path, filter string) string { return path + "?where=" + url.QueryEscape(filter) }

func TestTheFleetIsCountedByPlaceAndReason(t *testing.T) {
	f := newFleet(t)
	f.good(0, 90, nil)
	f.bad(3)
	f.bad(4)
	sum := get[Summary](f, "/summary")
	if sum.Total != 90 || sum.Unavailable != 2 || sum.Available != 88 || len(sum.Reasons) != 1 || sum.Reasons[0].Owner != checks.OwnerCredentials {
		t.Errorf("%+v", sum)
	}
	if !strings.Contains(sum.Sentence, "2 of 90 BMCs failing") || !strings.Contains(sum.Sentence, "worst: ams1/A01 with 2") {
		t.Errorf("%s", sum.Sentence)
	}
	if sites := get[page[Site]](f, "/sites"); len(sites.Items) != 1 || sites.Items[0].Site != "ams1" || sites.Items[0].Total != 90 {
		t.Errorf("%+v", sites)
	}
	racks := get[page[Rack]](f, "/racks?limit=2")
	if len(racks.Items) != 2 || racks.Items[0].Rack != "A01" || racks.Items[0].Unavailable != 2 || racks.Next == "" {
		t.Errorf("%+v", racks)
	}
	if rest := get[page[Rack]](f, "/racks?limit=2&cursor="+racks.Next); len(rest.Items) != 1 || rest.Items[0].Rack != "A03" || rest.Items[0].Total != 10 || rest.Next != "" {
		t.Errorf("%+v", rest)
	}
	if racks := get[page[Rack]](f, where("/racks", "health=unavailable")); len(racks.Items) != 1 || racks.Items[0].Total != 2 {
		t.Errorf("%+v", racks)
	}
}

// whole reads a list page by page.
func whole(f *fleet, path string) (ids []string) {
	f.t.Helper()
	mark := "?"
	if strings.Contains(path, "?") {
		mark = "&"
	}
	for cursor := ""; ; {
		p := get[page[BMC]](f, path+mark+"limit=7&cursor="+cursor)
		for _, b := range p.Items {
			ids = append(ids, string(b.BMC))
		}
		if cursor = p.Next; cursor == "" {
			return ids
		}
	}
}

func TestAListIsReadPageByPageInAnyOrder(t *testing.T) {
	f := newFleet(t)
	f.good(0, 50, checks.Facts{"firmware": "2.9"})
	f.good(50, 60, checks.Facts{"firmware": "2.14"})
	f.bad(13)
	for _, order := range []string{"bmc", "-bmc", "since", "-since", "rack", "-rack", "health", "-health"} {
		ids := whole(f, "/bmcs?sort="+order)
		seen := map[string]bool{}
		for _, id := range ids {
			seen[id] = true
		}
		if len(ids) != 60 || len(seen) != 60 {
			t.Errorf("sort=%s: %d BMCs, %d different", order, len(ids), len(seen))
		}
		switch {
		case order == "bmc" && (ids[0] != "bmc-00000" || ids[59] != "bmc-00059"), order == "-bmc" && ids[0] != "bmc-00059",
			order == "health" && ids[0] != "bmc-00013", order == "-health" && ids[59] != "bmc-00013", order == "-since" && ids[0] != "bmc-00013":
			t.Errorf("sort=%s: %v", order, ids)
		}
	}
	if ids := whole(f, where("/bmcs", "firmware<2.14 and vendor=Dell and health=available")); len(ids) != 49 {
		t.Errorf("%d BMCs with old firmware", len(ids))
	}
	p := get[page[BMC]](f, "/bmcs?limit=1&facts=firmware,serial")
	if len(p.Items) != 1 || len(p.Items[0].Facts) != 1 || p.Items[0].Facts["firmware"] != "2.9" {
		t.Errorf("%+v", p.Items)
	}
}

func TestABMCIsShownWithItsChainEvidenceFactsAndNeighbours(t *testing.T) {
	f := newFleet(t)
	f.good(0, 3, checks.Facts{"firmware": "2.9", "serial": "7XKQ1"})
	f.emit(f.round(1, checks.AuthRejected, nil))
	d := get[Detail](f, "/bmcs/bmc-00001")
	if d.State.Health != checks.Unavailable || d.Verdict == nil || len(d.Verdict.Trail) == 0 || !strings.Contains(d.Verdict.Trail[0].Error, "no answer") || d.Meaning == "" {
		t.Errorf("%+v", d)
	}
	if len(d.Facts) != 3 || len(d.Neighbours) != 2 || d.Neighbours[0].BMC != "bmc-00002" {
		t.Errorf("facts %+v, neighbours %+v", d.Facts, d.Neighbours)
	}
	h := get[History](f, "/bmcs/bmc-00001/history?from=now-1h")
	if len(h.Spans) != 2 || h.Spans[1].Health != checks.Unavailable || !h.Spans[1].Open {
		t.Errorf("%+v", h)
	}
	all := get[page[results.Verdict]](f, "/bmcs/bmc-00001/verdicts?from=now-1h&limit=1")
	if len(all.Items) != 1 || all.Items[0].Round != d.Verdict.Round {
		t.Errorf("%+v", all)
	}
	if v := get[results.Verdict](f, "/rounds/"+url.PathEscape(d.Verdict.Round.String())); v.Reason != checks.AuthRejected {
		t.Errorf("%+v", v)
	}
	if facts := get[page[results.Fact]](f, "/bmcs/bmc-00001/facts"); len(facts.Items) != 3 || facts.Items[0].At.IsZero() {
		t.Errorf("%+v", facts)
	}
}

func TestABMCIsFoundByWhateverIsKnownOfIt(t *testing.T) {
	f := newFleet(t)
	f.good(0, 12, nil)
	f.good(12, 13, checks.Facts{"serial": "7XKQ1", "uuid": "4c4c4544-0037"})
	for q, want := range map[string]string{"BMC-00012": "bmc", "7xkq": "serial", "4544": "uuid", "10.0.0.12": "address"} {
		hits := get[page[Hit]](f, "/search?q="+url.QueryEscape(q)).Items
		if len(hits) == 0 || hits[0].BMC != "bmc-00012" || hits[0].Field != want {
			t.Errorf("%s: %+v", q, hits)
		}
	}
	if hits := get[page[Hit]](f, "/search?q=10.0.0.1").Items; len(hits) != 4 || hits[0].BMC != "bmc-00001" {
		t.Errorf("the whole value does not come first: %+v", hits)
	}
}

func TestChangesAreToldNewestFirst(t *testing.T) {
	f := newFleet(t)
	f.good(0, 5, nil)
	for n := range 5 {
		f.bad(n)
	}
	first := get[page[results.Change]](f, "/changes?kind=health&limit=3")
	rest := get[page[results.Change]](f, "/changes?kind=health&limit=1000&cursor="+first.Next)
	if len(first.Items) != 3 || first.Items[0].BMC != "bmc-00004" || len(rest.Items) < 2 || rest.Items[0].BMC != "bmc-00001" || rest.Next != "" {
		t.Errorf("%d then %d", len(first.Items), len(rest.Items))
	}
	only := get[page[results.Change]](f, where("/changes", "bmc=bmc-00002")+"&from=now-1h&to=now")
	if len(only.Items) == 0 || only.Items[0].To.Health != checks.Unavailable || only.Items[len(only.Items)-1].BMC != "bmc-00002" {
		t.Errorf("%+v", only)
	}
	if none := get[page[results.Change]](f, "/changes?to=now-1d"); len(none.Items) != 0 {
		t.Errorf("%+v", none)
	}
}

func TestExportsHoldWhatTheListsHold(t *testing.T) {
	f := newFleet(t)
	f.good(0, 30, checks.Facts{"firmware": "2.9", "serial": "=cmd()"})
	f.bad(7)
	_, text, header := f.call("GET", base+where("/export/bmcs", "health=available"), "")
	lines, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil || len(lines) != 30 || len(lines[0]) != len(bmcColumns) || !strings.Contains(header.Get("Content-Disposition"), "bmcs.csv") {
		t.Errorf("%v, %d lines, %v", err, len(lines), header)
	}
	if !strings.Contains(string(text), "'=cmd()") {
		t.Error("a formula is left as it is")
	}
	_, text, _ = f.call("GET", base+"/export/bmcs?format=ndjson", "")
	if n := strings.Count(string(text), "\n"); n != 30 || !strings.Contains(string(text), `"firmware":"2.9"`) {
		t.Errorf("%d lines", n)
	}
	_, text, header = f.call("GET", base+"/export/bmcs?format=json", "")
	var all []BMC
	if err := json.Unmarshal(text, &all); err != nil || len(all) != 30 || all[7].Reason != checks.AuthRejected || all[0].Facts["serial"] != "=cmd()" || header.Get("Content-Type") != "application/json" {
		t.Errorf("%v, %d BMCs, %v", err, len(all), header)
	}
	if _, text, _ = f.call("GET", base+where("/export/bmcs", "rack=B07")+"&format=json", ""); strings.TrimSpace(string(text)) != "[]" {
		t.Errorf("of nothing: %s", text)
	}
	for _, format := range []string{"csv", "json", "ndjson"} {
		if _, text, _ = f.call("GET", base+"/export/changes?format="+format, ""); !strings.Contains(string(text), "bmc-00007@") {
			t.Errorf("%s", text)
		}
	}
}

func TestSomebodyIsOnIt(t *testing.T) {
	f := newFleet(t)
	f.good(0, 2, nil)
	f.bad(1)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	if status, answer, _ := f.call("PUT", base+"/bmcs/bmc-00001/ack", `{"note":"OPS-790","who":"ada","until":"`+until+`"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	list := get[page[BMC]](f, where("/bmcs", "acknowledged"))
	if len(list.Items) != 1 || list.Items[0].Ack == nil || list.Items[0].Ack.Who != "ada" {
		t.Errorf("%+v", list)
	}
	if d := get[Detail](f, "/bmcs/bmc-00001"); d.Ack == nil || d.Ack.Note != "OPS-790" {
		t.Errorf("%+v", d.Ack)
	}
	if sum := get[Summary](f, "/summary"); sum.Acknowledged != 1 {
		t.Errorf("%+v", sum)
	}
	f.stop()
	f.start()
	if list := get[page[BMC]](f, where("/bmcs", "acknowledged")); len(list.Items) != 1 {
		t.Errorf("forgotten over a restart: %+v", list)
	}
	if status, _, _ := f.call("DELETE", base+"/bmcs/bmc-00001/ack", ""); status != 204 {
		t.Error(status)
	}
	if status, _, _ := f.call("DELETE", base+"/bmcs/bmc-00001/ack", ""); status != 404 {
		t.Error(status)
	}
	acts := get[page[Act]](f, "/audit?limit=1")
	if len(acts.Items) != 1 || acts.Items[0].Do != "unack" || acts.Next == "" {
		t.Fatalf("%+v", acts)
	}
	if rest := get[page[Act]](f, "/audit?cursor="+acts.Next); len(rest.Items) != 1 || rest.Items[0].Who != "ada" || rest.Items[0].Note != "OPS-790" || rest.Next != "" {
		t.Errorf("%+v", rest)
	}
}

// rechecker answers as a site would.
type rechecker func(ctx context.Context, site string, bmc inventory.ID, who string, each func(Step) error) error

func (r rechecker) Recheck(ctx context.Context, site string, bmc inventory.ID, who string, each func(Step) error) error {
	return r(ctx, site, bmc, who, each)
}

func TestARecheckIsToldStepByStep(t *testing.T) {
	var outcome error
	silent := false
	f := newFleet(t, func(f *fleet) {
		f.recheck = rechecker(func(_ context.Context, site string, bmc inventory.ID, who string, each func(Step) error) error {
			if silent {
				return outcome
			}
			result := checks.NewResult(checks.Ping, checks.Finding{}, nil, time.Now(), time.Now())
			return errors.Join(each(Step{Kind: "accepted", Satellite: site + "-sat"}), each(Step{Kind: "result", Result: &result}), outcome)
		})
	})
	f.good(0, 1, nil)
	path := base + "/bmcs/bmc-00000/recheck"
	status, answer, header := f.call("POST", path, "{}")
	lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
	if status != 200 || len(lines) != 3 || !strings.Contains(lines[0], "ams1-sat") || !strings.Contains(lines[2], `"done"`) || header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("%d %s", status, answer)
	}
	outcome = &NotDone{Text: "sat-a: the site is stopped"}
	if _, answer, _ := f.call("POST", path, "{}"); !strings.Contains(string(answer), `"kind":"error"`) || !strings.Contains(string(answer), "stopped") {
		t.Errorf("%s", answer)
	}
	silent = true
	for want, err := range map[int]error{502: outcome, 504: &NotDone{Silent: true, Text: "nobody answered"}, 500: fmt.Errorf("secret thing")} {
		outcome = err
		if status, answer, _ := f.call("POST", path, "{}"); status != want || strings.Contains(string(answer), "secret thing") {
			t.Errorf("%d %s, want %d", status, answer, want)
		}
	}
	if !strings.Contains(f.log.String(), "secret thing") {
		t.Error("the log does not say what the answer keeps to itself")
	}
	f.server.rechecks.Store(mostRechecks)
	if status, _, _ := f.call("POST", path, "{}"); status != http.StatusTooManyRequests {
		t.Error(status)
	}
}

func TestAMistakeIsAProblemThatSaysWhereAndWhat(t *testing.T) {
	f := newFleet(t)
	f.good(0, 1, nil)
	long := strings.Repeat("x", 2000)
	for _, test := range []struct {
		method, path, body string
		status             int
		detail             string
	}{
		{"GET", where("/bmcs", "firmwar<2"), "", 400, `where: position 1: found \"firmwar\", want a field; is firmware meant?`},
		{"GET", "/bmcs?wher=x", "", 400, "wher: no such parameter"},
		{"GET", "/bmcs?limit=0", "", 400, "want a number from 1 to 1000"},
		{"GET", "/bmcs?limit=1&limit=2", "", 400, "want it once, got it 2 times"},
		{"GET", "/bmcs?sort=colour", "", 400, "want one of"},
		{"GET", "/bmcs?cursor=%25", "", 400, "take it from next"},
		{"GET", "/bmcs?facts=,", "", 400, "want names with commas"},
		{"GET", "/bmcs?%zz", "", 400, "query:"},
		{"GET", "/bmcs/nobody", "", 404, "no BMC with the ID"},
		{"GET", "/bmcs/nobody/history", "", 404, "no BMC"},
		{"GET", "/bmcs/nobody/verdicts", "", 404, "no BMC"},
		{"GET", "/bmcs/nobody/facts", "", 404, "no BMC"},
		{"GET", "/bmcs/bmc-00000/history?from=then", "", 400, "want a time"},
		{"GET", "/bmcs/bmc-00000/history?from=now&to=now-1h", "", 400, "is after to"},
		{"GET", "/changes?kind=colour", "", 400, "want one of"},
		{"GET", "/changes?from=now&to=now-1h", "", 400, "is after to"},
		{"GET", "/rounds/nonsense", "", 400, "want BMC@time#why"},
		{"GET", "/rounds/" + url.PathEscape("bmc-00000@2020-01-01T00:00:00.000Z#routine"), "", 404, "no verdict"},
		{"GET", "/search", "", 400, "want a text of 1 to 200 bytes"},
		{"GET", "/export/bmcs?format=xml", "", 400, "want one of"},
		{"GET", "/nothing", "", 404, "no such path"},
		{"DELETE", "/bmcs/bmc-00000", "", 405, "want GET"},
		{"POST", "/bmcs/nobody/recheck", "{}", 404, "no BMC"},
		{"POST", "/bmcs/bmc-00000/recheck", "{}", 503, "no way to ask"},
		{"PUT", "/bmcs/nobody/ack", "{}", 404, "no BMC"},
		{"PUT", "/bmcs/bmc-00000/ack", "{", 400, "body"},
		{"PUT", "/bmcs/bmc-00000/ack", `{"nota":"x"}`, 400, "unknown field"},
		{"PUT", "/bmcs/bmc-00000/ack", `{} {}`, 400, "one JSON document"},
		{"PUT", "/bmcs/bmc-00000/ack", `{"note":"` + long + `"}`, 400, "want at most 1000 bytes"},
		{"PUT", "/bmcs/bmc-00000/ack", `{"until":"2020-01-01T00:00:00Z"}`, 400, "within the next 90 days"},
		{"PUT", "/bmcs/bmc-00000/ack", `{"note":"` + strings.Repeat(long, 40) + `"}`, 413, "more than 65536 bytes"},
	} {
		status, answer, header := f.call(test.method, base+test.path, test.body)
		var p Problem
		if err := json.Unmarshal(answer, &p); err != nil || status != test.status || p.Status != status || !strings.Contains(string(answer), test.detail) {
			t.Errorf("%s %.80s: %d %.300s; want %d %s", test.method, test.path, status, answer, test.status, test.detail)
		}
		if p.ID == "" || p.ID != header.Get("X-Request-Id") || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %.80s: %+v, %v", test.method, test.path, p, header)
		}
	}
	_, answer, _ := f.call("GET", base+where("/bmcs", "health=up"), "")
	if p := new(Problem); json.Unmarshal(answer, p) != nil || p.Position != 8 || !strings.Contains(p.Expected, "unavailable") || p.Parameter != "where" {
		t.Errorf("%s", answer)
	}
}

func TestAnIDMayHoldAnyCharacter(t *testing.T) {
	f := newFleet(t)
	v := f.round(0, "", nil)
	v.BMC = "rack/1 ä#?"
	v.Round.BMC = v.BMC
	f.emit(v)
	if d := get[Detail](f, "/bmcs/"+url.PathEscape(string(v.BMC))); d.State.BMC != v.BMC {
		t.Errorf("%+v", d.State)
	}
}

func TestTheTablesAreServed(t *testing.T) {
	f := newFleet(t)
	if all := get[page[Reason]](f, "/reasons"); len(all.Items) != len(checks.Reasons) {
		t.Errorf("%d reasons", len(all.Items))
	}
	if all := get[page[struct{ Name string }]](f, "/fields"); len(all.Items) < 30 {
		t.Errorf("%d fields", len(all.Items))
	}
	if codes := get[Codes](f, "/statecode"); !slices.Equal(codes.Items, results.StateCodes) || len(codes.Overlays) != 3 {
		t.Errorf("%+v", codes)
	}
	if sum := get[Summary](f, "/summary"); sum.Sentence != "no BMC is known, or none matches" {
		t.Errorf("%+v", sum)
	}
}

// fullStore is a store whose disk is full.
type fullStore struct{ Store }

func (fullStore) Ack(context.Context, ...store.Ack) error {
	return fmt.Errorf("put: %w", store.ErrFull)
}

func TestAFullDiskIsSaid(t *testing.T) {
	f := newFleet(t, func(f *fleet) { f.wrap = func(s Store) Store { return fullStore{s} } })
	f.good(0, 1, nil)
	if status, answer, _ := f.call("PUT", base+"/bmcs/bmc-00000/ack", "{}"); status != http.StatusInsufficientStorage || !strings.Contains(string(answer), "nothing was kept") {
		t.Errorf("%d %s", status, answer)
	}
}
