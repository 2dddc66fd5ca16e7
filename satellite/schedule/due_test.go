package schedule_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/satellite/schedule"
)

func TestCarry(t *testing.T) {
	chain := checks.Chain{{Name: checks.Ping}, {Name: checks.TLS}, {Name: checks.RedfishLogin, Every: time.Hour, Logs: true}, {Name: checks.Power, Every: time.Hour}}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	result := func(name checks.Name, age time.Duration) checks.Result {
		return checks.Result{Check: name, Outcome: checks.OK, At: now.Add(-age), AgeS: 7}
	}
	verdict := func(health checks.Health, failed checks.Name, login, power time.Duration) results.Verdict {
		return results.Verdict{BMC: "a", Health: health, Failed: failed, Trail: []checks.Result{
			result(checks.Ping, time.Minute), result(checks.TLS, time.Minute), result(checks.RedfishLogin, login), result(checks.Power, power)}}
	}
	for name, test := range map[string]struct {
		last results.Verdict
		want []checks.Name
	}{
		"never asked":                            {results.Verdict{}, nil},
		"asked a while ago":                      {verdict(checks.Available, "", 40*time.Minute, 40*time.Minute), []checks.Name{checks.RedfishLogin, checks.Power}},
		"degraded by a note":                     {verdict(checks.Degraded, "", 40*time.Minute, 40*time.Minute), []checks.Name{checks.RedfishLogin, checks.Power}},
		"degraded by a failure":                  {verdict(checks.Degraded, checks.Power, 40*time.Minute, 40*time.Minute), nil},
		"asked an hour ago":                      {verdict(checks.Available, "", time.Hour, time.Hour), nil},
		"only power is due, so is the login":     {verdict(checks.Available, "", 40*time.Minute, time.Hour), nil},
		"only the login is due, power goes with": {verdict(checks.Available, "", time.Hour, 40*time.Minute), nil},
		"it was down":                            {verdict(checks.Unavailable, checks.Ping, 40*time.Minute, 40*time.Minute), nil},
		"nobody knows":                           {verdict(checks.Unknown, checks.Ping, 40*time.Minute, 40*time.Minute), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []checks.Name
			for _, r := range schedule.Carry(chain, test.last, now) {
				got = append(got, r.Check)
				if r.AgeS != 0 {
					t.Errorf("%s is carried with age %d: the verdict says how old it is", r.Check, r.AgeS)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("carried %v, want %v", got, test.want)
			}
		})
	}
}

func TestLoginsDriftApart(t *testing.T) {
	chain := checks.Chain{{Name: checks.RedfishLogin, Every: time.Hour, Logs: true}}
	carried := 0
	for i := range 1000 {
		now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
		last := results.Verdict{BMC: inventory.ID(fmt.Sprint(i)), Health: checks.Available,
			Trail: []checks.Result{{Check: checks.RedfishLogin, Outcome: checks.OK, At: now.Add(-52*time.Minute - 30*time.Second)}}}
		carried += len(schedule.Carry(chain, last, now))
	}
	if carried < 400 || carried > 600 {
		t.Errorf("%d of 1000 logins of 52.5 min ago are carried, want about half", carried)
	}
}

func TestASweepIsOneRoundOfEachBMC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(time.Minute, 8)
		bmcs := []inventory.BMC{{ID: "a"}, {ID: "b"}, {ID: "c"}}
		ended := make(chan error, 1)
		go func() { ended <- o.Once(t.Context(), bmcs, checks.Routine) }()
		pass(10 * time.Second)
		o.end(o.started()[0], checks.Unavailable, checks.NetTimeout) // no confirmation either
		pass(5 * time.Minute)
		if n := len(o.started()); n != 3 {
			t.Errorf("%d rounds began while a sweep of 3 BMCs waited for two of them, want 3", n)
		}
		for _, task := range o.started()[1:] {
			o.end(task, checks.Available, "")
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
