package incident_test

import (
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// All have a warning already, and the first that failed is still on trial when its rack is known to be dead.
func TestAnIncidentBeganWhenItsRackDiedAndNotWithTheWarningBefore(t *testing.T) {
	w := newWorld(t, small, 1)
	const died = 30 * time.Minute
	w.fault = func(u *unit, at time.Time) finding {
		if u.rack == "B03" && at.Sub(begin) >= died {
			return dead
		}
		return finding{reason: checks.TLSInsecure}
	}
	var first *unit
	for _, u := range w.units {
		if u.rack == "B03" && (first == nil || u.phase < first.phase) {
			first = u
		}
	}
	first.silentFrom, first.silentTo = begin.Add(died+first.phase+time.Second), begin.Add(died+9*time.Minute)
	w.run(died + 8*time.Minute)
	for _, i := range w.all {
		if i.Class == results.ClassNet && i.Since.Sub(begin) < died {
			t.Fatalf("%s is since %s", i.Title, i.Since.Sub(begin))
		}
	}
	if got := line(w.open()[1:]); got != "rack s1/r1/B/B03 11" {
		t.Error(got)
	}
}

// A rack of a row with a warning dies and comes back.
func TestWhoComesBackToAnIncidentThatIsStillOpenMakesNoOther(t *testing.T) {
	w := newWorld(t, small, 1)
	w.fault = func(u *unit, at time.Time) finding {
		switch t := at.Sub(begin); {
		case u.rack == "B03" && t >= 20*time.Minute && t < 40*time.Minute:
			return dead
		case u.row == "B":
			return finding{reason: checks.TLSInsecure}
		}
		return finding{}
	}
	w.run(35 * time.Minute)
	w.wants("row s1/r1/B 36; rack s1/r1/B/B03 12", "2 open")
	w.run(35 * time.Minute)
	w.wants("row s1/r1/B 48", "1 open, 1 recovered")
}

// Of each ten rounds one tries a login; in between the credential is fenced.
func TestAFenceIsNoNewsOfARefusedLogin(t *testing.T) {
	w := newWorld(t, small, 1)
	rounds := 0
	w.fault = func(u *unit, _ time.Time) finding {
		if u.id != "s1-b03-u07" {
			return finding{}
		}
		if rounds++; rounds%10 == 1 {
			return refused
		}
		return finding{failed: checks.RedfishLogin, reason: checks.AuthFenced}
	}
	w.run(3 * time.Hour)
	w.wants("bmc s1-b03-u07 1", "1 open")
	if last := w.all[len(w.all)-1]; len(w.all) > 2 || last.Reason != checks.AuthRejected { // it may begin with a fence
		t.Errorf("%d documents, the last: %s", len(w.all), last.Title)
	}
}

// Its recovery is believed after the second good round; the maintenance ends after the first.
func TestARackThatWasMendedJustBeforeItsMaintenanceEndsCallsNobody(t *testing.T) {
	w := newWorld(t, small, 3)
	w.hush(quiet("sil-1", "rack=B03", 0, 30*time.Minute))
	w.fault = until(time.Minute, 25*time.Minute, dead, inRack("s1", "B03"))
	w.run(40 * time.Minute)
	w.wants("", "")
	w.fault = until(60*time.Minute, 85*time.Minute, dead, inRack("s1", "B03"))
	w.run(30 * time.Minute)
	w.wants("rack s1/r1/B/B03 12", "1 open")
}
