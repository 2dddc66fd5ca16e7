package inventory

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func answerOf(bmcs []BMC, bad ...Conflict) Answer { return Answer{BMCs: pointers(bmcs), Bad: bad} }

// synced is the register after some answers, one a minute.
func synced(r Rule, answers ...Answer) (Register, time.Time) {
	var now Register
	at := noon
	for _, a := range answers {
		at = at.Add(time.Minute)
		now, _ = r.Sync(now, a, at)
	}
	return now, at
}

func names(list []BMC) string {
	var ids []string
	for _, b := range list {
		ids = append(ids, string(b.ID))
	}
	return strings.Join(ids, " ")
}

func TestAnAnswerThatSuddenlyMissesTooManyIsWithheld(t *testing.T) {
	for name, test := range map[string]struct {
		before, from, to int
		withheld         bool
	}{
		"the first list may have any length":                      {0, 1, 3, false},
		"an empty first list is a list":                           {0, 1, 0, false},
		"an empty answer, even to few":                            {3, 1, 0, true},
		"four of ten is few enough to be meant":                   {10, 5, 10, false},
		"five of ten":                                             {10, 6, 10, true},
		"ten of a hundred is a tenth":                             {100, 11, 100, false},
		"eleven of a hundred":                                     {100, 12, 100, true},
		"a third is missing":                                      {100, 31, 100, true},
		"half a page":                                             {1000, 1, 500, true},
		"other BMCs instead of the ones that were do not make up": {100, 50, 149, true},
		"one of one is replaced by another":                       {1, 2, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := DefaultRule()
			was, at := synced(r, answerOf(bmcs(1, test.before)))
			next, diff := r.Sync(was, answerOf(bmcs(test.from, test.to)), at.Add(time.Minute))
			if withheld := next.Withheld != nil; withheld != test.withheld {
				t.Fatalf("withheld: %v", next.Withheld)
			}
			if !test.withheld {
				return
			}
			if !diff.Empty() || next.Number != was.Number || !reflect.DeepEqual(next.BMCs, was.BMCs) {
				t.Errorf("the fleet changed: %v", diff)
			}
			if _, _, err := r.Approve(next, "another", at); err == nil || !strings.Contains(err.Error(), next.Withheld.Digest) {
				t.Errorf("another digest was approved: %v", err)
			}
			approved, diff, err := r.Approve(next, next.Withheld.Digest, at.Add(time.Hour))
			if err != nil || approved.Withheld != nil || len(approved.Missing) > 0 || diff.Empty() {
				t.Errorf("approved: %v, %v, %d missing", err, diff, len(approved.Missing))
			}
			if want := newest(t, bmcs(test.from, test.to)); !reflect.DeepEqual(approved.BMCs, want) {
				t.Errorf("approved are %s", names(approved.BMCs))
			}
		})
	}
	if _, _, err := DefaultRule().Approve(Register{}, "x", noon); err == nil || !strings.Contains(err.Error(), "nothing is withheld") {
		t.Error(err)
	}
}

// newest are BMCs as a register has them: by ID, and nil where there are none.
func newest(t *testing.T, list []BMC) []BMC {
	t.Helper()
	s, err := newSnapshot(list)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return []BMC{}
	}
	return s.bmcs
}

func TestWhatIsWithheldLongEnoughIsBelieved(t *testing.T) {
	r := DefaultRule()
	was, at := synced(r, answerOf(bmcs(1, 100)), answerOf(bmcs(1, 50)))
	if was.Withheld == nil || was.Withheld.Gone != 50 || was.Withheld.Of != 100 || was.Withheld.First != "b051" {
		t.Fatal(was.Withheld)
	}
	still, _ := r.Sync(was, answerOf(bmcs(1, 50)), at.Add(r.Settle-time.Minute))
	if still.Withheld == nil || !still.Withheld.Since.Equal(at) || len(still.BMCs) != 100 {
		t.Errorf("after a little less than Settle: %v", still.Withheld)
	}
	if w, _ := r.Sync(was, answerOf(bmcs(1, 100)), at.Add(r.Settle)); w.Withheld != nil || len(w.Missing) > 0 || len(w.BMCs) != 100 {
		t.Error("all came back, and something is missing still")
	}
	// One more that is missing is in quarantine; it does not make the others wait for another day.
	then, diff := r.Sync(still, answerOf(bmcs(1, 49)), at.Add(r.Settle))
	if then.Withheld != nil || len(diff.Removed) != 50 || len(then.BMCs) != 50 || len(then.Missing) != 1 {
		t.Errorf("after Settle: %v, %v, %d missing", then.Withheld, diff, len(then.Missing))
	}
}

func TestAMissingBMCStaysForTheQuarantine(t *testing.T) {
	r := DefaultRule()
	was, at := synced(r, answerOf(bmcs(1, 9)), answerOf(bmcs(2, 9)))
	if len(was.BMCs) != 9 || was.Number != 1 || !was.Missing["b001"].Equal(at) {
		t.Errorf("%d BMCs, number %d, missing %v", len(was.BMCs), was.Number, was.Missing)
	}
	if back, _ := r.Sync(was, answerOf(bmcs(1, 9)), at.Add(time.Minute)); len(back.Missing) != 0 || back.Number != 1 {
		t.Errorf("it came back: %v, number %d", back.Missing, back.Number)
	}
	gone, diff := r.Sync(was, answerOf(bmcs(2, 9)), at.Add(r.Quarantine))
	if names(diff.Removed) != "b001" || len(gone.BMCs) != 8 || gone.Number != 2 || len(gone.Missing) != 0 {
		t.Errorf("%v, missing %v", diff, gone.Missing)
	}
	// Its address is another's by now: to ask it there would be to ask the other one.
	successor := BMC{ID: "new", Address: bmcs(1, 1)[0].Address, Protocol: Auto, Login: DefaultLogin}
	taken, diff := r.Sync(was, answerOf(append(bmcs(2, 9), successor)), at.Add(time.Minute))
	if names(diff.Removed) != "b001" || names(diff.Added) != "new" || len(taken.Missing) != 0 || len(hindering(diff.Conflicts)) != 0 {
		t.Errorf("%v, missing %v, %v", diff, taken.Missing, diff.Conflicts)
	}
}

func hindering(all []Conflict) (texts []string) {
	for _, c := range all {
		if c.Kind.Hinders() {
			texts = append(texts, string(c.Kind)+": "+c.Text)
		}
	}
	return texts
}

func TestConflictsAreListedAndNotGuessedAway(t *testing.T) {
	old := bmcs(1, 4) // b004 first, b001 last
	with := func(change func(list []BMC) []BMC) []BMC { return change(slices.Clone(bmcs(1, 4))) }
	for name, test := range map[string]struct {
		answer []BMC
		bad    []Conflict
		after  string // IDs with what differs from before
		want   []string
	}{
		"a new one at the address of another": {
			with(func(l []BMC) []BMC { return append(l, BMC{ID: "n", Address: l[3].Address, Protocol: Auto}) }), nil, "b001 b002 b003 b004",
			[]string{"same-address: b001 is at 10.0.0.1, where n is, too", "same-address: n is at 10.0.0.1, where b001 is, too"}},
		"two new ones at one address": {
			with(func(l []BMC) []BMC {
				a := netip.MustParseAddr("10.9.9.9")
				return append(l, BMC{ID: "n", Address: a, Protocol: IPMI}, BMC{ID: "m", Address: a, Protocol: IPMI})
			}), nil, "b001 b002 b003 b004",
			[]string{"same-address: m is at 10.9.9.9, where n is, too", "same-address: n is at 10.9.9.9, where m is, too"}},
		"two ports of one address are two BMCs": {
			with(func(l []BMC) []BMC {
				return append(l, BMC{ID: "n", Address: l[3].Address, Port: 8443, Protocol: Redfish})
			}), nil, "b001 b002 b003 b004 n", nil},
		"two that change places": {
			with(func(l []BMC) []BMC { l[3].Address, l[2].Address = l[2].Address, l[3].Address; return l }), nil, "b001* b002* b003 b004", nil},
		"one that moves to another's address, which moves to that of a third": {
			with(func(l []BMC) []BMC { l[3].Address, l[2].Address = l[2].Address, l[1].Address; return l }), nil, "b001 b002 b003 b004",
			[]string{"same-address: b002 is at 10.0.0.3, where b003 is, too", "same-address: b003 is at 10.0.0.3, where b002 is, too",
				"same-address: b001 is at 10.0.0.2, where b002 is, too"}},
		"an ID twice": {
			with(func(l []BMC) []BMC { return append(l, BMC{ID: "b001", Address: netip.MustParseAddr("10.9.9.9")}) }), nil,
			"b001 b002 b003 b004", []string{"same-id: 2 records have the ID b001"}},
		"an address outside of the allowed networks": {
			with(func(l []BMC) []BMC { l[3].Address = netip.MustParseAddr("8.8.8.8"); return l }), nil, "b001 b002 b003 b004",
			[]string{"outside: b001 at 8.8.8.8:443: not allowed: outside of targets.networks (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7)"}},
		"a port that is not allowed": {
			with(func(l []BMC) []BMC { l[3].Protocol, l[3].Port = Redfish, 22; return l }), nil, "b001 b002 b003 b004",
			[]string{"outside: b001 at 10.0.0.1:22: not allowed: the port is not in targets.ports [443 623 8443]"}},
		"a record without an ID": {
			with(func(l []BMC) []BMC { return append(l, BMC{Address: netip.MustParseAddr("10.9.9.9")}) }), nil, "b001 b002 b003 b004",
			[]string{"bad-record: a record at 10.9.9.9 has no ID"}},
		"a record without an address": {
			with(func(l []BMC) []BMC { l[3].Address = netip.Addr{}; return l }), nil, "b001 b002 b003 b004", []string{"bad-record: b001 has no address"}},
		"a record that is none is not gone": {
			with(func(l []BMC) []BMC { return l[:3] }), []Conflict{{Kind: BadRecord, BMCs: []ID{"b001"}, Text: "b001: a host name"}}, "b001 b002 b003 b004",
			[]string{"bad-record: b001: a host name"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, targets := DefaultRule(), DefaultTargets()
			targets.Ports = append(targets.Ports, 8443)
			r.Targets = &targets
			was, at := synced(r, answerOf(old))
			next, diff := r.Sync(was, answerOf(test.answer, test.bad...), at.Add(time.Minute))
			var after []string
			for _, b := range next.BMCs {
				if i := slices.IndexFunc(old, func(o BMC) bool { return o.ID == b.ID }); i >= 0 && old[i].Rev() != b.Rev() {
					b.ID += "*"
				}
				after = append(after, string(b.ID))
			}
			if got := strings.Join(after, " "); got != test.after {
				t.Errorf("BMCs %s, want %s", got, test.after)
			}
			if got := hindering(diff.Conflicts); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if len(next.Missing) > 0 {
				t.Errorf("missing: %v", next.Missing)
			}
		})
	}
}

func TestWhoStandsInNoRackIsListedOnce(t *testing.T) {
	list := bmcs(1, 3)
	list[0].Rack = "A1"
	_, diff := DefaultRule().Sync(Register{}, answerOf(list), noon)
	want := []Conflict{{Kind: NoRack, BMCs: []ID{"b001", "b002"}, Text: "2 BMCs stand in no rack (the first is b001): they are in no incident of a rack"}}
	if !reflect.DeepEqual(diff.Conflicts, want) {
		t.Errorf("got %v", diff.Conflicts)
	}
}

// world answers as a CMDB does that people and scripts write to, some of them badly.
type world struct {
	*rand.Rand
	list []BMC
}

func (w *world) answer() Answer {
	for range w.IntN(4) {
		w.mutate()
	}
	switch w.IntN(12) {
	case 0:
		return Answer{}
	case 1:
		return answerOf(slices.Clone(w.list[:w.IntN(len(w.list)+1)]))
	case 2:
		if len(w.list) > 0 {
			i := w.IntN(len(w.list))
			return answerOf(slices.Delete(slices.Clone(w.list), i, i+1), Conflict{Kind: BadRecord, BMCs: []ID{w.list[i].ID}, Text: "bad"})
		}
	}
	return answerOf(slices.Clone(w.list))
}

func (w *world) mutate() {
	fresh := BMC{ID: ID(fmt.Sprintf("b%02d", w.IntN(40))), Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(w.IntN(40))}), Protocol: []Protocol{Auto, IPMI, Redfish}[w.IntN(3)],
		Rack: fmt.Sprint("r", w.IntN(3)), Unit: float64(w.IntN(9)), Login: DefaultLogin}
	if w.IntN(8) == 0 {
		fresh.Address = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if i := len(w.list) - 1 - w.IntN(len(w.list)+1); i >= 0 && w.IntN(3) > 0 {
		if w.IntN(3) == 0 {
			w.list = slices.Delete(slices.Clone(w.list), i, i+1)
			return
		}
		fresh.ID = w.list[i].ID
		w.list = slices.Clone(w.list)
		w.list[i] = fresh
		return
	}
	w.list = append(slices.Clip(w.list), fresh)
}

func TestWhateverTheSourcesAnswerTheFleetIsSound(t *testing.T) {
	for seed := range uint64(30) {
		w := &world{Rand: rand.New(rand.NewPCG(seed, 7))}
		targets := DefaultTargets()
		r := Rule{Percent: 10, Least: 5, Settle: 3 * time.Hour, Quarantine: time.Hour, Targets: &targets}
		var was Register
		for at := noon; at.Before(noon.Add(12 * time.Hour)); at = at.Add(10 * time.Minute) {
			answer := w.answer()
			before := [2]any{deep(was), Answer{slices.Clone(answer.BMCs), slices.Clone(answer.Bad), 0, 0, nil}}
			next, diff := r.Sync(was, answer, at)
			if !reflect.DeepEqual(before, [2]any{was, answer}) {
				t.Fatalf("seed %d: what was given was written to", seed)
			}
			if wrong := unsound(r, was, next, answer, diff, at); wrong != "" {
				t.Fatalf("seed %d at %v: %s\nwas    %+v\nanswer %+v\nnext   %+v", seed, at, wrong, was, answer, next)
			}
			w.Shuffle(len(answer.BMCs), func(i, j int) { answer.BMCs[i], answer.BMCs[j] = answer.BMCs[j], answer.BMCs[i] })
			shuffled, _ := r.Sync(was, answer, at)
			if !reflect.DeepEqual(shuffled.BMCs, next.BMCs) {
				t.Fatalf("seed %d at %v: the order of an answer counts", seed, at)
			}
			if again, diff := r.Sync(next, answer, at); !diff.Empty() || again.Number != next.Number {
				t.Fatalf("seed %d at %v: the same answer again changed something: %v", seed, at, diff)
			}
			was = next
			if was.Withheld != nil && w.IntN(10) == 0 {
				was, _, _ = r.Approve(was, was.Withheld.Digest, at)
			}
		}
	}
}

// deep is a copy that shares nothing that a Sync might write to.
func deep(r Register) Register {
	r.BMCs, r.Conflicts, r.Missing = slices.Clone(r.BMCs), slices.Clone(r.Conflicts), maps.Clone(r.Missing)
	return r
}

// unsound says which promise was broken.
func unsound(r Rule, was, next Register, answer Answer, diff Diff, at time.Time) string {
	if _, err := newSnapshot(next.BMCs); err != nil || !slices.IsSortedFunc(next.BMCs, compareID) {
		return fmt.Sprint("no list of distinct BMCs by ID: ", err)
	}
	doors := map[door]ID{}
	for _, b := range next.BMCs {
		if err := r.Targets.Allow(b); err != nil {
			return err.Error()
		}
		for _, d := range b.doors() {
			if other, shared := doors[d]; shared && other != b.ID {
				return fmt.Sprintf("%s and %s are both at %s", other, b.ID, d)
			}
			doors[d] = b.ID
		}
	}
	if changed := !reflect.DeepEqual(was.BMCs, next.BMCs) && len(was.BMCs)+len(next.BMCs) > 0; changed != (next.Number > was.Number) || changed == diff.Empty() {
		return fmt.Sprintf("number %d after %d, changed %v, %v", next.Number, was.Number, changed, diff)
	}
	if next.Withheld != nil {
		return ""
	}
	hindered := map[ID]bool{}
	for _, c := range next.Conflicts {
		for _, id := range c.BMCs {
			hindered[id] = hindered[id] || c.Kind.Hinders()
		}
	}
	now := byID(next.BMCs)
	for _, b := range answer.BMCs {
		if got, there := now[b.ID]; !hindered[b.ID] && (!there || !sameRecord(got, b)) {
			return fmt.Sprintf("%s was neither taken nor listed", b.ID)
		}
	}
	for _, b := range diff.Removed {
		since, missing := was.Missing[b.ID]
		takenOver := slices.ContainsFunc(b.doors(), func(d door) bool { return doors[d] != "" })
		if !(missing && at.Sub(since) >= r.Quarantine) && !takenOver {
			return fmt.Sprintf("%s was removed before its time", b.ID)
		}
	}
	return ""
}
