package incident_test

import (
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// unknown is a round that finds nothing out.
func unknown(check checks.Name, reason checks.Reason) finding {
	return finding{failed: check, reason: reason, unknown: true}
}

func TestALossOfOursIsOneIncidentAboutUsAndNoBMCsFault(t *testing.T) {
	two := plan{sites: 2, rows: 2, racks: 3, bmcs: 20}
	for name, test := range map[string]struct {
		fault func(*unit, time.Time) finding
		lost  func(*unit) bool // nothing is heard of them
		run   time.Duration
		want  string
		owner checks.Owner
		says  string
	}{
		"a satellite's uplink": {fault: planted(time.Minute, unknown(checks.Ping, checks.SelfBlind), func(u *unit) bool { return u.site == "s1" && u.satellite == "sat-1" }),
			run: 7 * time.Minute, want: "satellite s1/sat-1 60", owner: checks.OwnerUs},
		"all satellites of a site are blind": {fault: planted(time.Minute, unknown(checks.Ping, checks.SelfBlind), func(u *unit) bool { return u.site == "s1" }),
			run: 7 * time.Minute, want: "site s1 120", owner: checks.OwnerUs},
		"a site's broker, of which nothing is heard": {lost: func(u *unit) bool { return u.site == "s2" }, run: 18 * time.Minute, want: "site s2 120", owner: checks.OwnerUs},
		"a vault": {fault: planted(time.Minute, unknown(checks.RedfishLogin, checks.SelfKeyring), func(u *unit) bool { return u.site == "s1" }), run: 70 * time.Minute,
			want: "keyring s1 120", owner: checks.OwnerUs},
		"a path of one satellite": {fault: planted(time.Minute, unknown(checks.Ping, checks.SelfPath), func(u *unit) bool {
			return u.site == "s1" && u.satellite == "sat-2" && u.address[:7] == "10.0.0."
		}), run: 7 * time.Minute, want: "path s1/sat-2/10.0.0.0/24 40", owner: checks.OwnerUs},
		"somebody stopped a site": {fault: planted(time.Minute, unknown(checks.Ping, checks.SelfStopped), func(u *unit) bool { return u.site == "s2" }), run: 7 * time.Minute,
			want: "site s2 120", owner: checks.OwnerUs},
		"two BMCs whose task expired are no incident": {fault: planted(time.Minute, unknown(checks.TLS, checks.SelfExpired), func(u *unit) bool { return u.rack == "A01" && u.n < 2 && u.site == "s1" }),
			run: 30 * time.Minute, want: ""},
		"some BMCs without a credential are no loss of the keyring": {fault: planted(time.Minute, unknown(checks.RedfishLogin, checks.SelfNoCredential),
			func(u *unit) bool { return u.rack == "A01" && u.n < 6 && u.site == "s1" }), run: 90 * time.Minute, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, two, 1)
			if test.fault != nil {
				w.fault = test.fault
			}
			if test.lost != nil {
				for _, u := range w.units {
					if test.lost(u) {
						u.silentFrom, u.silentTo = begin.Add(time.Minute), begin.Add(time.Hour)
					}
				}
			}
			w.run(test.run)
			if got := line(w.open()); got != test.want {
				w.wants(test.want, "")
			}
			for _, i := range w.open() {
				if i.Class != results.ClassUs || i.Owner != test.owner || i.Health != checks.Unknown || !i.Page {
					t.Errorf("%+v", i)
				}
				t.Log(i.Title, "-", i.Counted, "- after", i.OpenedAt.Sub(begin))
			}
			if len(w.in) > 0 {
				t.Errorf("BMCs are said to fail: %v", w.in)
			}
			w.fault = func(*unit, time.Time) finding { return finding{} }
			for _, u := range w.units {
				u.silentTo = w.now
			}
			w.run(20 * time.Minute)
			if got := line(w.open()); got != "" || len(w.dark) > 0 {
				t.Errorf("it is over, and open is %s, dark are %d", got, len(w.dark))
			}
		})
	}
}

// A credential is refused until its logins are stopped: the rest is a part of the same incident.
func TestStoppedLoginsAreAPartOfTheCredentialsIncident(t *testing.T) {
	w := newWorld(t, plan{1, 2, 3, 20}, 1)
	for _, u := range w.units {
		if u.n < 10 {
			u.login = "old"
			w.see(u)
		}
	}
	refusals := 0
	w.fault = func(u *unit, at time.Time) finding {
		switch {
		case u.login != "old" || at.Sub(begin) < time.Minute:
			return finding{}
		case u.fenced:
			return finding{failed: checks.RedfishLogin, reason: checks.AuthFenced}
		case at.Sub(u.lastLogin) < time.Hour && u.state.Health == checks.Available:
			return finding{}
		case refusals >= 5:
			return unknown(checks.RedfishLogin, checks.SelfGroupStopped)
		}
		refusals++
		return refused
	}
	w.run(30 * time.Minute)
	all := w.open()
	if len(all) != 1 || all[0].Cause.Kind != results.CauseCredential || all[0].Owner != checks.OwnerCredentials || all[0].Failing < 20 {
		w.wants("credential s1/old 30", "1 open")
	}
	t.Log(all[0].Title, "-", all[0].Counted)
}

func TestASatelliteThatIsHeardNoMoreIsMissedThoughOthersAskItsBMCs(t *testing.T) {
	w := newWorld(t, plan{1, 2, 3, 20}, 1)
	w.run(10 * time.Minute)
	for _, u := range w.units {
		u.satellite = "sat-1"
	}
	w.run(20 * time.Minute)
	w.wants("satellite s1/sat-2 0", "1 open")
	t.Log(w.open()[0].Title, "-", w.open()[0].Counted)
	for _, u := range w.units[:10] {
		u.satellite = "sat-2"
	}
	w.run(7 * time.Minute)
	w.wants("", "1 recovered")
	for _, u := range w.units {
		u.satellite = "sat-1"
	}
	w.run(25 * time.Hour)
	w.wants("", "1 left")
}
