package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

// synced is an inventory whose source the test writes; all else is real.
type synced struct {
	*inventory.Syncing
	answer atomic.Pointer[inventory.Answer]
	barred string
	at     time.Time // when it said its report; zero: now
	silent bool      // whoever is asked does not answer
}

func newSynced(t testing.TB, site string, first ...inventory.BMC) *synced {
	s := &synced{}
	s.says(first...)
	var err error
	s.Syncing, err = inventory.OpenSyncing(inventory.SyncConfig{Source: inventory.Named{Name: "netbox", Source: s}, Dir: filepath.Join(t.TempDir(), "inventory"), Every: 10 * time.Minute,
		Site: site, Rule: inventory.DefaultRule(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *synced) says(bmcs ...inventory.BMC) {
	a := &inventory.Answer{Read: len(bmcs), Of: len(bmcs)}
	for i := range bmcs {
		a.BMCs = append(a.BMCs, &bmcs[i])
	}
	s.answer.Store(a)
}

func (s *synced) BMCs(context.Context, inventory.Known) (inventory.Answer, error) {
	if a := s.answer.Load(); a != nil {
		return *a, nil
	}
	return inventory.Answer{}, errors.New("netbox is away")
}

func (s *synced) Reports() []inventory.Report {
	r := s.Report()
	if !s.at.IsZero() {
		r.At = s.at
	}
	return []inventory.Report{r}
}

func (s *synced) Barred(string) string { return s.barred }

func (s *synced) Ask(ctx context.Context, _ string, r inventory.Request) (string, error) {
	text, err := s.Do(ctx, r)
	if err != nil {
		return "", &NotDone{Silent: s.silent, Text: err.Error()}
	}
	return text, nil
}

// numbered are BMCs with a number from one to the one before another.
func numbered(from, to int) (all []inventory.BMC) {
	for n := from; n < to; n++ {
		all = append(all, bmcNumber(n))
	}
	return all
}

// followed is a fleet whose list of 40 BMCs follows a CMDB that now names the first ten only.
func followed(t *testing.T) (*fleet, *synced) {
	s := newSynced(t, "ams1", numbered(0, 40)...)
	s.says(numbered(0, 10)...)
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, func(f *fleet) {
		f.inventories = s
		f.inventory = func() []inventory.BMC { r, _ := s.Register(); return r.BMCs }
	})
	return f, s
}

func TestHowAnInventoryStandsIsToldWithItsSourcesAndWhatWaits(t *testing.T) {
	f, s := followed(t)
	l := get[Listing](f, "/inventory")
	if l.From != "cmdb" || l.BMCs != 40 || len(l.Items) != 1 {
		t.Fatalf("%+v", l)
	}
	i := l.Items[0]
	if w := i.Withheld; w == nil || w.Gone != 30 || w.Of != 40 || w.First != "bmc-00010" || !w.Until.Equal(w.Since.Add(24*time.Hour)) || len(i.Waiting) != 30 || i.Missing != 30 {
		t.Errorf("%+v", i)
	}
	if i.Late || i.Barred != "" || i.Number != 1 || i.Last == nil || i.Last.Added != 40 || len(i.Sources) != 1 || i.Sources[0].Name != "netbox" || i.Sources[0].Of != 10 {
		t.Errorf("%+v", i)
	}
	s.answer.Store(nil)
	_, _ = s.Sync(t.Context()) // it fails, which is what is looked at
	s.at = time.Now().Add(-22 * time.Minute)
	i = get[Listing](f, "/inventory").Items[0]
	if !i.Late || i.Error == "" || i.Sources[0].Error != "netbox is away" || i.Sources[0].Synced.IsZero() || i.Sources[0].BMCs != 10 || i.Withheld == nil {
		t.Errorf("%+v", i)
	}
}

func TestWithoutACMDBTheListIsSaidToBeAFileOrNone(t *testing.T) {
	if l := get[Listing](newFleet(t), "/inventory"); l.From != "none" || len(l.Items) != 0 {
		t.Errorf("%+v", l)
	}
	f := newFleet(t, func(f *fleet) { f.inventory = func() []inventory.BMC { return numbered(0, 3) } })
	if l := get[Listing](f, "/inventory"); l.From != "file" || l.BMCs != 3 {
		t.Errorf("%+v", l)
	}
	if status, answer, _ := f.call("POST", base+"/inventory/sync", `{"site":"ams1"}`); status != 404 || !strings.Contains(string(answer), "no inventory is synced") {
		t.Errorf("%d %s", status, answer)
	}
}

func TestWhatIsWithheldIsApprovedByItsDigestAndWhoDidItIsWrittenDown(t *testing.T) {
	f, s := followed(t)
	digest := get[Listing](f, "/inventory").Items[0].Withheld.Digest
	for body, want := range map[string]int{
		`{"site":"ams1"}`:                              400,
		`{"site":"ams1","digest":"0123456789ab"}`:      409,
		`{"site":"fra1","digest":"` + digest + `"}`:    404,
		`{"site":"ams1","digest":"a","x":1}`:           400,
		`{"site":"ams1","digest":"a","note":"\u0007"}`: 400,
	} {
		if status, answer, _ := f.call("POST", base+"/inventory/approve", body); status != want {
			t.Errorf("%s: %d %s, want %d", body, status, answer, want)
		}
	}
	if acts := get[page[Act]](f, "/audit?do=inventory_approve"); len(acts.Items) != 0 {
		t.Errorf("what was refused is written down: %+v", acts)
	}
	s.barred = "nobody hears"
	if status, answer, _ := f.call("POST", base+"/inventory/approve", `{"site":"ams1","digest":"`+digest+`"}`); status != 503 || !strings.Contains(string(answer), "nobody hears") {
		t.Errorf("%d %s", status, answer)
	}
	s.barred = ""
	status, answer, _ := f.call("POST", base+"/inventory/approve", `{"site":"ams1","digest":"`+digest+`","who":"ada","note":"hall 1 is empty"}`)
	if status != 200 || !strings.Contains(string(answer), "30 removed") {
		t.Fatalf("%d %s", status, answer)
	}
	if l := get[Listing](f, "/inventory"); l.BMCs != 10 || l.Items[0].Withheld != nil || l.Items[0].Last.Removed != 30 {
		t.Errorf("%+v", l)
	}
	act := get[page[Act]](f, "/audit?do=inventory_approve").Items[0]
	if act.Who != "ada" || act.Site != "ams1" || act.Digest != digest || act.Note != "hall 1 is empty" || act.Via != "" {
		t.Errorf("%+v", act)
	}
	s.silent = true
	s.answer.Store(nil)
	if status, _, _ := f.call("POST", base+"/inventory/sync", `{"site":"ams1"}`); status != 504 {
		t.Errorf("%d", status)
	}
}

// actTold is an act as a satellite writes it down.
func actTold(id, do string) results.Act {
	return results.Act{Schema: results.ActSchema, Site: "ams1", ID: id, Do: do, Who: "ada@desk", Note: "flood", At: time.Now().UTC().Truncate(time.Millisecond)}
}

func TestWhatTheCommandLineToldIsWrittenDownOnceAndMarkedAlsoOverARestart(t *testing.T) {
	f := newFleet(t)
	f.good(0, 2, nil)
	f.bad(1)
	f.server.Said(actTold("one", "stop"))
	f.server.Said(actTold("one", "stop")) // Kafka brings it twice
	record := filepath.Join(f.dir, "acts.ndjson")
	if err := WriteDown(record, actTold("two", "go")); err != nil { // another process of this machine
		t.Fatal(err)
	}
	f.call("PUT", base+"/bmcs/bmc-00001/ack", `{"note":"n","who":"kim"}`)
	check := func(when string) {
		t.Helper()
		var got []string
		for _, a := range get[page[Act]](f, "/audit").Items {
			got = append(got, fmt.Sprintf("%d %s %s %s", a.Number, a.Do, a.Who, a.Via))
		}
		want := []string{"3 ack kim ", "2 go ada@desk command line", "1 stop ada@desk command line"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("while it runs")
	if only := get[page[Act]](f, "/audit?do=stop").Items; len(only) != 1 || only[0].Site != "ams1" || only[0].Note != "flood" {
		t.Errorf("%+v", only)
	}
	f.stop()
	f.start()
	f.server.Said(actTold("one", "stop"))
	check("after a restart")
	if err := WriteDown(filepath.Join(t.TempDir(), "none"), actTold("three", "stop")); err != nil {
		t.Errorf("where no server ever was: %v", err)
	}
}

func TestAReportIsBoundedWhateverTheSourcesSay(t *testing.T) {
	long := strings.Repeat("名", 400)
	r := inventory.Register{Number: 1, Missing: map[inventory.ID]time.Time{}}
	for n := range 5000 {
		b := bmcNumber(n)
		b.Room = long
		r.BMCs = append(r.BMCs, b)
		r.Missing[b.ID] = time.Now()
		r.Conflicts = append(r.Conflicts, inventory.Conflict{Kind: inventory.NoRack, BMCs: make([]inventory.ID, 5000), Text: long}, inventory.Conflict{Kind: inventory.SameID, Text: long})
	}
	status := inventory.Status{Error: long + long}
	for range 500 {
		status.Sources = append(status.Sources, inventory.SourceStatus{Name: long, Error: long})
	}
	report := inventory.ReportOf("ams1", r, status, time.Hour)
	text, err := json.Marshal(report)
	if err != nil || len(text) > 200<<10 {
		t.Errorf("%d bytes, %v: Kafka takes 256 KiB", len(text), err)
	}
	if report.Missing != 5000 || report.Conflicts != 10_000 || report.Hindering != 5000 || !report.Listed[0].Kind.Hinders() || len(report.Waiting) != 100 {
		t.Errorf("%d missing, %d conflicts, %d hinder", report.Missing, report.Conflicts, report.Hindering)
	}
}
