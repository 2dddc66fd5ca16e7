package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// steps reads the lines of an answer.
func steps(t *testing.T, answer []byte) (all []BulkStep) {
	t.Helper()
	for line := range strings.Lines(string(answer)) {
		var one BulkStep
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

func TestManyAreCheckedAgainAtThePaceOfTheirSatellites(t *testing.T) {
	var mu sync.Mutex
	running, most, asked := map[string]int{}, map[string]int{}, 0
	var f *fleet
	full := make(chan struct{}) // closed when both satellites have all that they are to have at a time
	f = newFleet(t, func(f *fleet) {
		f.recheck = rechecker(func(ctx context.Context, _ string, bmc inventory.ID, who string, each func(Step) error) error {
			n := 0
			_, _ = fmt.Sscanf(string(bmc), "bmc-%d", &n)
			by := fmt.Sprintf("sat-%d", n%2)
			mu.Lock()
			running[by]++
			most[by] = max(most[by], running[by])
			if asked++; asked == 2*perSatellite {
				close(full)
			}
			mu.Unlock()
			defer func() {
				mu.Lock()
				running[by]--
				mu.Unlock()
			}()
			select {
			case <-full:
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Second):
				return errors.New("too few are checked at a time")
			}
			switch n {
			case 3:
				return &NotDone{Silent: true, Text: "nobody answered within 10 s"}
			case 5:
				return errors.New("a secret of our own")
			case 7:
				return each(Step{Kind: "error", Text: "the site stands still"})
			}
			if who != "kim" {
				return errors.New("asked by " + who)
			}
			v := f.round(n, "", nil)
			return errors.Join(each(Step{Kind: "accepted"}), each(Step{Kind: "verdict", Verdict: &v}), each(Step{Kind: "done"}))
		})
	})
	var all []int
	for n := range 30 {
		all = append(all, n)
	}
	for _, n := range all {
		v := f.round(n, "", nil)
		v.Satellite = fmt.Sprintf("sat-%d", n%2)
		f.emit(v)
	}
	path := base + "/rechecks?where=rack%3DA01"
	status, answer, _ := f.call("POST", path, `{"dry_run":true}`)
	if got := steps(t, answer); status != 200 || len(got) != 1 || got[0].Kind != "begun" || got[0].Count != 30 || got[0].EstimateS != 16 {
		t.Fatalf("%d %s: want 30, 15 of each satellite in 4 turns of 4 s", status, answer)
	}
	for body, want := range map[string]int{`{"expect":29}`: 409, `{}`: 400, `{"expect":30,"who":"\u0001"}`: 400} {
		if status, answer, _ := f.call("POST", path, body); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if status, _, _ := f.call("POST", base+"/rechecks", `{"dry_run":true}`); status != 400 || asked > 0 {
		t.Errorf("without a filter: %d, %d were asked", status, asked)
	}
	status, answer, _ = f.call("POST", path, `{"expect":30,"who":"kim"}`)
	got := steps(t, answer)
	if status != 200 || len(got) != 32 || got[31].Kind != "done" || got[31].Left != 0 || got[31].Failed != 3 || got[31].EstimateS != 0 {
		t.Fatalf("%d %s", status, answer)
	}
	texts := map[inventory.ID]string{"bmc-00003": "nobody answered within 10 s", "bmc-00005": "it broke off; the log has more", "bmc-00007": "the site stands still"}
	for _, one := range got[1:31] {
		if one.Kind != "bmc" || one.Text != texts[one.BMC] || (one.Health != nil && *one.Health == checks.Available) != (one.Text == "") {
			t.Errorf("%+v", one)
		}
	}
	if most["sat-0"] != perSatellite || most["sat-1"] != perSatellite {
		t.Errorf("at a time were checked %v, want %d of each", most, perSatellite)
	}
	if acts := get[page[Act]](f, "/audit?limit=1").Items; acts[0].Do != "recheck" || acts[0].Count != 30 || acts[0].Where == "" || acts[0].Who != "kim" {
		t.Errorf("%+v", acts)
	}
	f.server.bulks.Store(mostBulks)
	if status, answer, _ := f.call("POST", path, `{"expect":30}`); status != http.StatusTooManyRequests {
		t.Errorf("%d %s", status, answer)
	}
}

func TestWhoLeavesEndsTheRechecksThatTheyAskedFor(t *testing.T) {
	began, ended := make(chan struct{}, 100), make(chan struct{}, 100)
	f := newFleet(t, func(f *fleet) {
		f.recheck = rechecker(func(ctx context.Context, _ string, _ inventory.ID, _ string, _ func(Step) error) error {
			began <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return ctx.Err()
		})
	})
	f.good(0, 20, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "POST", "http://"+f.address+base+"/rechecks?where=rack%3DA01", strings.NewReader(`{"expect":20}`))
	r.Header.Set("Content-Type", "application/json")
	resp, err := plainClient(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for range perSatellite {
		<-began
	}
	cancel()
	for range perSatellite {
		<-ended
	}
	until(t, "it ended", func() bool { return f.server.bulks.Load() == 0 })
	if len(began) > 0 {
		t.Errorf("%d more were begun", len(began))
	}
}
