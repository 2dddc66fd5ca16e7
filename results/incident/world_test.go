package incident_test

import (
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/incident"
)

const interval = 5 * time.Minute

var begin = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// plan is a fleet: so many of each.
type plan struct{ sites, rows, racks, bmcs int }

// unit is one BMC of a world.
type unit struct {
	id                   inventory.ID
	site, row, rack      string
	n                    int
	address              string
	login                string
	vendor               string
	facts                []results.Fact
	phase                time.Duration
	satellite            string
	state                results.State
	streak               results.Streak
	lastLogin            time.Time
	fenced               bool
	silentFrom, silentTo time.Time
}

// finding is what a round of a unit finds; the zero finding is good.
type finding struct {
	failed  checks.Name
	reason  checks.Reason
	unknown bool
}

// world is a fleet under faults, and an engine that is told of it. Nothing in it knows the time but now.
type world struct {
	t        testing.TB
	e        *incident.Engine
	settings incident.Settings
	units    []*unit
	by       map[inventory.ID]*unit
	// fault says what a round finds that is judged at a time.
	fault   func(u *unit, at time.Time) finding
	now     time.Time
	due     rounds
	restart time.Duration // how often the engine is begun anew from what it has said; 0: never
	begun   time.Time
	batch   time.Duration // how long what is seen waits until it is decided about
	// look: two that fail at ping have the rest of their rack asked at once.
	look bool
	// what the engine said, by ID, and who is in what.
	said    map[string]results.Incident
	in      map[inventory.ID]string
	dark    map[inventory.ID]string
	all     []results.Incident
	members []results.Member
	hard    map[inventory.ID]hardness
}

// rounds are what is due, the soonest first.
type rounds []round

type round struct {
	at   time.Time
	u    *unit
	soon bool
}

func (r rounds) Len() int { return len(r) }
func (r rounds) Less(i, j int) bool {
	return r[i].at.Before(r[j].at) || r[i].at.Equal(r[j].at) && r[i].u.id < r[j].u.id
}
func (r rounds) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r *rounds) Push(x any)   { *r = append(*r, x.(round)) }
func (r *rounds) Pop() any     { old := *r; x := old[len(old)-1]; *r = old[:len(old)-1]; return x }

func newWorld(t testing.TB, p plan, seed uint64) *world {
	s := incident.Defaults(interval)
	s.Every = map[checks.Name]time.Duration{checks.RedfishLogin: time.Hour, checks.IPMILogin: time.Hour, checks.Power: time.Hour}
	w := &world{t: t, e: incident.New(s), settings: s, by: map[inventory.ID]*unit{}, now: begin, batch: time.Second,
		fault: func(*unit, time.Time) finding { return finding{} }, said: map[string]results.Incident{}, in: map[inventory.ID]string{}, dark: map[inventory.ID]string{}}
	random := rand.New(rand.NewPCG(seed, 1))
	for site := range p.sites {
		for row := range p.rows {
			for rack := range p.racks {
				for n := range p.bmcs {
					u := &unit{site: fmt.Sprint("s", site+1), row: string(rune('A' + row)), n: n, login: "default", vendor: "Dell", satellite: fmt.Sprintf("sat-%d", n%2+1)}
					u.rack = fmt.Sprintf("%s%02d", u.row, rack+1)
					u.id = inventory.ID(fmt.Sprintf("%s-%s-u%02d", u.site, strings.ToLower(u.rack), n))
					u.address = fmt.Sprintf("10.%d.%d.%d", site, (row*p.racks+rack)/4, (row*p.racks+rack)%4*60+n+1)
					u.facts = []results.Fact{{Name: "cert_issuer", Value: "CN=ca"}, {Name: "cert_not_after", Value: "2027-01-01T00:00:00Z"}, {Name: "cert_subject", Value: "CN=" + string(u.id)},
						{Name: "firmware", Value: fmt.Sprint("2.", random.IntN(4))}, {Name: "protocol", Value: "redfish"}}
					u.phase = time.Duration(random.Int64N(int64(interval)))
					w.units, w.by[u.id] = append(w.units, u), u
				}
			}
		}
	}
	for _, u := range w.units {
		w.judge(u, begin.Add(u.phase-interval))
		w.judge(u, begin.Add(u.phase-interval+time.Millisecond))
		u.lastLogin = begin.Add(u.phase - time.Duration(random.IntN(12))*interval)
		u.state.LoginAt, u.state.PowerAt = u.lastLogin, u.lastLogin
		w.see(u)
		heap.Push(&w.due, round{begin.Add(u.phase), u, false})
	}
	w.decide()
	return w
}

// fact gives a unit another fact.
func (u *unit) fact(name, value string) {
	u.facts = slices.Clone(u.facts)
	for i := range u.facts {
		if u.facts[i].Name == name {
			u.facts[i].Value = value
		}
	}
}

// chain is what a round asks, in order.
var chain = []checks.Name{checks.Ping, checks.TLS, checks.RedfishLogin, checks.Power}

// judge has a round of a unit judged at a time, and the engine see what is believed then.
func (w *world) judge(u *unit, at time.Time) results.Verdict {
	f := w.fault(u, at)
	logs := !u.fenced && (at.Sub(u.lastLogin) >= time.Hour || u.state.Health != checks.Available || u.state.Soft != nil)
	deep := f.failed == checks.RedfishLogin || f.failed == checks.Power
	if deep && !logs && !u.fenced {
		f = finding{} // nobody logs in in this round
	}
	v := results.Verdict{
		Schema: results.Schema, BMC: u.id, Address: u.address, Site: u.site, Room: "r1", Row: u.row, Rack: u.rack, Unit: float64(u.n + 1), Vendor: u.vendor, Satellite: u.satellite,
		Health: checks.Available, Round: checks.Round{BMC: u.id, Due: at.Add(-time.Second), Why: checks.Routine}, At: at,
	}
	info := f.reason.Info()
	if f.unknown {
		v.Health, v.Failed, v.Reason = checks.Unknown, f.failed, f.reason
	} else if f.reason != "" {
		v.Health, v.Failed, v.Reason, v.Owner, v.NextStep = info.Health, f.failed, f.reason, info.Owner, info.NextStep
		if f.failed == "" {
			v.Health = checks.Degraded
		}
	}
	for _, name := range chain {
		r := checks.Result{Check: name, Outcome: checks.OK, At: at}
		if name == f.failed {
			r.Outcome, r.Reason, r.Error = checks.Failed, f.reason, "no answer"
			if f.unknown {
				r.Outcome = checks.OutcomeUnknown
			}
		}
		if (name == checks.RedfishLogin || name == checks.Power) && !logs {
			r.AgeS = 60
		}
		v.Trail = append(v.Trail, r)
		if r.Outcome != checks.OK {
			break
		}
	}
	if logs && len(v.Trail) > 2 && v.Trail[2].Outcome != checks.OutcomeUnknown {
		u.lastLogin = at
		u.fenced = f.reason == checks.AuthRejected
	}
	u.state, _ = results.Apply(u.state, v, 1, false)
	w.see(u)
	return v
}

func (w *world) see(u *unit) {
	state := u.state
	w.e.See(incident.BMC{State: &state, Facts: u.facts, Login: u.login, Labels: map[string]string{"tenant": u.login}, Said: "ping " + u.address + ": no answer"})
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		next := w.now.Add(w.batch)
		for len(w.due) > 0 && !w.due[0].at.After(next) {
			w.round(heap.Pop(&w.due).(round))
		}
		w.now = next
		if w.restart > 0 && w.now.Sub(w.begun) > w.restart {
			w.beginAnew()
		}
		if w.now.Sub(begin)%(15*time.Second) == 0 {
			w.age()
		}
		w.decide()
	}
}

// beginAnew has another engine go on with what the first has said, as after kill -9.
func (w *world) beginAnew() {
	w.begun = w.now
	w.e = incident.New(w.settings)
	newest := map[string]results.Member{}
	for _, m := range w.members {
		newest[m.Incident+" "+string(m.BMC)] = m
	}
	w.e.Load(slices.Collect(maps.Values(w.said)), slices.Collect(maps.Values(newest)))
	for _, u := range w.units {
		w.see(u)
	}
}

func (w *world) round(r round) {
	u := r.u
	if !r.soon {
		heap.Push(&w.due, round{r.at.Add(interval), u, false})
	}
	if !r.at.Before(u.silentFrom) && r.at.Before(u.silentTo) {
		return
	}
	v := w.judge(u, r.at)
	after, ok := results.Confirm(u.streak, v)
	u.streak = u.streak.After(v)
	if ok {
		heap.Push(&w.due, round{r.at.Add(after), u, true})
	}
	if w.look && v.Failed == checks.Ping && u.streak.Attempts == 1 {
		w.lookRound(u, r.at)
	}
}

// lookRound asks the rest of a rack of which two fail.
func (w *world) lookRound(u *unit, at time.Time) {
	var rest []*unit
	failing := 0
	for _, other := range w.units {
		if other.site == u.site && other.rack == u.rack {
			if other.state.Soft != nil && other.state.Soft.Failed == checks.Ping {
				failing++
			} else {
				rest = append(rest, other)
			}
		}
	}
	if failing == 2 {
		for _, other := range rest {
			heap.Push(&w.due, round{at.Add(time.Second), other, true})
		}
	}
}

func (w *world) age() {
	for _, u := range w.units {
		state, _ := results.Age(u.state, w.now, interval)
		if state.Seq != u.state.Seq {
			u.state = state
			w.see(u)
		}
	}
}

func (w *world) decide() {
	w.t.Helper()
	w.e.Listen(begin.Add(-time.Hour))
	o := w.e.Decide(w.now)
	for _, i := range o.Incidents {
		if last := w.said[i.ID]; i.Seq != last.Seq+1 {
			w.t.Fatalf("%s: seq %d after %d", i.ID, i.Seq, last.Seq)
		}
		w.said[i.ID] = i
		w.all = append(w.all, i)
	}
	for _, m := range o.Members {
		of := w.in
		if w.said[m.Incident].Class == results.ClassUs {
			of = w.dark
		}
		if m.Left.IsZero() {
			of[m.BMC] = m.Incident
		} else if of[m.BMC] == m.Incident {
			delete(of, m.BMC)
		}
	}
	w.members = append(w.members, o.Members...)
}

// open are the incidents that are not closed, the one with the most BMCs first.
func (w *world) open() (all []results.Incident) {
	for _, i := range w.said {
		if i.Status != results.Resolved {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b results.Incident) int {
		if a.Failing != b.Failing {
			return b.Failing - a.Failing
		}
		return strings.Compare(a.Cause.Key, b.Cause.Key)
	})
	return all
}

// line is incidents in short: kind key failing.
func line(all []results.Incident) string {
	var parts []string
	for _, i := range all {
		parts = append(parts, fmt.Sprintf("%s %s %d", i.Cause.Kind, i.Cause.Key, i.Failing))
	}
	return strings.Join(parts, "; ")
}

// ever counts the incidents there were, by what became of them.
func (w *world) ever() string {
	counts := map[string]int{}
	for _, i := range w.said {
		if i.Status == results.Resolved {
			counts[string(i.Closed)]++
		} else {
			counts["open"]++
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(parts, ", ")
}
