package follow

import (
	"testing"

	"lamplighter/checks"
	"lamplighter/results"
)

func TestWhatACheckSaidNamesTheCheckAndTheAddressOnce(t *testing.T) {
	for text, want := range map[string]string{
		"ping 10.0.0.1: no answer": "ping 10.0.0.1: no answer",
		"wrong password":           "ping 10.0.0.1: wrong password",
		"ping 10.0.0.17: a router": "ping 10.0.0.1: ping 10.0.0.17: a router",
		"":                         "",
	} {
		v := results.Verdict{Address: "10.0.0.1", Trail: []checks.Result{{Check: checks.Ping, Outcome: checks.Failed, Error: text}}}
		if got := saidBy(v).text; got != want {
			t.Errorf("of %q it says %q, want %q", text, got, want)
		}
	}
}
