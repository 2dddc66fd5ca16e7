package schedule

import (
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// Carry picks the results of the last round that stand in for checks that are not due at now. A login is carried only
// together with all that was asked in its session: nothing is asked in a visit that did not log in.
func Carry(chain checks.Chain, last results.Verdict, now time.Time) []checks.Result {
	if last.Failed != "" || last.Health != checks.Available && last.Health != checks.Degraded {
		return nil
	}
	var before, session []checks.Result
	loggedIn := false
	for _, r := range last.Trail {
		check, ok := chain.Check(r.Check)
		if !ok {
			return nil
		}
		loggedIn = loggedIn || check.Logs
		due := now.Sub(r.At) >= cadence(last.BMC, check)
		r.AgeS = 0
		switch {
		case due && loggedIn:
			return before
		case loggedIn:
			session = append(session, r)
		case !due:
			before = append(before, r)
		}
	}
	return append(before, session...)
}

// cadence is a check's Every, less up to a quarter that depends on the BMC, so that those that began together drift apart.
func cadence(bmc inventory.ID, check checks.Check) time.Duration {
	if check.Every <= 0 {
		return 0
	}
	return check.Every - time.Duration(checks.Spread(bmc, string(check.Name))%uint64(check.Every/4+1))
}
