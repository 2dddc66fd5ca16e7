package incident_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

var (
	dead    = finding{failed: checks.Ping, reason: checks.NetTimeout}
	refused = finding{failed: checks.RedfishLogin, reason: checks.AuthRejected}
)

// planted is a fault from a time on.
func planted(from time.Duration, f finding, where func(*unit) bool) func(*unit, time.Time) finding {
	return func(u *unit, at time.Time) finding {
		if at.Sub(begin) >= from && where(u) {
			return f
		}
		return finding{}
	}
}

func inRack(site, rack string) func(*unit) bool {
	return func(u *unit) bool { return u.site == site && u.rack == rack }
}

func TestThePlantedCauseIsNamed(t *testing.T) {
	big := plan{sites: 2, rows: 3, racks: 6, bmcs: 12}
	for name, test := range map[string]struct {
		plan  plan
		make  func(*world)
		fault func(*unit, time.Time) finding
		run   time.Duration
		want  string
		ever  string
		owner checks.Owner
	}{
		"a dead rack is a rack": {plan: big, fault: planted(time.Minute, dead, inRack("s1", "B03")), run: 10 * time.Minute,
			want: "rack s1/r1/B/B03 12", ever: "1 open", owner: checks.OwnerNetwork},
		"a dead row is a row, not six racks": {plan: big, fault: planted(time.Minute, dead, func(u *unit) bool { return u.site == "s2" && u.row == "C" }), run: 10 * time.Minute,
			want: "row s2/r1/C 72", ever: "1 open", owner: checks.OwnerNetwork},
		"a dead site is a site": {plan: plan{3, 3, 4, 10}, fault: planted(time.Minute, dead, func(u *unit) bool { return u.site == "s2" }), run: 10 * time.Minute,
			want: "room s2/r1 120", ever: "1 open", owner: checks.OwnerNetwork},
		"a BMC that fails alone is alone": {plan: big, fault: planted(time.Minute, dead, func(u *unit) bool { return u.id == "s1-b03-u07" }), run: 10 * time.Minute,
			want: "bmc s1-b03-u07 1", ever: "1 open", owner: checks.OwnerNetwork},
		"a subnet over four racks is a subnet": {plan: big, fault: planted(time.Minute, dead, func(u *unit) bool { return u.address[:7] == "10.0.1." }), run: 10 * time.Minute,
			want: "subnet 10.0.1.0/24 48", ever: "1 open", owner: checks.OwnerNetwork},
		"a dead rack beside a nearly empty one is not the row": {plan: plan{1, 2, 2, 20},
			make: func(w *world) {
				w.drop(func(u *unit) bool { return u.rack == "A02" && u.n > 1 })
			},
			fault: planted(time.Minute, dead, inRack("s1", "A01")), run: 10 * time.Minute,
			want: "rack s1/r1/A/A01 20", ever: "1 open", owner: checks.OwnerNetwork},
		"a credential that was changed on the BMCs only": {plan: big,
			make: func(w *world) {
				for _, u := range w.units {
					if u.site == "s1" && u.n < 5 {
						u.login = "old"
						w.see(u)
					}
				}
			},
			fault: planted(time.Minute, refused, func(u *unit) bool { return u.login == "old" }), run: 70 * time.Minute,
			want: "credential s1/old 90", ever: "1 open", owner: checks.OwnerCredentials},
		"a firmware whose web service hangs": {plan: big,
			make: func(w *world) {
				for _, u := range w.units {
					if u.n%7 == 3 {
						u.fact("firmware", "9.9")
						w.see(u)
					}
				}
			},
			fault: planted(time.Minute, finding{failed: checks.TLS, reason: checks.TLSHandshake}, func(u *unit) bool { return u.n%7 == 3 }), run: 10 * time.Minute,
			want: "firmware Dell firmware 9.9 72", ever: "1 open", owner: checks.OwnerServer},
		"a batch of certificates that ends": {plan: big,
			make: func(w *world) {
				for _, u := range w.units {
					if u.n%5 == 1 {
						u.fact("cert_not_after", "2026-11-22T03:01:00Z")
						w.see(u)
					}
				}
			},
			fault: planted(time.Minute, finding{failed: checks.TLS, reason: checks.TLSExpired}, func(u *unit) bool { return u.n%5 == 1 }), run: 10 * time.Minute,
			want: "issuer CN=ca until 2026-11-22 108", ever: "1 open", owner: checks.OwnerServer},
		"two causes at once": {plan: big,
			make: func(w *world) {
				for _, u := range w.units {
					if u.site == "s2" && u.n < 5 {
						u.login = "old"
						w.see(u)
					}
				}
			},
			fault: func(u *unit, at time.Time) finding {
				if f := planted(time.Minute, dead, inRack("s1", "B03"))(u, at); f.reason != "" {
					return f
				}
				return planted(time.Minute, refused, func(u *unit) bool { return u.login == "old" })(u, at)
			}, run: 70 * time.Minute, want: "credential s2/old 90; rack s1/r1/B/B03 12", ever: "2 open", owner: checks.OwnerCredentials},
		"two dead racks of a row of six are two racks": {plan: big,
			fault: planted(time.Minute, dead, func(u *unit) bool { return u.site == "s1" && (u.rack == "B03" || u.rack == "B05") }), run: 10 * time.Minute,
			want: "rack s1/r1/B/B03 12; rack s1/r1/B/B05 12", ever: "2 open", owner: checks.OwnerNetwork},
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprint(name, "/", seed), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, test.plan, seed)
				if test.make != nil {
					test.make(w)
				}
				w.fault = test.fault
				w.run(test.run)
				if got := line(w.open()); got != test.want {
					t.Errorf("open: %s; want %s", got, test.want)
				}
				if got := w.ever(); got != test.ever {
					t.Errorf("ever: %s; want %s", got, test.ever)
				}
				if all := w.open(); len(all) > 0 && all[0].Owner != test.owner {
					t.Errorf("owner %s, want %s", all[0].Owner, test.owner)
				}
				if t.Failed() {
					for _, i := range w.all {
						t.Logf("%s %s %d %s %s: %s (%s)", i.UpdatedAt.Sub(begin), i.ID, i.Seq, i.Status, i.Closed, i.Title, i.Counted)
					}
				} else if seed == 0 {
					t.Log(w.open()[0].Title, "-", w.open()[0].Counted, "- opened after", w.open()[0].OpenedAt.Sub(begin))
				}
			})
		}
	}
}

// drop takes BMCs out of the inventory.
func (w *world) drop(gone func(*unit) bool) {
	kept := w.units[:0]
	for _, u := range w.units {
		if gone(u) {
			w.e.Gone(u.id, w.now)
			continue
		}
		kept = append(kept, u)
	}
	w.units = kept
	var due rounds
	for _, r := range w.due {
		if !gone(r.u) {
			due = append(due, r)
		}
	}
	w.due = due
	heap.Init(&w.due)
}

// While some of these racks are known whole and others in part, each is outside of the others.
func TestSevenDeadRacksOfARowOfTenAreSevenIncidentsAndNoBMCIsLeftAlone(t *testing.T) {
	dying := map[string]bool{"B01": true, "B02": true, "B03": true, "B04": true, "B07": true, "B08": true, "B09": true}
	for seed := range uint64(4) {
		w := newWorld(t, plan{1, 3, 10, 12}, seed)
		w.look = seed%2 == 1
		w.fault = planted(time.Minute, dead, func(u *unit) bool { return dying[u.rack] })
		w.run(12 * time.Minute)
		all := w.open()
		for _, i := range all {
			if i.Cause.Kind != results.CauseRack || i.Failing != 12 {
				t.Errorf("seed %d: %s (%s)", seed, i.Title, i.Counted)
			}
		}
		if len(all) != len(dying) {
			t.Errorf("seed %d: %d are open, want %d; ever: %s", seed, len(all), len(dying), w.ever())
		}
	}
}

func TestARackAmongRandomFailuresIsTheFirst(t *testing.T) {
	for seed := range uint64(2) {
		w := newWorld(t, plan{1, 4, 10, 40}, seed)
		random := rand.New(rand.NewPCG(seed, 7))
		failing := map[string]bool{}
		for _, u := range w.units {
			failing[string(u.id)] = random.IntN(25) == 0
		}
		w.fault = planted(time.Minute, dead, func(u *unit) bool { return u.rack == "C04" || failing[string(u.id)] })
		w.run(10 * time.Minute)
		all := w.open()
		if len(all) == 0 || all[0].Cause.Key != "s1/r1/C/C04" {
			t.Fatalf("first: %+v", all[0])
		}
		for _, i := range all[1:] {
			if i.Cause.Kind != results.CauseBMC {
				t.Errorf("seed %d: %s (%s)", seed, i.Title, i.Counted)
			}
		}
		t.Log(all[0].Title, "-", all[0].Counted, "; others:", len(all)-1, "; ever:", w.ever())
	}
}
