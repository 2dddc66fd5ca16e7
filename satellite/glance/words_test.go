package glance

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"lamplighter/checks"
)

func TestWords(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want string // of the error; empty: none
	}{
		"a BMC broke":                     {`{"from":"sat-a","bmc":"b1","broke":true}`, ""},
		"a question":                      {`{"from":"sat-a","to":"sat-b","bmc":"b1","id":"1","ask":"tls","rev":"0","within_ms":6000}`, ""},
		"an answer":                       {`{"from":"sat-b","to":"sat-a","bmc":"b1","id":"1","answer":{"check":"ping","outcome":"failed","reason":"net.timeout"}}`, ""},
		"a field of a newer version":      {`{"from":"sat-a","bmc":"b1","broke":true,"newer":1}`, ""},
		"nobody says it":                  {`{"bmc":"b1","broke":true}`, "who says it"},
		"of no BMC":                       {`{"from":"sat-a","broke":true}`, "of which BMC"},
		"a question that there is not":    {`{"from":"sat-a","bmc":"b1","ask":"login","within_ms":6000}`, "a question there is"},
		"no time for the answer":          {`{"from":"sat-a","bmc":"b1","ask":"ping"}`, "for its answer"},
		"too much time for the answer":    {`{"from":"sat-a","bmc":"b1","ask":"ping","within_ms":60001}`, "for its answer"},
		"a reason that there is not":      {`{"from":"sat-b","bmc":"b1","answer":{"reason":"net.sabotage"}}`, "not in the table of reasons"},
		"an outcome that there is not":    {`{"from":"sat-b","bmc":"b1","answer":{"outcome":"fine"}}`, "want one of"},
		"no JSON":                         {`hello`, "invalid character"},
		"a name that is too long":         {`{"from":"` + strings.Repeat("a", 256) + `","bmc":"b1"}`, "who says it"},
		"more than anybody has to say":    {`{"from":"` + strings.Repeat("a", maxWord) + `"}`, "at most"},
		"a secret in an unknown language": {"\x00\xff", "invalid character"},
	} {
		_, err := decode([]byte(test.text))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestAnAnswerSurvivesTheWay(t *testing.T) {
	sent := word{From: "sat-b", To: "sat-a", BMC: "b1", ID: "1", Answer: &checks.Result{Check: checks.TLS, Outcome: checks.Failed, Reason: checks.TLSTimeout, TookMS: 9}}
	body, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decode(body); err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzWord(f *testing.F) {
	f.Add([]byte(`{"from":"sat-a","to":"sat-b","bmc":"b1","id":"1","ask":"tls","rev":"0","within_ms":6000}`))
	f.Add([]byte(`{"from":"sat-b","bmc":"b1","answer":{"check":"ping","outcome":"ok"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := decode(body)
		if err != nil {
			return
		}
		if w.From == "" || w.BMC == "" || w.Ask != "" && (w.within() <= 0 || w.within() > maxWithin) {
			t.Errorf("%q was understood as %+v", body, w)
		}
	})
}
