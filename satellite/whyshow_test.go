package main

import (
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results/api"
)

func TestANeighbourOfWhichNothingIsBelievedHasNoReasonAndNoTime(t *testing.T) {
	for want, n := range map[string]api.Neighbour{
		"unknown":                 {},
		"unavailable net.timeout": {Health: checks.Unavailable, Reason: checks.NetTimeout},
	} {
		if got := briefly(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	since := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	if got, want := briefly(api.Neighbour{Health: checks.Degraded, Reason: checks.APISlow, Since: since}), "degraded api.slow, since "+clock(since); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
