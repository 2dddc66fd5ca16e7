package api

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/query"
)

// zeroFilter is true of every BMC.
var zeroFilter query.Filter

// known is a BMC as a delta brings it.
func known(n int, health checks.Health, version uint64) *follow.BMC {
	s := results.State{BMC: inventory.ID(fmt.Sprintf("bmc-%d", n)), Site: "ams1", Since: time.Unix(int64(version), 0)}
	s.Health = health
	return &follow.BMC{State: s, Version: version}
}

// Whatever comes, and whenever a client comes back: it ends with what there is.
func TestAnyClientEndsWithWhatThereIs(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		now := map[inventory.ID]*follow.BMC{}
		h := newHub(func(id inventory.ID) *follow.BMC { return now[id] })
		h.begin("e", 0, nil)
		filter, err := query.Parse([]string{"", "health=unavailable", "health!=available"}[seed%3])
		if err != nil {
			t.Fatal(err)
		}
		v, err := h.join(filter, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		client, first := h.enter(v, "", time.Now())
		seen := map[inventory.ID]checks.Health{}
		position := follows(t, seen, first, "")
		for version := uint64(1); version < 60; version++ {
			var all []*follow.BMC
			var gone []inventory.ID
			for range r.IntN(4) {
				b := known(r.IntN(8), checks.Health(r.IntN(4)), version)
				now[b.State.BMC] = b
				all = append(all, b)
			}
			if id := inventory.ID(fmt.Sprintf("bmc-%d", r.IntN(8))); r.IntN(10) == 0 && !holds(all, id) {
				delete(now, id)
				gone = append(gone, id)
			}
			h.put(version, all, gone, time.Now())
			switch r.IntN(6) {
			case 0: // it comes back
				client, first = h.enter(v, position, time.Now())
				position = follows(t, seen, first, position)
			case 1: // it reads late
			default:
				frames, _ := client.next()
				position = follows(t, seen, frames, position)
			}
		}
		frames, _ := client.next()
		follows(t, seen, frames, position)
		sees := lens{now: time.Now()}
		for id, b := range now {
			if in := sees.match(filter, b); in && seen[id] != b.State.Health {
				t.Fatalf("seed %d: the client believes that %s is %v, it is %v", seed, id, seen[id], b.State.Health)
			}
		}
		for id := range seen {
			if b := now[id]; b == nil || !sees.match(filter, b) {
				t.Fatalf("seed %d: the client still knows %s", seed, id)
			}
		}
	}
}

func holds(all []*follow.BMC, id inventory.ID) bool {
	for _, b := range all {
		if b.State.BMC == id {
			return true
		}
	}
	return false
}

// follows takes frames in as a client does, and says where it is then.
func follows(t *testing.T, seen map[inventory.ID]checks.Health, frames []frame, position string) string {
	t.Helper()
	for _, f := range frames {
		ev := parseEvent(t, f)
		if ev.name == "resync" {
			t.Fatalf("a resync at %s", position)
		}
		if ev.name == "delta" {
			for _, row := range rowsOf(t, ev.data) {
				if row.Gone {
					delete(seen, row.BMC)
				} else {
					seen[row.BMC] = row.Health
				}
			}
		}
		if ev.id != "" {
			position = ev.id
		}
	}
	return position
}

func TestAFilterThatAsksForTimesIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := known(1, checks.Unavailable, 1)
		b.State.Since = time.Now()
		h := newHub(func(inventory.ID) *follow.BMC { return b })
		h.begin("e", 1, []*follow.BMC{b})
		filter, err := query.Parse("age>1h")
		if err != nil {
			t.Fatal(err)
		}
		v, err := h.join(filter, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		client, _ := h.enter(v, "", time.Now())
		time.Sleep(59 * time.Minute)
		h.tick(time.Now())
		if frames, _ := client.next(); len(frames) != 0 {
			t.Errorf("%s", frames)
		}
		time.Sleep(2 * time.Minute)
		h.tick(time.Now())
		if frames, _ := client.next(); len(frames) != 1 || !strings.Contains(string(frames[0]), "bmc-1") {
			t.Errorf("%s", frames)
		}
	})
}

func TestTooManyFiltersAreRefused(t *testing.T) {
	h := newHub(nil)
	for n := range mostViews + 1 {
		f, err := query.Parse(fmt.Sprintf("rack=%d", n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.join(f, time.Now()); (err != nil) != (n == mostViews) {
			t.Errorf("filter %d: %v", n, err)
		}
	}
}

func TestAnotherEpochMeansASnapshot(t *testing.T) {
	h := newHub(func(inventory.ID) *follow.BMC { return nil })
	h.begin("e", 1, []*follow.BMC{known(1, checks.Available, 1)})
	v, err := h.join(zeroFilter, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client, _ := h.enter(v, "", time.Now())
	h.begin("f", 1, []*follow.BMC{known(1, checks.Available, 1)})
	if frames, _ := client.next(); len(frames) != 1 || !strings.Contains(string(frames[0]), "resync") || !strings.Contains(string(frames[0]), `"epoch":"f"`) {
		t.Errorf("%s", frames)
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("e-1")
	f.Add("e-18446744073709551616")
	f.Add("-")
	f.Fuzz(func(t *testing.T, since string) {
		h := newHub(nil)
		h.epoch, h.version = "e", 5
		if version, ok := h.parse(since); ok && (version > 5 || !strings.HasPrefix(since, "e-")) {
			t.Fatalf("%q is taken for %d", since, version)
		}
	})
}
