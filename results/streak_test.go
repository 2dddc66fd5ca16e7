package results_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

func verdict(n int, health checks.Health, failed checks.Name, reason checks.Reason) results.Verdict {
	return results.Verdict{Round: checks.Round{BMC: "a", Due: due.Add(time.Duration(n) * time.Minute), Why: checks.Routine}, Health: health, Failed: failed, Reason: reason}
}

func TestConfirm(t *testing.T) {
	for name, test := range map[string]struct {
		attempts int
		v        results.Verdict
		after    time.Duration
	}{
		"the first silence is looked at again soon":         {0, verdict(1, checks.Unavailable, checks.Ping, checks.NetTimeout), 30 * time.Second},
		"the second silence too":                            {1, verdict(1, checks.Unavailable, checks.Ping, checks.NetTimeout), 30 * time.Second},
		"the third silence is believed":                     {2, verdict(1, checks.Unavailable, checks.Ping, checks.NetTimeout), 0},
		"a stumbling web service is looked at once more":    {0, verdict(1, checks.Unavailable, checks.TLS, checks.APIError), 60 * time.Second},
		"and then believed":                                 {1, verdict(1, checks.Unavailable, checks.TLS, checks.APIError), 0},
		"a refused login is never asked sooner":             {0, verdict(1, checks.Unavailable, checks.RedfishLogin, checks.AuthRejected), 0},
		"a changed certificate is believed at once":         {0, verdict(1, checks.Unavailable, checks.TLS, checks.TLSCertChanged), 0},
		"what we could not find out is no reason to hurry":  {0, verdict(1, checks.Unknown, checks.TLS, checks.SelfBlind), 0},
		"a note is no failure":                              {0, verdict(1, checks.Degraded, "", checks.TLSWeak), 0},
		"a full BMC is looked at again":                     {0, verdict(1, checks.Degraded, checks.RedfishLogin, checks.SessionLimit), 60 * time.Second},
		"an old verdict that comes late confirms nothing":   {0, verdict(-1, checks.Unavailable, checks.Ping, checks.NetTimeout), 0},
		"a verdict that comes twice is confirmed only once": {0, verdict(0, checks.Unavailable, checks.Ping, checks.NetTimeout), 0},
	} {
		t.Run(name, func(t *testing.T) {
			prev := results.Streak{Last: checks.Round{BMC: "a", Due: due}, Attempts: test.attempts}
			after, ok := results.Confirm(prev, test.v)
			if after != test.after || ok != (test.after > 0) {
				t.Errorf("got %v %v, want %v", after, ok, test.after)
			}
		})
	}
}

func TestWhatBreaksIsNewsForItsNeighbours(t *testing.T) {
	silent := verdict(1, checks.Unavailable, checks.Ping, checks.NetTimeout)
	for name, test := range map[string]struct {
		attempts int
		v        results.Verdict
		want     bool
	}{
		"silence after good rounds":           {0, silent, true},
		"silence that goes on":                {1, silent, false},
		"unreachable":                         {0, verdict(1, checks.Unavailable, checks.Ping, checks.NetUnreachable), true},
		"silence further along the chain":     {0, verdict(1, checks.Unavailable, checks.TLS, checks.TLSTimeout), false},
		"we saw nobody":                       {0, verdict(1, checks.Unknown, checks.Ping, checks.SelfBlind), false},
		"another satellite got an answer":     {0, verdict(1, checks.Unknown, checks.Ping, checks.SelfPath), false},
		"a good round":                        {0, verdict(1, checks.Available, "", ""), false},
		"silence that is older than what was": {0, verdict(-1, checks.Unavailable, checks.Ping, checks.NetTimeout), false},
	} {
		prev := results.Streak{Last: checks.Round{BMC: "a", Due: due}, Attempts: test.attempts}
		if got := results.Breaks(prev, test.v); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Rules 6 and 7 of the design, over random histories: only due orders rounds, duplicates change nothing, Unknown changes nothing.
func TestAStreakIsOrderedIdempotentAndDeafToUnknown(t *testing.T) {
	for seed := range uint64(5_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		var streak results.Streak
		for range 20 {
			v := randomVerdict(r)
			next := streak.After(v)
			if next.After(v) != next {
				t.Fatalf("seed %d: %v applied twice changed the streak", seed, v.Round)
			}
			if next.Last.Due.Before(streak.Last.Due) {
				t.Fatalf("seed %d: an older round overwrote a newer one", seed)
			}
			if v.Health == checks.Unknown && next != streak {
				t.Fatalf("seed %d: Unknown changed %+v to %+v", seed, streak, next)
			}
			streak = next
		}
	}
}

func TestAStreakCountsFailuresInARowPastUnknowns(t *testing.T) {
	var streak results.Streak
	for i, step := range []struct {
		v    results.Verdict
		want int
	}{
		{verdict(1, checks.Unavailable, checks.Ping, checks.NetTimeout), 1},
		{verdict(2, checks.Unknown, checks.Ping, checks.SelfBlind), 1},
		{verdict(3, checks.Unavailable, checks.TLS, checks.TLSTimeout), 2},
		{verdict(4, checks.Degraded, "", checks.TLSWeak), 0},
		{verdict(5, checks.Degraded, checks.Power, checks.PowerUnreadable), 1},
		{verdict(6, checks.Available, "", ""), 0},
	} {
		if streak = streak.After(step.v); streak.Attempts != step.want {
			t.Errorf("step %d: %d attempts, want %d", i+1, streak.Attempts, step.want)
		}
	}
}

func randomVerdict(r *rand.Rand) results.Verdict {
	v := verdict(r.IntN(12), checks.Health(r.IntN(4)), "", "")
	switch v.Health {
	case checks.Unavailable:
		v.Failed, v.Reason = checks.Ping, checks.NetTimeout
	case checks.Unknown:
		v.Failed, v.Reason = checks.Ping, checks.SelfExpired
	}
	return v
}
