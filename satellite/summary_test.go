package main

import (
	"strings"
	"testing"

	"lamplighter/checks"
	"lamplighter/results"
)

func TestASweepThatNobodyAnsweredPointsAtOurOwnNetwork(t *testing.T) {
	silent := results.Verdict{Health: checks.Unavailable, Failed: checks.Ping, Reason: checks.NetTimeout}
	for _, test := range []struct {
		name     string
		verdicts []results.Verdict
		want     bool
	}{
		{"all silent", []results.Verdict{silent, silent}, true},
		{"one of them answered", []results.Verdict{silent, {Health: checks.Available}}, false},
		{"there is only one", []results.Verdict{silent}, false},
		{"there is none", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSummary()
			for _, v := range test.verdicts {
				s.add(v)
			}
			var out strings.Builder
			s.print(&out)
			if strings.Contains(out.String(), "--anchor GATEWAY") != test.want {
				t.Errorf("got\n%s", out.String())
			}
		})
	}
}
