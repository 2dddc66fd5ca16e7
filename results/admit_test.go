package results_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

func TestAdmit(t *testing.T) {
	now := due.Add(time.Hour)
	for name, test := range map[string]struct {
		word   string
		change func(v *results.Verdict)
		fault  results.Fault
	}{
		"a good round":                  {"good", func(*results.Verdict) {}, ""},
		"a failure that ends the trail": {"net", func(*results.Verdict) {}, ""},
		"a warning":                     {"weak", func(*results.Verdict) {}, ""},
		"a round that found nothing out needs no proof": {"blind", func(v *results.Verdict) { v.Trail = nil }, ""},
		"an old one is not refused, it is late":         {"net", func(v *results.Verdict) { v.At = due.AddDate(-1, 0, 0) }, ""},
		"another schema":                                {"good", func(v *results.Verdict) { v.Schema = "lamplighter.verdict.v2" }, results.OtherForm},
		"no BMC":                                        {"good", func(v *results.Verdict) { v.BMC = "" }, results.Nameless},
		"a round of another BMC":                        {"good", func(v *results.Verdict) { v.Round.BMC = "b" }, results.Nameless},
		"no time":                                       {"good", func(v *results.Verdict) { v.At = time.Time{} }, results.Nameless},
		"clocks may differ a little":                    {"good", func(v *results.Verdict) { v.At = now.Add(59 * time.Second) }, ""},
		"judged in the future":                          {"good", func(v *results.Verdict) { v.At = now.Add(61 * time.Second) }, results.FromFuture},
		"due in the future":                             {"good", func(v *results.Verdict) { v.Round.Due = now.Add(time.Hour) }, results.FromFuture},
		"unavailable without a probe":                   {"net", func(v *results.Verdict) { v.Trail = nil }, results.Unproven},
		"unavailable without the failed check's name":   {"net", func(v *results.Verdict) { v.Failed = "" }, results.Unproven},
		"unavailable after a probe that was good":       {"net", func(v *results.Verdict) { v.Trail = []checks.Result{ok(checks.Ping)} }, results.Unproven},
		"unavailable for another reason than found":     {"net", func(v *results.Verdict) { v.Reason = checks.NetRefused }, results.Unproven},
		"a refusal that stands, without its round": {"auth", func(v *results.Verdict) {
			v.Reason, v.Trail[0].Reason = checks.AuthFenced, checks.AuthFenced
		}, results.Unproven},
		"a refusal that stands": {"auth", func(v *results.Verdict) {
			v.Reason, v.Trail[0].Reason, v.Trail[0].Facts = checks.AuthFenced, checks.AuthFenced, checks.Facts{"fence_round": "x"}
		}, ""},
		"available with a failure":   {"good", func(v *results.Verdict) { v.Trail[1] = ended(checks.Power, checks.Failed, checks.APIError) }, results.Unproven},
		"available after a failure":  {"good", func(v *results.Verdict) { v.Trail[0] = ended(checks.Ping, checks.Failed, checks.APIError) }, results.Unproven},
		"available with a reason":    {"good", func(v *results.Verdict) { v.Reason = checks.TLSWeak }, results.Unproven},
		"degraded without a reason":  {"weak", func(v *results.Verdict) { v.Reason = "" }, results.Unproven},
		"available, and that is all": {"good", func(v *results.Verdict) { v.Trail = nil }, results.Unproven},
	} {
		t.Run(name, func(t *testing.T) {
			v := judged(test.word, due)
			test.change(&v)
			var refused *results.Refused
			switch err := results.Admit(v, now); {
			case test.fault == "" && err != nil:
				t.Error(err)
			case test.fault != "" && (!errors.As(err, &refused) || refused.Fault != test.fault):
				t.Errorf("got %v, want %s", err, test.fault)
			}
		})
	}
}

func TestWhateverJudgeMakesIsAdmitted(t *testing.T) {
	admit := func(task checks.Task) {
		t.Helper()
		if err := results.Admit(results.Judge(task, bmc, checks.Default(), "sat", due.Add(time.Minute)), due.Add(time.Minute)); err != nil {
			t.Error(err)
		}
	}
	for _, check := range checks.Default() {
		for _, info := range checks.Reasons {
			result := ended(check.Name, checks.Failed, info.Reason)
			result.Facts = checks.Facts{"fence_round": "a@2026-11-22T02:55:00.000Z#routine"}
			admit(task(result))
			admit(task(ended(check.Name, checks.OutcomeUnknown, info.Reason)))
			admit(task(ok(check.Name, info.Reason)))
		}
	}
	admit(task(ok(checks.Ping), ok(checks.TLS), ok(checks.RedfishLogin), ok(checks.Power)))
	admit(task(ok(checks.Ping), ok(checks.TLS, checks.TLSWeak), ok(checks.RedfishLogin), ok(checks.Power)))
}

func TestReadVerdict(t *testing.T) {
	whole, err := json.Marshal(judged("net", due))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		text  string
		fault results.Fault
	}{
		"a verdict":               {string(whole), ""},
		"one with a new field":    {strings.Replace(string(whole), `{`, `{"mood":"fine",`, 1), ""},
		"nothing":                 {"", results.Broken},
		"half of one":             {string(whole[:len(whole)/2]), results.Broken},
		"two":                     {string(whole) + string(whole), results.Broken},
		"null":                    {"null", results.OtherForm},
		"a list":                  {"[]", results.Broken},
		"no schema":               {"{}", results.OtherForm},
		"a schema of the future":  {`{"schema":"lamplighter.verdict.v2","health":{"is":"better"}}`, results.OtherForm},
		"a round that is none":    {strings.Replace(string(whole), "#routine", "#whim", 1), results.Broken},
		"a health that is none":   {strings.Replace(string(whole), `"unavailable"`, `"dead"`, 1), results.Broken},
		"a reason from elsewhere": {strings.Replace(string(whole), "net.timeout", "net.gremlins", 1), results.Broken},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := results.ReadVerdict([]byte(test.text))
			var refused *results.Refused
			switch {
			case test.fault == "" && (err != nil || v.Reason != checks.NetTimeout):
				t.Errorf("%+v, %v", v, err)
			case test.fault != "" && (!errors.As(err, &refused) || refused.Fault != test.fault || !strings.Contains(err.Error(), "verdict")):
				t.Errorf("got %v, want %s", err, test.fault)
			}
		})
	}
}

// Whatever is read and admitted can be applied, and its documents are valid.
func FuzzReadVerdict(f *testing.F) {
	for word := range findings {
		text, _ := json.Marshal(judged(word, due))
		f.Add(text)
	}
	f.Add([]byte(`{"schema":"lamplighter.verdict.v1"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := results.ReadVerdict(text)
		if err != nil || results.Admit(v, due.Add(time.Hour)) != nil {
			return
		}
		state, changes := results.Apply(results.State{}, v, 1, false)
		if again, more := results.Apply(state, v, 1, false); again.Seq != state.Seq || len(more) > 0 {
			t.Errorf("twice: %+v", more)
		}
		if state.Health == checks.Unavailable && v.Trail[len(v.Trail)-1].Outcome != checks.Failed {
			t.Errorf("unavailable without a failed probe: %s", text)
		}
		results.Age(state, due.AddDate(1, 0, 0), time.Minute)
		_, _ = json.Marshal(changes)
		results.Learn(nil, v)
	})
}
