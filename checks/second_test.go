package checks

import (
	"strings"
	"testing"
)

func TestWeigh(t *testing.T) {
	ok := &Result{Check: Ping, Outcome: OK, TookMS: 7}
	failed := func(r Reason) *Result { return &Result{Check: Ping, Outcome: Failed, Reason: r} }
	for name, test := range map[string]struct {
		other   *Result
		outcome Outcome
		reason  Reason
		fact    string
	}{
		"the other got an answer":                        {ok, OutcomeUnknown, SelfPath, "sat-b: ok"},
		"the other got none either":                      {failed(NetTimeout), Failed, TLSTimeout, "sat-b: net.timeout"},
		"the other got none, in another way":             {failed(NetRefused), Failed, TLSTimeout, "sat-b: net.refused"},
		"the other got nonsense, which is an answer":     {failed(TLSHandshake), OutcomeUnknown, SelfPath, "sat-b: tls.handshake"},
		"the other met a certificate, which is one, too": {failed(TLSUntrusted), OutcomeUnknown, SelfPath, "sat-b: tls.untrusted"},
		"the other is blind":                             {&Result{Check: Ping, Reason: SelfBlind}, Failed, TLSTimeout, "sat-b: self.blind"},
		"the other is stopped":                           {&Result{Check: Ping, Reason: SelfStopped}, Failed, TLSTimeout, "sat-b: self.stopped"},
		"the other says nothing":                         {nil, Failed, TLSTimeout, "sat-b: silent"},
	} {
		t.Run(name, func(t *testing.T) {
			before := Result{Check: TLS, Outcome: Failed, Reason: TLSTimeout, Error: "shake hands with 10.0.0.7: no answer", Satellite: "sat-a", Facts: Facts{"a": "b"}}
			got := Weigh(before, "sat-b", test.other)
			if got.Outcome != test.outcome || got.Reason != test.reason || got.Facts[FactSecondOpinion] != test.fact || got.Facts["a"] != "b" {
				t.Errorf("got %v %s %v, want %v %s %s", got.Outcome, got.Reason, got.Facts, test.outcome, test.reason, test.fact)
			}
			if len(before.Facts) != 1 {
				t.Error("the facts of the result before were changed")
			}
			if disagree := got.Reason == SelfPath; disagree {
				for _, want := range []string{"tls.timeout by sat-a", "10.0.0.7", "sat-b got an answer"} {
					if !strings.Contains(got.Error, want) {
						t.Errorf("%q: want %q in it", got.Error, want)
					}
				}
			} else if got.Error != before.Error {
				t.Errorf("the error became %q", got.Error)
			}
		})
	}
}
