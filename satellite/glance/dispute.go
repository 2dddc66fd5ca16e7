package glance

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// disputeFor is for how long a disagreement stands when nobody can be asked any more: longer than a routine interval, and than the
// restart of a satellite.
const disputeFor = 15 * time.Minute

// disputes remembers of which BMCs two satellites disagreed last. Whoever disagreed may be restarted just when he is asked again; no
// BMC is to be accused for that.
type disputes struct {
	mu  sync.Mutex // guards the following
	all map[inventory.ID]dispute
}

type dispute struct {
	second string // who got an answer
	at     time.Time
}

// settle takes in what a second opinion made of r: where there was none, a disagreement of late still stands.
func (d *disputes) settle(bmc inventory.ID, second, said string, r checks.Result, now time.Time) checks.Result {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch last, disputed := d.all[bmc]; {
	case said == "disagree":
		if d.all == nil {
			d.all = map[inventory.ID]dispute{}
		}
		maps.DeleteFunc(d.all, func(_ inventory.ID, one dispute) bool { return now.Sub(one.at) >= disputeFor })
		d.all[bmc] = dispute{second, now}
	case said == "agree":
		delete(d.all, bmc)
	case disputed && now.Sub(last.at) < disputeFor:
		r.Error = fmt.Sprintf("%s by %s: %s; but %s got an answer at %s, and nobody could be asked again",
			r.Reason, r.Satellite, r.Error, last.second, last.at.UTC().Format(time.RFC3339))
		r.Outcome, r.Reason = checks.OutcomeUnknown, checks.SelfPath
	}
	return r
}
