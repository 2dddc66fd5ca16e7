package api

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/store"
)

// at is a change of a BMC so many hours ago.
func turned(hoursAgo float64, bmc inventory.ID, from, to results.Code) turn {
	return turn{time.Now().Add(-time.Duration(hoursAgo * float64(time.Hour))), bmc, from, to}
}

func wound(by string, states map[inventory.ID]checks.Health, turns ...turn) map[string]Strip {
	t := tape{until: time.Now(), lines: map[string]*line{}, of: map[inventory.ID]*line{}, looks: map[inventory.ID]results.Code{}}
	for id, health := range states {
		key, of := "ams1", Strip{Site: "ams1"}
		if by == "bmc" {
			key, of = string(id), Strip{Site: "ams1", BMC: id}
		}
		st := results.State{BMC: id}
		if st.Health = health; health == checks.Unavailable {
			st.Failed = checks.Ping
		}
		t.add(key, of, &st)
	}
	all := map[string]Strip{}
	for _, s := range t.wind(turns) {
		all[s.Site+string(s.BMC)] = s
	}
	return all
}

func TestADayIsWoundBackFromWhatIsNow(t *testing.T) {
	states := map[inventory.ID]checks.Health{"a": checks.Unavailable, "b": checks.Available, "c": checks.Unknown}
	turns := []turn{turned(30, "a", "T", "."), turned(20.25, "b", ".", "T"), turned(20.2, "b", "T", "."), turned(10.25, "c", ".", "?"), turned(2.25, "a", ".", "P"), turned(1, "gone", ".", "P")}
	turns = turns[1:] // what was before the day is not read
	got := wound("bmc", states, turns...)
	for id, want := range map[string]string{
		"a": strings.Repeat(".", 43) + strings.Repeat("P", 5),
		"b": strings.Repeat(".", 7) + "T" + strings.Repeat(".", 40),
		"c": strings.Repeat(".", 27) + strings.Repeat("?", 21),
	} {
		if s := got["ams1"+id]; s.Looks != want || s.Total != 1 {
			t.Errorf("%s was\n%s\nwant\n%s", id, s.Looks, want)
		}
	}
	site := wound("site", states, turns...)["ams1"]
	if want := strings.Repeat("0", 7) + "6" + strings.Repeat("0", 19) + strings.Repeat("?", 16) + strings.Repeat("6", 5); site.Looks != want {
		t.Errorf("the site was\n%s\nwant\n%s", site.Looks, want)
	}
	if site.Worst != 1 || site.Total != 3 || site.WorstAt.IsZero() {
		t.Errorf("%+v", site)
	}
	if all := wound("site", nil); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// countingQueries counts the queries for changes.
type countingQueries struct {
	Store
	queries []store.Which
}

func (c *countingQueries) Changes(ctx context.Context, which store.Which, see func(store.Kept) bool) error {
	c.queries = append(c.queries, which)
	return c.Store.Changes(ctx, which, see)
}

func TestStripsCostOneQueryAndThenWhatIsNew(t *testing.T) {
	asked := &countingQueries{}
	f := newFleet(t, func(f *fleet) { f.wrap = func(s Store) Store { asked.Store = s; return asked } })
	f.good(0, 90, nil)
	f.bad(3)
	all := get[Strips](f, "/strips")
	if len(all.Items) != 1 || all.Items[0].Total != 90 || all.Items[0].Worst != 1 || !strings.HasSuffix(all.Items[0].Looks, "2") || len(all.Items[0].Looks) != 48 || all.StepS != 1800 {
		t.Errorf("%+v", all)
	}
	rack := get[Strips](f, where("/strips", "rack=A01")+"&by=bmc")
	if len(rack.Items) != 40 || rack.Items[3].BMC != "bmc-00003" || !strings.HasSuffix(rack.Items[3].Looks, "L") && !strings.HasSuffix(rack.Items[3].Looks, "P") || !strings.HasPrefix(rack.Items[3].Looks, "?") {
		t.Errorf("%+v", rack)
	}
	f.bad(4)
	if same := get[Strips](f, "/strips").Items[0]; same.Worst != 1 {
		t.Errorf("it was made anew at once: %+v", same)
	}
	f.server.past.made = nil
	if again := get[Strips](f, "/strips").Items[0]; again.Worst != 2 {
		t.Errorf("%+v", again)
	}
	if len(asked.queries) != 3 || asked.queries[0].From.IsZero() || asked.queries[1].After == 0 || asked.queries[2].After <= asked.queries[1].After-1 {
		t.Errorf("queries %+v", asked.queries)
	}
	if status, answer, _ := f.call("GET", base+"/strips?by=row", ""); status != 400 {
		t.Errorf("%d %s", status, answer)
	}
	f.good(90, 1100, nil)
	if status, answer, _ := f.call("GET", base+"/strips?by=bmc", ""); status != 400 || !strings.Contains(string(answer), "more than 1,000") {
		t.Errorf("%d %s", status, answer)
	}
}

func TestBMCsAreGroupedByAnyFieldAndEachGroupIsFoundByItsFilter(t *testing.T) {
	f := newFleet(t, func(f *fleet) {
		f.labels = func(id inventory.ID) map[string]string {
			return map[string]string{"cost centre": map[bool]string{true: `47"11`, false: ""}[id < "bmc-00010"]}
		}
	})
	f.good(0, 30, checks.Facts{"firmware": "2.9"})
	f.good(30, 50, checks.Facts{"firmware": "<b>\\"})
	f.good(50, 55, nil)
	f.bad(31)
	for by, want := range map[string]string{"firmware": `<b>\ 20 1,2.9 30 0, 5 0`, "rack": "A01 40 1,A02 15 0", "health": "unavailable 1 1,available 54 0", "label.cost centre": ` 45 1,47"11 10 0`, "flapping": " 55 1"} {
		g := get[Groups](f, "/groups?by="+url.QueryEscape(by)+"&where="+url.QueryEscape("site=ams1"))
		var got []string
		for _, one := range g.Items {
			got = append(got, fmt.Sprintf("%s %d %d", one.Value, one.Total, one.Unavailable))
			if found := get[page[BMC]](f, where("/bmcs", one.Where)); len(found.Items) != one.Total && by != "flapping" {
				t.Errorf("by %s: %s finds %d, want %d", by, one.Where, len(found.Items), one.Total)
			}
		}
		if strings.Join(got, ",") != want || len(g.Labels) != 1 {
			t.Errorf("by %s: %q, want %s; labels %q", by, got, want, g.Labels)
		}
	}
	for _, by := range []string{"", "since", "address", "tenant"} {
		if status, answer, _ := f.call("GET", base+"/groups?by="+by, ""); status != 400 || !strings.Contains(string(answer), "such as vendor") {
			t.Errorf("%s: %d %s", by, status, answer)
		}
	}
}

func BenchmarkStrips(b *testing.B) {
	states := map[inventory.ID]checks.Health{}
	for n := range 100_000 {
		states[inventory.ID(fmt.Sprint(n))] = checks.Available
	}
	var turns []turn
	for n := range 100_000 {
		turns = append(turns, turned(24-float64(n)/5000, inventory.ID(fmt.Sprint(n)), ".", "P"))
	}
	b.ResetTimer()
	for range b.N {
		wound("site", states, turns...)
	}
}
