package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// story tells what a site of 40 BMCs and two satellites does in ten minutes in which sat-a is killed once and the broker
// once, and all promises are kept.
func story() History {
	h := History{Interval: interval, Began: noon, Ended: noon.Add(10 * time.Minute), Skipped: map[checks.Round]bool{}}
	h.Faults = []Injected{
		{Fault: Fault{Kind: KillSatellite}, Satellite: "sat-a", From: noon.Add(3 * time.Minute), To: noon.Add(3*time.Minute + 20*time.Second)},
		{Fault: Fault{Kind: KillBroker}, From: noon.Add(6 * time.Minute), To: noon.Add(6*time.Minute + 5*time.Second)},
	}
	for i := range 40 {
		bmc := inventory.BMC{ID: inventory.ID(fmt.Sprint("bmc-", i)), Protocol: inventory.Redfish}
		h.Fleet = append(h.Fleet, bmc)
		for due := checks.Due(bmc.ID, interval, noon); due.Before(h.Ended); due = due.Add(interval) {
			h.tell(bmc.ID, due, []string{"sat-a", "sat-b"}[i%2])
		}
	}
	return h
}

// tell tells of a round.
func (h *History) tell(bmc inventory.ID, due time.Time, satellite string) {
	start := due
	for _, f := range h.Faults {
		if f.Satellite == satellite && due.After(f.From) && due.Before(f.To) {
			satellite, start = "sat-b", later(due, f.From.Add(7*time.Second))
		}
		if f.Satellite == "" && due.After(f.From) && due.Before(f.To) {
			start = f.To.Add(2 * time.Second)
		}
	}
	round := checks.Round{BMC: bmc, Due: due, Why: checks.Routine}
	for i, check := range []checks.Name{checks.Ping, checks.TLS, checks.RedfishLogin} {
		h.Tasks = append(h.Tasks, Task{At: start.Add(time.Duration(i) * 10 * time.Millisecond), Satellite: satellite, Round: round, Check: check, First: i == 0})
	}
	session := round.String()
	for kind, after := range map[bmcsim.EventKind]time.Duration{bmcsim.Handshake: 12, bmcsim.Login: 25, bmcsim.Logout: 40} {
		e := bmcsim.Event{At: start.Add(after * time.Millisecond), BMC: bmc, Kind: kind, Peer: netip.MustParseAddrPort("127.0.0.1:1"), Session: session}
		if kind == bmcsim.Logout {
			defer func() { h.Events = append(h.Events, e) }()
			continue
		}
		h.Events = append(h.Events, e)
	}
	h.Verdicts = append(h.Verdicts, Judged{At: start.Add(50 * time.Millisecond), Round: round, Satellite: satellite, Health: checks.Available, Rounds: "1"})
}

func TestAHistoryThatKeptAllPromisesIsFine(t *testing.T) {
	h := story()
	h.Verdicts = append(h.Verdicts, h.Verdicts[7], h.Verdicts[8])
	report := h.Report()
	if wrong := report.Wrong(); len(wrong) > 0 {
		t.Errorf("wrong: %q", wrong)
	}
	text := report.String()
	for _, want := range []string{"faults injected", "800", "takeovers", "1: 7"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table does not have %q:\n%s", want, text)
		}
	}
	if report.rounds.Duplicates != 2 || report.sessions.Quiet < 500 || report.sessions.Quiet >= 800 {
		t.Errorf("%d duplicates, %d quiet rounds:\n%s", report.rounds.Duplicates, report.sessions.Quiet, text)
	}
	for i, took := range report.recovered {
		if took < 0 || took > 3*time.Second {
			t.Errorf("recovery %d took %s", i, took)
		}
	}
}

// at is the index of the first thing after so much time; the lists are not in its order.
func at[T any](all []T, after time.Duration, when func(T) time.Time) int {
	first := -1
	for i, one := range all {
		if when(one).After(noon.Add(after)) && (first < 0 || when(one).Before(when(all[first]))) {
			first = i
		}
	}
	return first
}

// by is when a satellite got a task; others' are too soon.
func by(satellite string) func(Task) time.Time {
	return func(t Task) time.Time {
		if t.Satellite != satellite {
			return noon
		}
		return t.At
	}
}

func TestAHistoryCanBeKept(t *testing.T) {
	h := story()
	h.Skipped[h.Verdicts[0].Round] = true
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var again History
	if err := json.Unmarshal(text, &again); err != nil || again.Report().String() != h.Report().String() {
		t.Errorf("read again: %v\n%s", err, again.Report())
	}
}

func TestEachBrokenPromiseIsNamed(t *testing.T) {
	for name, broken := range map[string]struct {
		change func(*History)
		want   string
	}{
		"a verdict is missing": {func(h *History) { h.Verdicts = append(h.Verdicts[:3], h.Verdicts[4:]...) }, "1 rounds lost: bmc-0@"},
		"one that is called skipped is missing, and no broker was broken": {func(h *History) {
			h.Skipped[h.Verdicts[3].Round] = true
			h.Verdicts = append(h.Verdicts[:3], h.Verdicts[4:]...)
		}, "1 rounds lost"},
		"a round was not started": {func(h *History) {
			round := h.Tasks[30].Round
			h.Tasks = slices.DeleteFunc(h.Tasks, func(t Task) bool { return t.Round == round })
			h.Verdicts = slices.DeleteFunc(h.Verdicts, func(v Judged) bool { return v.Round == round })
		}, "1 rounds due were neither started nor said to be skipped"},
		"nobody started it": {func(h *History) {
			v := h.Verdicts[3]
			v.Round.Due = v.Round.Due.Add(time.Second)
			h.Verdicts = append(h.Verdicts, v)
		}, "1 verdicts of rounds that nobody started"},
		"a BMC is accused":          {func(h *History) { h.Verdicts[5].Health = checks.Unavailable }, "call a healthy BMC unavailable"},
		"a verdict stands for more": {func(h *History) { h.Verdicts[5].Rounds = "3" }, "stand for other rounds"},
		"a logout is missing": {func(h *History) {
			i := at(h.Events, time.Minute, func(e bmcsim.Event) time.Time {
				if e.Kind != bmcsim.Logout {
					return noon // too soon
				}
				return e.At
			})
			h.Events = append(h.Events[:i], h.Events[i+1:]...)
		}, "times two sessions at one BMC"},
		"two handshakes": {func(h *History) {
			e := h.Events[at(h.Events, time.Minute, func(e bmcsim.Event) time.Time { return e.At })]
			e.Kind, e.At = bmcsim.Handshake, e.At.Add(time.Millisecond)
			h.Events = append(h.Events, e)
		}, "without exactly one handshake"},
		"a refused login": {func(h *History) {
			h.Events = append(h.Events, bmcsim.Event{At: noon, BMC: "bmc-1", Kind: bmcsim.RefusedLogin})
		}, "1 logins refused"},
		"an open session": {func(h *History) { h.Open = 2 }, "2 sessions left open"},
		"a full log":      {func(h *History) { h.Missed = 9 }, "9 events"},
		"a takeover that does not happen": {func(h *History) {
			for i := range h.Tasks {
				if h.Tasks[i].At.After(h.Faults[0].From) && h.Tasks[i].At.Before(h.Faults[0].To) {
					h.Tasks[i].Satellite = "sat-a"
				}
			}
		}, "slow takeovers"},
		"a task that does not go on": {func(h *History) {
			i := at(h.Tasks, 3*time.Minute-5*time.Second, by("sat-a"))
			for j, v := range h.Verdicts {
				if v.Round == h.Tasks[i].Round {
					h.Verdicts[j].At = noon.Add(3*time.Minute + 25*time.Second)
				}
			}
		}, "did not go on"},
		"verdicts that come late for long": {func(h *History) {
			for i := range h.Verdicts {
				if v := &h.Verdicts[i]; v.Round.Due.After(h.Faults[1].To) && v.Round.Due.Before(h.Faults[1].To.Add(18*time.Second)) {
					v.At = later(v.At, h.Faults[1].To.Add(20*time.Second))
				}
			}
		}, "recoveries took more than 15s"},
		"nothing at all": {func(h *History) { h.Tasks, h.Verdicts, h.Events = nil, nil, nil }, "nothing was seen"},
	} {
		t.Run(name, func(t *testing.T) {
			h := story()
			broken.change(&h)
			if wrong := strings.Join(h.Report().Wrong(), "\n"); !strings.Contains(wrong, broken.want) {
				t.Errorf("wrong: %q, want %q", wrong, broken.want)
			}
		})
	}
}

func TestASessionIsExcusedOnlyWhereItsSatelliteWasHit(t *testing.T) {
	for satellite, excused := range map[string]bool{"sat-a": true, "sat-b": false} {
		h := story()
		i := at(h.Tasks, 3*time.Minute-25*time.Second, by(satellite))
		for j, e := range h.Events {
			if e.Kind == bmcsim.Logout && e.Session == h.Tasks[i].Round.String() {
				h.Events = append(h.Events[:j], h.Events[j+1:]...)
				break
			}
		}
		s := h.sessions()
		if (len(s.Overlaps) > 0) == excused || (s.Excused > 0) != excused {
			t.Errorf("%s: %d overlaps %q, %d excused", satellite, len(s.Overlaps), s.Overlaps, s.Excused)
		}
	}
}

func TestARoundMayWaitForANewerOneOfItsBMC(t *testing.T) {
	h := story()
	i := at(h.Tasks, 3*time.Minute-26*time.Second, by("sat-a"))
	for j, v := range h.Verdicts {
		if v.Round == h.Tasks[i].Round {
			h.Verdicts[j].At = noon.Add(3*time.Minute + 15*time.Second)
		}
	}
	report := h.Report()
	if took := report.takeovers[0]; took.UnderWay != 1 || took.Tasks > TakeoverLimit || took.Verdicts != 15*time.Second || len(took.Wrong) > 0 {
		t.Errorf("%+v", took)
	}
}

func TestWhatABrokenBrokerDidNotConfirmIsToldApart(t *testing.T) {
	h := story()
	round := func(after time.Duration) int {
		return at(h.Verdicts, after, func(v Judged) time.Time { return v.Round.Due })
	}
	i := round(6*time.Minute + time.Second)
	h.Skipped[h.Verdicts[i].Round] = true
	h.Verdicts = append(h.Verdicts[:i], h.Verdicts[i+1:]...)
	v := h.Verdicts[round(6*time.Minute+2*time.Second)]
	v.Round.Due = v.Round.Due.Add(time.Millisecond)
	h.Verdicts = append(h.Verdicts, v)
	if r := h.rounds(); r.Withdrawn != 1 || r.Unconfirmed != 1 || len(r.Lost)+len(r.Strange) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAPlanFollowsFromItsSeedAndHasEveryKind(t *testing.T) {
	a, b, other := Plan(1, 50), Plan(1, 50), Plan(2, 50)
	if fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(other) {
		t.Error("a plan does not follow from its seed alone")
	}
	counts, total := map[Kind]int{}, time.Duration(0)
	for _, f := range a {
		counts[f.Kind]++
		total += f.Hold + f.Pause
		if least, most := holds[f.Kind][0], holds[f.Kind][1]; f.Hold < least || f.Hold > most || f.Pause < quiet {
			t.Errorf("%+v", f)
		}
	}
	for _, kind := range Kinds {
		if counts[kind] < 6 {
			t.Errorf("%d of %q", counts[kind], kind)
		}
	}
	if total > 27*time.Minute {
		t.Errorf("50 faults take %s, without what it takes to start again", total)
	}
}
