package incident

import (
	"time"

	"lamplighter/checks"
)

// Settings are the numbers of the rule; docs/incidents.md says what each does.
type Settings struct {
	// Interval is how often a BMC is asked, Every how often a check is part of it; 0: each round.
	Interval time.Duration
	Every    map[checks.Name]time.Duration
	// Window is how far apart what has one cause may break.
	Window time.Duration
	// Share is how much of a group must fail, in percent, Outside how much of that may fail outside of it, and Smallest how many BMCs
	// must.
	Share, Outside, Smallest int
	// Us is how much of a satellite's BMCs must be unknown until that is an incident about us, in percent.
	Us int
	// Hold is how long an incident waits for what else fails.
	Hold time.Duration
	// Reopen is how long after it was closed an incident is opened again, instead of another one.
	Reopen time.Duration
	// Outlive is how long BMCs fail on when the others have recovered, until they get incidents of their own; 0: two intervals, and
	// at least two minutes.
	Outlive time.Duration
}

// Defaults hold where no setting says otherwise.
func Defaults(interval time.Duration) Settings {
	return Settings{Interval: interval, Window: 10 * time.Minute, Share: 80, Outside: 25, Smallest: 3, Us: 20, Hold: 30 * time.Second, Reopen: time.Hour}
}

func (s Settings) outlive() time.Duration {
	if s.Outlive > 0 {
		return s.Outlive
	}
	return max(2*s.Interval, 2*time.Minute)
}
