package results_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

const interval = 5 * time.Minute

// findings are what rounds of these tests find, by a word.
var findings = map[string]results.Belief{
	"good":  {Health: checks.Available},
	"weak":  {Health: checks.Degraded, Reason: checks.TLSWeak},
	"soon":  {Health: checks.Degraded, Reason: checks.TLSExpiresSoon},
	"slow":  {Health: checks.Degraded, Reason: checks.APISlow},
	"net":   {Health: checks.Unavailable, Failed: checks.Ping, Reason: checks.NetTimeout},
	"tls":   {Health: checks.Unavailable, Failed: checks.TLS, Reason: checks.TLSTimeout},
	"api":   {Health: checks.Unavailable, Failed: checks.RedfishLogin, Reason: checks.APIError},
	"auth":  {Health: checks.Unavailable, Failed: checks.RedfishLogin, Reason: checks.AuthRejected},
	"full":  {Health: checks.Degraded, Failed: checks.RedfishLogin, Reason: checks.SessionLimit},
	"vague": {Health: checks.Unavailable},
	"blind": {Failed: checks.Ping, Reason: checks.SelfBlind},
	"key":   {Failed: checks.RedfishLogin, Reason: checks.SelfKeyring},
}

// judged is the verdict of a round that found word, with the trail that proves it.
func judged(word string, due time.Time) results.Verdict {
	b, known := findings[word]
	if !known {
		panic(word)
	}
	return results.Verdict{
		Schema: results.Schema, BMC: "a", Address: "10.0.0.7", Site: "ams1", Rack: "A03", Unit: 7, Satellite: "sat-a",
		Health: b.Health, Failed: b.Failed, Reason: b.Reason, At: due.Add(10 * time.Second),
		Round: checks.Round{BMC: "a", Due: due, Why: checks.Routine}, Trail: slices.Clone(proofs[word]),
	}
}

// proofs are the trails of findings.
var proofs = func() map[string][]checks.Result {
	all := map[string][]checks.Result{}
	for word, b := range findings {
		switch {
		case b.Failed == "" && b.Reason == "":
			all[word] = []checks.Result{ok(checks.Ping), ok(checks.Power)}
		case b.Failed == "":
			all[word] = []checks.Result{ok(checks.Ping), ok(checks.Power, b.Reason)}
		case b.Health == checks.Unknown:
			all[word] = []checks.Result{ended(b.Failed, checks.OutcomeUnknown, b.Reason)}
		default:
			all[word] = []checks.Result{ended(b.Failed, checks.Failed, b.Reason)}
		}
	}
	return all
}()

// play tells a story: words of findings, one per interval. A word may end in *N (the record stands for N rounds), begin with N:
// (it is the round due after N intervals) or with late- (it came late). age=N ages to N intervals.
func play(story string) (s results.State, all []results.Change) {
	n := 0
	for word := range strings.FieldsSeq(story) {
		var changes []results.Change
		if aged, is := strings.CutPrefix(word, "age="); is {
			at, _ := strconv.ParseFloat(aged, 64)
			s, changes = results.Age(s, due.Add(time.Duration(at*float64(interval))+10*time.Second), interval)
			all = append(all, changes...)
			continue
		}
		name, times, _ := strings.Cut(word, "*")
		rounds, _ := strconv.Atoi(times)
		name, late := strings.CutPrefix(name, "late-")
		if number, rest, has := strings.Cut(name, ":"); has {
			n, _ = strconv.Atoi(number)
			name = rest
		} else {
			n += max(1, rounds)
		}
		s, changes = results.Apply(s, judged(name, due.Add(time.Duration(n)*interval)), rounds, late)
		all = append(all, changes...)
	}
	return s, all
}

func word(b results.Belief) string {
	return strings.TrimSpace(fmt.Sprintf("%v %s", b.Health, b.Reason))
}

// short is a state in a line: what is believed; (what is on trial).
func short(s results.State) string {
	text := word(s.Believed())
	if s.Soft != nil {
		text += fmt.Sprintf(" (%s %d/%d)", word(s.Soft.Belief), s.Soft.Attempts, s.Soft.Of)
	}
	return text
}

// told are changes in a line: what each says, and ! for late.
func told(changes []results.Change) string {
	var all []string
	for _, c := range changes {
		text := word(c.To)
		if c.Kind != results.HealthChanged {
			text = string(c.Kind)
		}
		if c.Late {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestApply(t *testing.T) {
	for name, test := range map[string]struct{ story, state, told string }{
		"the first good round of all is believed":                    {"good", "available", "available"},
		"a first silence is not believed":                            {"net", "unknown (unavailable net.timeout 1/3)", ""},
		"a silence is believed when it was seen three times":         {"good net net net", "unavailable net.timeout", "available, unavailable net.timeout"},
		"before that it is soft":                                     {"good net net", "available (unavailable net.timeout 2/3)", "available"},
		"a stumbling web service is believed when it was seen twice": {"good api api", "unavailable api.error", "available, unavailable api.error"},
		"a refused login is believed at once":                        {"good auth", "unavailable auth.rejected", "available, unavailable auth.rejected"},
		"a warning is believed at its reason's pace: a weak key":     {"good weak", "degraded tls.weak", "available, degraded tls.weak"},
		"a warning is believed at its reason's pace: a slow answer":  {"good slow", "available (degraded api.slow 1/2)", "available"},
		"one good round forgets a soft failure":                      {"good net net good net", "available (unavailable net.timeout 1/3)", "available"},
		"failures in a row count together, the newest says how many": {"good net tls api", "unavailable api.error", "available, unavailable api.error"},
		"a warning is not the same trial as a failure":               {"good api slow api", "available (unavailable api.error 1/2)", "available"},
		"recovery takes two good rounds":                             {"auth good", "unavailable auth.rejected (available 1/2)", "unavailable auth.rejected"},
		"and then it is believed":                                    {"auth good good", "available", "unavailable auth.rejected, available"},
		"a failure between starts recovery again":                    {"auth good auth good", "unavailable auth.rejected (available 1/2)", "unavailable auth.rejected"},
		"any other failure between does, too":                        {"auth good net good", "unavailable auth.rejected (available 1/2)", "unavailable auth.rejected"},
		"a warning goes after two good rounds":                       {"weak good good", "available", "degraded tls.weak, available"},
		"a chain gone through with a warning is a good round":        {"auth weak good", "available", "unavailable auth.rejected, available"},
		"from unavailable to degraded by a warning, too":             {"auth good weak", "degraded tls.weak", "unavailable auth.rejected, degraded tls.weak"},
		"another reason of the same health is a change of its own":   {"auth api api", "unavailable api.error", "unavailable auth.rejected, unavailable api.error"},
		"another reason is soft first":                               {"auth net", "unavailable auth.rejected (unavailable net.timeout 1/3)", "unavailable auth.rejected"},
		"another warning is a change of its own":                     {"weak soon", "degraded tls.expires_soon", "degraded tls.weak, degraded tls.expires_soon"},
		"from unavailable to a failure that means degraded":          {"auth full full", "degraded session.limit", "unavailable auth.rejected, degraded session.limit"},
		"from degraded to unavailable":                               {"weak auth", "unavailable auth.rejected", "degraded tls.weak, unavailable auth.rejected"},
		"Unknown moves no count of failures":                         {"good net blind net key net", "unavailable net.timeout", "available, unavailable net.timeout"},
		"Unknown moves no count of good rounds":                      {"auth good blind good", "available", "unavailable auth.rejected, available"},
		"Unavailable without a check that failed counts as Unknown":  {"good vague vague vague", "available", "available"},
		"the same verdict again changes nothing":                     {"good 5:net 5:net 5:net", "available (unavailable net.timeout 1/3)", "available"},
		"an older verdict changes nothing":                           {"5:good 2:net 3:net 4:net", "available", "available"},
		"one that is older than an Unknown one still counts":         {"1:good 3:blind 2:auth", "unavailable auth.rejected", "available, unavailable auth.rejected"},
		"a merged record counts as what it stands for: failures":     {"good net*3", "unavailable net.timeout", "available, unavailable net.timeout"},
		"a merged record counts as what it stands for: not enough":   {"good net*2", "available (unavailable net.timeout 2/3)", "available"},
		"a merged record counts as what it stands for: recovery":     {"auth good*2", "available", "unavailable auth.rejected, available"},
		"late rounds are no news":                                    {"good late-auth", "unavailable auth.rejected", "available"},
		"the first that is not late tells the difference once":       {"good late-auth late-auth auth auth", "unavailable auth.rejected", "available, unavailable auth.rejected!"},
		"what came and went in late rounds is no news":               {"good late-auth late-good late-good good", "available", "available"},
		"the difference waits for a round that shows it":             {"good late-auth good", "unavailable auth.rejected (available 1/2)", "available"},
		"so it may go before it is told":                             {"good late-auth good good", "available", "available"},
		"Unknown does not tell it":                                   {"good late-auth blind", "unavailable auth.rejected", "available"},
		"a late first round is told by the first that is not late":   {"late-good good", "available", "available!"},
		"six changes in the newest rounds are flapping":              {"good weak" + strings.Repeat(" api good", 3), "degraded tls.weak (available 1/2)", "available, degraded tls.weak, flapping"},
		"five are not":                      {"good" + strings.Repeat(" api good", 2) + " api", "available (unavailable api.error 1/2)", "available"},
		"flapping ends after a quiet while": {"good" + strings.Repeat(" api good", 10) + strings.Repeat(" good", 15), "available", "available, flapping, stopped_flapping"},
		"and not before":                    {"good" + strings.Repeat(" api good", 10) + strings.Repeat(" good", 14), "available", "available, flapping"},
		"a merged record is quiet for as long as it stands for":     {"good" + strings.Repeat(" api good", 10) + " good*15", "available", "available, flapping, stopped_flapping"},
		"Unknown rounds do not quieten":                             {"good" + strings.Repeat(" api good", 10) + strings.Repeat(" blind", 30), "available", "available, flapping"},
		"late flapping is told by the first round that is not late": {"good" + strings.Repeat(" late-api late-good", 4) + " good", "available", "available, flapping!"},
		"late flapping that is over by then is not told":            {"good" + strings.Repeat(" late-api late-good", 10) + " late-good*15 good", "available", "available"},
		"another reason for the same health is not flapping":        {"auth" + strings.Repeat(" net tls", 10), "unavailable net.timeout (unavailable tls.timeout 1/3)", "unavailable auth.rejected, unavailable net.timeout"},
		"a flapping BMC still has its health told":                  {"good" + strings.Repeat(" api good", 4) + " auth", "unavailable auth.rejected", "available, flapping, unavailable auth.rejected"},
		"a first Unknown is no news":                                {"blind", "unknown", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, changes := play(test.story)
			if got := short(s); got != test.state {
				t.Errorf("state %q, want %q", got, test.state)
			}
			if got := told(changes); got != test.told {
				t.Errorf("told %q, want %q", got, test.told)
			}
			checkDocuments(t, s, changes)
		})
	}
}

func TestAge(t *testing.T) {
	for name, test := range map[string]struct{ story, state, told string }{
		"nothing is said of a BMC that nothing was heard of":               {"age=9", "unknown", ""},
		"two intervals of silence are not yet silence":                     {"1:good age=3", "available", "available"},
		"after two intervals of silence the health is Unknown":             {"1:good age=3.1", "unknown self.silent", "available, silent"},
		"silence is told once":                                             {"1:good age=3.1 age=4 age=9", "unknown self.silent", "available, silent"},
		"after two intervals of nothing but Unknown the health is Unknown": {"1:good blind key age=3.1", "unknown self.keyring", "available, unknown"},
		"before that it is what it was":                                    {"1:good blind key age=3", "available", "available"},
		"Unknown is told once, whatever its reasons":                       {"1:good blind blind age=3.1 key age=4 blind", "unknown self.blind", "available, unknown"},
		"Unknown that falls silent is told":                                {"1:good blind age=3.1 age=5", "unknown self.silent", "available, unknown, silent"},
		"silence that ends in Unknown is told":                             {"1:good age=3.1 4:blind", "unknown self.blind", "available, silent, unknown"},
		"a round that shows what was known ends it":                        {"1:good age=3.1 4:good", "available", "available, silent, available"},
		"so does a known failure":                                          {"1:auth age=3.1 4:auth", "unavailable auth.rejected", "unavailable auth.rejected, silent, unavailable auth.rejected"},
		"one that does not starts a trial first":                           {"1:good age=3.1 4:net", "unknown self.silent (unavailable net.timeout 1/3)", "available, silent"},
		"whose end is told":                                                {"1:good age=3.1 4:net net net", "unavailable net.timeout", "available, silent, unavailable net.timeout"},
		"attempts go on where they were":                                   {"good net net age=5.1 6:net", "unavailable net.timeout", "available, silent, unavailable net.timeout"},
		"recovery goes on where it was":                                    {"auth good age=4.1 5:good", "available", "unavailable auth.rejected, silent, available"},
		"a BMC of which only Unknown was ever heard is told, too":          {"blind blind blind age=3.1", "unknown self.blind", "unknown"},
		"late rounds do not end silence as news":                           {"1:good age=3.1 late-2:good age=5", "unknown self.silent", "available, silent"},
		"silence after late rounds is told from what was told":             {"1:good late-auth age=9", "unknown self.silent", "available, silent!"},
	} {
		t.Run(name, func(t *testing.T) {
			s, changes := play(test.story)
			if got := short(s); got != test.state {
				t.Errorf("state %q, want %q", got, test.state)
			}
			if got := told(changes); got != test.told {
				t.Errorf("told %q, want %q", got, test.told)
			}
			checkDocuments(t, s, changes)
		})
	}
}
