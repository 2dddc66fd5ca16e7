package incident_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

// fault is something that breaks for a while.
type fault struct {
	name     string
	from, to time.Duration
	finding  finding
	where    func(*unit) bool
}

// faults are some that happen in an hour, by chance.
func faults(random *rand.Rand, w *world) (all []fault) {
	for range 1 + random.IntN(4) {
		u := w.units[random.IntN(len(w.units))]
		from := time.Duration(random.Int64N(int64(30 * time.Minute)))
		f := fault{from: from, to: from + 5*time.Minute + time.Duration(random.Int64N(int64(45*time.Minute))), finding: dead}
		switch random.IntN(7) {
		case 0:
			f.name, f.where = "rack "+u.rack, inRack(u.site, u.rack)
		case 1:
			f.name, f.where = "row "+u.row, func(other *unit) bool { return other.site == u.site && other.row == u.row }
		case 2:
			f.name, f.where = "alone", func(other *unit) bool { return other == u }
		case 3:
			share := random.IntN(12)
			f.name, f.where = "random", func(other *unit) bool { return (other.n*7+len(other.rack)*3+int(other.phase/time.Second))%40 < share }
		case 4:
			f.name, f.where, f.finding = "firmware", func(other *unit) bool { return other.facts[3].Value == u.facts[3].Value }, finding{failed: checks.TLS, reason: checks.TLSHandshake}
		case 5:
			f.name, f.where, f.finding = "slow api", inRack(u.site, u.rack), finding{failed: checks.RedfishLogin, reason: checks.APITimeout}
		case 6:
			f.name, f.where, f.finding = "unknown", inRack(u.site, u.rack), finding{failed: checks.Ping, reason: checks.SelfBlind, unknown: true}
		}
		all = append(all, f)
	}
	return all
}

var order = map[checks.Name]string{checks.Ping: "1", checks.TLS: "2", checks.RedfishLogin: "3"}

// under has the world be under faults.
func (w *world) under(all []fault) {
	all = slices.Clone(all) // who is dead shows nothing else
	slices.SortStableFunc(all, func(a, b fault) int { return strings.Compare(order[a.finding.failed], order[b.finding.failed]) })
	w.fault = func(u *unit, at time.Time) finding {
		for _, f := range all {
			if t := at.Sub(begin); t >= f.from && t < f.to && f.where(u) {
				return f.finding
			}
		}
		return finding{}
	}
}

// sound looks at what must hold at any time.
func (w *world) sound() {
	w.t.Helper()
	for _, u := range w.units {
		s := u.state
		id, in := w.in[u.id]
		hard := s.Health == checks.Degraded || s.Health == checks.Unavailable
		if hard && !in && w.now.Sub(s.UpdatedAt) > w.settings.Hold+interval {
			w.t.Errorf("%v: %s fails (%s since %v) and is in no incident", w.now.Sub(begin), u.id, s.Reason, s.Since.Sub(begin))
		}
		if in && w.said[id].Status == results.Resolved {
			w.t.Errorf("%s fails in %s, which is closed", u.id, id)
		}
	}
	counts := map[string]int{}
	for _, id := range w.in {
		counts[id]++
	}
	for _, id := range w.dark {
		counts[id]++
	}
	for id, i := range w.said {
		if i.Failing != counts[id] || len(i.Children) != min(i.Failing, results.MostChildren) || i.Total < i.Failing {
			w.t.Errorf("%s: failing %d of %d, children %d, and %d are in it", id, i.Failing, i.Total, len(i.Children), counts[id])
		}
		if (i.Status == results.Resolved) != (i.Closed != "") || i.Status == results.Resolved && i.Failing > 0 {
			w.t.Errorf("%+v", i)
		}
	}
	for _, i := range w.said {
		w.fair(i)
	}
	w.late()
}

// again tells the engine all once more: that is no news.
func (w *world) again() {
	w.t.Helper()
	for _, u := range w.units {
		w.see(u)
	}
	if o := w.e.Decide(w.now); len(o.Incidents)+len(o.Members) > 0 {
		w.t.Errorf("what was known is news: %+v", o)
	}
}

// fair wants an incident of a place in which nobody has recovered yet to be of those that fail there.
func (w *world) fair(i results.Incident) {
	w.t.Helper()
	if i.Status == results.Resolved || i.Failing != i.Total || i.Reopened > 0 || i.From != "" || i.Class != results.ClassNet && i.Class != results.ClassTLS {
		return
	}
	fails, well := i.Failing, 0
	for _, u := range w.units {
		where := map[results.CauseKind]string{results.CauseRack: u.site + "/r1/" + u.row + "/" + u.rack, results.CauseRow: u.site + "/r1/" + u.row,
			results.CauseRoom: u.site + "/r1", results.CauseSite: u.site}[i.Cause.Kind]
		switch _, in := w.in[u.id]; {
		case where != i.Cause.Key || in:
		case u.state.Soft != nil:
			fails++
		case u.state.Health == checks.Available && u.state.Found.At.After(i.Since) && u.state.FailedAt.Before(i.Since):
			well++
		}
	}
	if 100*fails < w.settings.Share*(fails+well) {
		w.t.Errorf("%v: %s: %d fail and %d are well (%s)", w.now.Sub(begin), i.Title, fails, well, i.Counted)
	}
}

// hardness is since when a BMC is believed to fail at a check.
type hardness struct {
	since  time.Time
	failed checks.Name
}

// late wants every BMC that is believed to fail for longer than an incident waits to be in one, but for those whose newest round was good.
func (w *world) late() {
	w.t.Helper()
	if w.hard == nil {
		w.hard = map[inventory.ID]hardness{}
	}
	for _, u := range w.units {
		mending := u.state.Soft != nil && u.state.Soft.Belief.Health == checks.Available
		if h := u.state.Health; mending || h != checks.Degraded && h != checks.Unavailable {
			delete(w.hard, u.id)
			continue
		}
		if w.hard[u.id].failed != u.state.Failed {
			w.hard[u.id] = hardness{w.now, u.state.Failed}
		}
		if _, in := w.in[u.id]; !in && w.now.Sub(w.hard[u.id].since) > w.settings.Hold+w.batch+w.restart/7 {
			w.t.Errorf("%v: %s fails for %v and is in no incident", w.now.Sub(begin), u.id, w.now.Sub(w.hard[u.id].since))
		}
	}
}

// noEmptyNews wants each document to say something else than the one before it.
func (w *world) noEmptyNews() {
	w.t.Helper()
	last := map[string]results.Incident{}
	for _, i := range w.all {
		before := last[i.ID]
		last[i.ID] = i
		before.Seq, before.UpdatedAt = i.Seq, i.UpdatedAt
		if reflect.DeepEqual(before, i) {
			w.t.Errorf("%v: %s %d says nothing new", i.UpdatedAt.Sub(begin), i.ID, i.Seq)
			return
		}
	}
}

// partition is who fails together, and by what it looks like.
func (w *world) partition() string {
	by := map[string][]string{}
	for bmc, id := range w.in {
		by[id] = append(by[id], string(bmc))
	}
	var parts []string
	for id, all := range by {
		slices.Sort(all)
		parts = append(parts, fmt.Sprintf("%s %s: %d %s", w.said[id].Cause.Kind, w.said[id].Cause.Key, len(all), strings.Join(all, " ")))
	}
	slices.Sort(parts)
	return strings.Join(parts, "\n")
}

func TestWhateverHappensWhoFailsIsInOneIncidentAndTheWayOfAskingDoesNotMatter(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			var ends []string
			var planted string
			for _, way := range []struct {
				batch, restart time.Duration
			}{{time.Second, 0}, {3 * time.Second, 0}, {time.Second, 7 * time.Minute}} {
				batch := way.batch
				w := newWorld(t, plan{1 + int(seed%2), 2, 4, 10}, seed)
				w.batch, w.restart = batch, way.restart
				all := faults(rand.New(rand.NewPCG(seed, 5)), w)
				w.under(all)
				planted = ""
				for _, f := range all {
					planted += fmt.Sprintf("%s %v-%v; ", f.name, f.from.Round(time.Second), f.to.Round(time.Second))
				}
				for w.now.Sub(begin) < 45*time.Minute {
					w.run(15 * batch)
					w.late()
				}
				w.sound()
				w.again()
				ends = append(ends, w.partition())
				w.run(70 * time.Minute)
				w.sound()
				w.noEmptyNews()
				if open := line(w.open()); open != "" {
					t.Errorf("all is well, and open is %s", open)
				}
			}
			for i, way := range []string{"decided every three", "killed every seven minutes"} {
				if ends[0] != ends[i+1] {
					t.Errorf("decided every second:\n%s\n%s:\n%s", short(ends[0]), way, short(ends[i+1]))
				}
			}
			if t.Failed() {
				t.Log(planted)
			}
		})
	}
}

func short(partition string) (text string) {
	for line := range strings.Lines(partition) {
		text += line[:min(len(line), 60)] + "\n"
	}
	return text
}
