package results_test

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

func learned(n int, outcome checks.Outcome, facts checks.Facts) results.Verdict {
	return learnedAt(hour(n), outcome, facts)
}

func learnedAt(at time.Time, outcome checks.Outcome, facts checks.Facts) results.Verdict {
	return results.Verdict{BMC: "a", At: at, Trail: []checks.Result{{Check: checks.Power, Outcome: outcome, At: at, Facts: facts}}}
}

func hour(n int) time.Time { return due.Add(time.Duration(n) * time.Hour) }

func TestLearn(t *testing.T) {
	var facts []results.Fact
	for _, step := range []struct {
		why     string
		v       results.Verdict
		changed bool
		want    []results.Fact
	}{
		{"what a BMC is, is kept, by name; how it answered this once is not",
			learned(1, checks.OK, checks.Facts{"serial": "S1", "model": "R760", "rtt_us": "80", "power.1": "on"}), true,
			[]results.Fact{{Name: "model", Value: "R760", Since: hour(1), At: hour(1)}, {Name: "serial", Value: "S1", Since: hour(1), At: hour(1)}}},
		{"the same again is confirmed",
			learned(3, checks.OK, checks.Facts{"serial": "S1"}), true,
			[]results.Fact{{Name: "model", Value: "R760", Since: hour(1), At: hour(1)}, {Name: "serial", Value: "S1", Since: hour(1), At: hour(3)}}},
		{"a little later, too, but that is not written down each time",
			learnedAt(hour(3).Add(29*time.Minute), checks.OK, checks.Facts{"serial": "S1"}), false, nil},
		{"another value is, at once",
			learnedAt(hour(3).Add(time.Minute), checks.OK, checks.Facts{"model": "R7600"}), true,
			[]results.Fact{{Name: "model", Value: "R7600", Since: hour(3).Add(time.Minute), At: hour(3).Add(time.Minute)}, {Name: "serial", Value: "S1", Since: hour(1), At: hour(3)}}},
		{"what is older changes nothing",
			learned(2, checks.OK, checks.Facts{"serial": "S0"}), false, nil},
		{"what is no news changes nothing: a result that was carried over",
			learned(3, checks.OK, checks.Facts{"serial": "S1"}), false, nil},
		{"a check that failed teaches nothing: somebody else may have answered",
			learned(4, checks.Failed, checks.Facts{"serial": "S9"}), false, nil},
		{"nothing is forgotten because it was not said again; another value begins anew",
			learned(5, checks.OK, checks.Facts{"model": "R770", "serial": ""}), true,
			[]results.Fact{{Name: "model", Value: "R770", Since: hour(5), At: hour(5)}, {Name: "serial", Value: "S1", Since: hour(1), At: hour(3)}}},
	} {
		before := slices.Clone(facts)
		got, changed := results.Learn(facts, step.v)
		if want := step.want; want == nil && !reflect.DeepEqual(got, facts) || want != nil && !reflect.DeepEqual(got, want) || changed != step.changed {
			t.Errorf("%s: got %v %v, want %v", step.why, got, changed, step.want)
		}
		if !reflect.DeepEqual(facts, before) {
			t.Errorf("%s: the facts before were changed", step.why)
		}
		facts = got
	}
}

func TestFactsThatNobodyConfirmsGrowStaleAndComeBack(t *testing.T) {
	facts, _ := results.Learn(nil, learned(0, checks.OK, checks.Facts{"serial": "S1", "model": "R760"}))
	facts, _ = results.Learn(facts, learned(30, checks.OK, checks.Facts{"serial": "S1"}))
	facts, changed := results.Fade(facts, hour(61), 60*time.Hour)
	if !changed || !facts[0].Stale || facts[1].Stale || facts[0].Value != "R760" {
		t.Errorf("got %v %v, want a stale model", facts, changed)
	}
	if _, again := results.Fade(facts, hour(61), 60*time.Hour); again {
		t.Error("stale twice")
	}
	if facts, _ = results.Learn(facts, learned(70, checks.OK, checks.Facts{"model": "R760"})); facts[0].Stale || !facts[0].Since.Equal(due) {
		t.Errorf("got %v, want a model that is good since the beginning", facts)
	}
}

func TestOfTwoChecksThatLearnTheSameFactTheLaterOneCounts(t *testing.T) {
	v := learned(1, checks.OK, checks.Facts{"vendor": "674"})
	v.Trail = append(v.Trail, checks.Result{Check: checks.Power, Outcome: checks.OK, At: hour(1), Facts: checks.Facts{"vendor": "Dell"}})
	if facts, _ := results.Learn(nil, v); len(facts) != 1 || facts[0].Value != "Dell" {
		t.Errorf("got %v", facts)
	}
}

func TestTheNamesOfFactsAreSorted(t *testing.T) {
	if !slices.IsSorted(results.FactNames) {
		t.Errorf("want %v", slices.Sorted(slices.Values(results.FactNames)))
	}
}

func TestEveryFactThatIsKeptIsExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/facts.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range results.FactNames {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/facts.md does not explain %s", name)
		}
	}
}
