package incident_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

var small = plan{sites: 1, rows: 2, racks: 4, bmcs: 12}

// until is a fault that ends.
func until(from, to time.Duration, f finding, where func(*unit) bool) func(*unit, time.Time) finding {
	return func(u *unit, at time.Time) finding {
		if t := at.Sub(begin); t >= from && t < to && where(u) {
			return f
		}
		return finding{}
	}
}

// wants compares what is open and what ever was.
func (w *world) wants(open, ever string) {
	w.t.Helper()
	if got := line(w.open()); got != open {
		w.t.Errorf("open: %s; want %s", got, open)
	}
	if got := w.ever(); got != ever {
		w.t.Errorf("ever: %s; want %s", got, ever)
	}
	if w.t.Failed() {
		for _, i := range w.all {
			w.t.Logf("%s %s %d %s %s: %d/%d %s (%s)", i.UpdatedAt.Sub(begin), i.ID, i.Seq, i.Status, i.Closed, i.Failing, i.Total, i.Title, i.Counted)
		}
		w.t.FailNow()
	}
}

func TestALookRoundHasTheRackCountedWholeAtOnce(t *testing.T) {
	w := newWorld(t, plan{1, 2, 4, 40}, 1)
	w.look = true
	w.fault = planted(time.Minute, dead, inRack("s1", "B03"))
	w.run(10 * time.Minute)
	w.wants("rack s1/r1/B/B03 40", "1 open")
	for _, i := range w.all[:1] {
		if !strings.HasPrefix(i.Counted, "40 of 40 in rack B03 at ping within ") {
			t.Errorf("first it said: %s", i.Counted)
		}
	}
}

func TestARackThatRecoversClosesItsIncident(t *testing.T) {
	w := newWorld(t, small, 1)
	w.fault = until(time.Minute, 11*time.Minute, dead, inRack("s1", "B03"))
	w.run(9 * time.Minute)
	w.wants("rack s1/r1/B/B03 12", "1 open")
	w.run(13 * time.Minute)
	w.wants("", "1 recovered")
	for _, i := range w.said {
		if i.Total != 12 || i.Failing != 0 || len(i.Children) != 0 || i.ClosedAt.IsZero() {
			t.Errorf("%+v", i)
		}
	}
	if len(w.in) != 0 {
		t.Errorf("still in it: %v", w.in)
	}
}

func TestARackThatDiesAgainWithinTheHourOpensItsIncidentAgain(t *testing.T) {
	w := newWorld(t, small, 1)
	again := until(40*time.Minute, 60*time.Minute, dead, inRack("s1", "B03"))
	once := until(time.Minute, 11*time.Minute, dead, inRack("s1", "B03"))
	w.fault = func(u *unit, at time.Time) finding {
		if f := once(u, at); f.reason != "" {
			return f
		}
		return again(u, at)
	}
	w.run(30 * time.Minute)
	w.wants("", "1 recovered")
	w.run(20 * time.Minute)
	w.wants("rack s1/r1/B/B03 12", "1 open")
	if i := w.open()[0]; i.Reopened != 1 || i.Total != 12 || i.Ack != nil {
		t.Errorf("%+v", i)
	}
	w.run(30 * time.Minute)
	w.wants("", "1 recovered")
}

func TestABMCThatDiesAgainAfterTheHourHasAnotherIncident(t *testing.T) {
	w := newWorld(t, small, 1)
	one := func(u *unit) bool { return u.id == "s1-b03-u07" }
	w.fault = until(time.Minute, 8*time.Minute, dead, one)
	w.run(20 * time.Minute)
	w.fault = until(90*time.Minute, 200*time.Minute, dead, one)
	w.run(80 * time.Minute)
	w.wants("bmc s1-b03-u07 1", "1 open, 1 recovered")
}

// A row dies, and when it is back one of its racks stays dead.
func TestWhatOutlivesTheCauseBecomesItsOwn(t *testing.T) {
	w := newWorld(t, small, 1)
	row := until(time.Minute, 15*time.Minute, dead, func(u *unit) bool { return u.row == "B" })
	rest := until(time.Minute, 99*time.Minute, dead, func(u *unit) bool { return u.rack == "B02" || u.id == "s1-b04-u01" })
	w.fault = func(u *unit, at time.Time) finding {
		if f := row(u, at); f.reason != "" {
			return f
		}
		return rest(u, at)
	}
	w.run(12 * time.Minute)
	w.wants("row s1/r1/B 48", "1 open")
	parent := w.open()[0].ID
	w.run(14 * time.Minute)
	w.wants("row s1/r1/B 13", "1 open") // 73 % have recovered
	w.fault = func(u *unit, at time.Time) finding {
		if u.rack == "B02" && u.n > 3 || u.id == "s1-b04-u01" {
			return dead
		}
		return finding{}
	}
	w.run(30 * time.Minute)
	w.wants("bmc s1-b02-u04 1; bmc s1-b02-u05 1; bmc s1-b02-u06 1; bmc s1-b02-u07 1; bmc s1-b02-u08 1; bmc s1-b02-u09 1; bmc s1-b02-u10 1; bmc s1-b02-u11 1; bmc s1-b04-u01 1", "9 open, 1 recovered")
	for _, i := range w.open() {
		if i.From != parent {
			t.Errorf("%s is from %q, want %s", i.Title, i.From, parent)
		}
	}
}

func TestARackThatOutlivesItsRowIsARack(t *testing.T) {
	w := newWorld(t, plan{1, 2, 6, 12}, 1)
	w.fault = until(time.Minute, 15*time.Minute, dead, func(u *unit) bool { return u.row == "B" })
	w.run(12 * time.Minute)
	w.fault = func(u *unit, at time.Time) finding {
		if u.rack == "B02" || u.row == "B" && at.Sub(begin) < 15*time.Minute {
			return dead
		}
		return finding{}
	}
	w.run(30 * time.Minute)
	w.wants("rack s1/r1/B/B02 12", "1 open, 1 recovered")
}

func TestAFlappingBMCLeavesOnlyWhenItIsQuiet(t *testing.T) {
	w := newWorld(t, small, 1)
	one := func(u *unit) bool { return u.id == "s1-b03-u07" }
	w.fault = func(u *unit, at time.Time) finding {
		if t := at.Sub(begin); one(u) && t > time.Minute && t < 120*time.Minute && int(t/(10*time.Minute))%2 == 0 {
			return finding{failed: checks.TLS, reason: checks.TLSUntrusted} // believed at once
		}
		return finding{}
	}
	w.run(118 * time.Minute)
	if got := w.ever(); got != "1 open" {
		w.wants("", "1 open")
	}
	w.run(240 * time.Minute)
	w.wants("", "1 recovered")
}

func TestUnknownClosesNothing(t *testing.T) {
	w := newWorld(t, small, 1)
	w.fault = planted(time.Minute, dead, inRack("s1", "B03"))
	w.run(9 * time.Minute)
	w.fault = func(u *unit, at time.Time) finding {
		if u.rack == "B03" {
			return finding{failed: checks.Ping, reason: checks.SelfExpired, unknown: true}
		}
		return finding{}
	}
	w.run(30 * time.Minute)
	if all := w.open(); len(all) == 0 || all[len(all)-1].Cause.Key != "s1/r1/B/B03" || all[len(all)-1].Failing != 12 {
		w.wants("rack s1/r1/B/B03 12", "")
	}
	w.fault = func(*unit, time.Time) finding { return finding{} }
	w.run(12 * time.Minute)
	if got := line(w.open()); got != "" {
		w.wants("", "")
	}
}

func TestWhoIsTakenOutOfTheInventoryLeaves(t *testing.T) {
	w := newWorld(t, small, 1)
	w.fault = planted(time.Minute, dead, inRack("s1", "B03"))
	w.run(9 * time.Minute)
	w.drop(func(u *unit) bool { return u.rack == "B03" && u.n < 6 })
	w.run(time.Second)
	w.wants("rack s1/r1/B/B03 6", "1 open")
	w.drop(func(u *unit) bool { return u.rack == "B03" })
	w.run(time.Second)
	w.wants("", "1 left")
}

// A warning that a BMC has all the time gives way to its death, and comes back.
func TestAWarningGivesWayToADeath(t *testing.T) {
	w := newWorld(t, small, 1)
	weak := func(u *unit) bool { return u.n == 3 }
	for _, u := range w.units {
		if weak(u) {
			u.fact("firmware", "1.0")
			w.see(u)
		}
	}
	w.fault = func(u *unit, at time.Time) finding {
		switch t := at.Sub(begin); {
		case u.id == "s1-b03-u03" && t > 20*time.Minute && t < 30*time.Minute:
			return dead
		case weak(u) && t > time.Minute:
			return finding{reason: checks.TLSWeak}
		}
		return finding{}
	}
	w.run(15 * time.Minute)
	w.wants("firmware s1/Dell firmware 1.0 8", "1 open")
	if i := w.open()[0]; i.Page || i.Health != checks.Degraded {
		t.Errorf("a warning wakes people: %+v", i)
	}
	w.run(12 * time.Minute)
	w.wants("firmware s1/Dell firmware 1.0 7; bmc s1-b03-u03 1", "2 open")
	w.run(15 * time.Minute)
	w.wants("firmware s1/Dell firmware 1.0 8", "1 open, 1 recovered")
}

func TestTheNeverSeenAreApartAndWakeNobody(t *testing.T) {
	w := newWorld(t, small, 1)
	for _, u := range w.units {
		if u.rack == "B03" && u.n%2 == 0 {
			u.state = results.State{}
		}
	}
	w.fault = planted(0, dead, inRack("s1", "B03"))
	w.run(12 * time.Minute)
	w.wants("rack s1/r1/B/B03 6; rack s1/r1/B/B03 6", "2 open")
	for _, i := range w.open() {
		if i.NeverSeen == i.Page || i.NeverSeen != (i.Owner == checks.OwnerInventory) {
			t.Errorf("never seen %v, page %v, owner %s", i.NeverSeen, i.Page, i.Owner)
		}
	}
}

// Three that were asked first fail, and all others of the rack turn out to be well.
func TestWhatTurnsOutToBeWrongIsTakenBack(t *testing.T) {
	w := newWorld(t, plan{1, 2, 4, 30}, 3)
	first := map[inventory.ID]bool{}
	for _, r := range w.due {
		if at := r.at.Sub(begin); r.u.rack == "B03" && at > time.Minute && at < 3*time.Minute && len(first) < 3 {
			first[r.u.id] = true
		}
	}
	// the others of the rack are not asked for a while
	for _, u := range w.units {
		if u.rack == "B03" && !first[u.id] {
			u.silentFrom, u.silentTo = begin, begin.Add(4*time.Minute)
		}
	}
	w.fault = planted(time.Minute, dead, func(u *unit) bool { return first[u.id] })
	w.run(4 * time.Minute)
	w.wants(fmt.Sprintf("rack s1/r1/B/B03 %d", len(first)), "1 open")
	w.run(6 * time.Minute)
	if got := w.ever(); got != fmt.Sprintf("%d open", len(first)) {
		w.wants("", fmt.Sprintf("%d open", len(first)))
	}
	for _, i := range w.open() {
		if i.Cause.Kind != results.CauseBMC {
			t.Errorf("%s", i.Title)
		}
	}
}
