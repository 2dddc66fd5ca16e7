package main

import (
	"strconv"
	"time"

	"lamplighter/results/incident"
)

// Incidents are the numbers of the rule by which what breaks together is one incident.
type Incidents struct {
	Window, Hold, Reopen, Outlive          time.Duration
	Share, OutsideShare, Smallest, UsShare int // shares in percent
}

func defaultIncidents() Incidents {
	d := incident.Defaults(0)
	return Incidents{
		Window: d.Window, Hold: d.Hold, Reopen: d.Reopen, Outlive: d.Outlive,
		Share: d.Share, OutsideShare: d.Outside, Smallest: d.Smallest, UsShare: d.Us,
	}
}

func (i *Incidents) settings() []setting {
	return []setting{
		durationSetting("incidents.window", &i.Window),
		parsed("incidents.share", &i.Share, wantShare, parseShare),
		parsed("incidents.outside_share", &i.OutsideShare, wantShare, parseShare),
		parsed("incidents.smallest", &i.Smallest, "a whole number", strconv.Atoi),
		parsed("incidents.us_share", &i.UsShare, wantShare, parseShare),
		parsed("incidents.hold", &i.Hold, wantDuration+", or 0s", parseEvery),
		parsed("incidents.reopen", &i.Reopen, wantDuration+", or 0s for never", parseEvery),
		parsed("incidents.outlive", &i.Outlive, wantDuration+", or 0s for two intervals", parseEvery),
	}
}

const wantShare = "percent, a whole number from 1 to 100"

func parseShare(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > 100) {
		err = strconv.ErrRange
	}
	return n, err
}

func (i Incidents) validate(require func(ok bool, key, want string)) {
	require(i.Share >= 50, "incidents.share", "want at least 50")
	require(i.OutsideShare < i.Share, "incidents.outside_share", "want less than incidents.share, "+strconv.Itoa(i.Share))
	require(i.Smallest >= 2, "incidents.smallest", "want at least 2")
	require(i.Hold <= 5*time.Minute, "incidents.hold", "want at most 5m")
}

// rule is the rule for a site that is asked as configured.
func (c Config) rule() incident.Settings {
	i := c.Incidents
	return incident.Settings{
		Interval: c.Interval, Every: c.Every, Window: i.Window, Hold: i.Hold, Reopen: i.Reopen, Outlive: i.Outlive,
		Share: i.Share, Outside: i.OutsideShare, Smallest: i.Smallest, Us: i.UsShare,
	}
}
