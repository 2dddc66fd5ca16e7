package incident_test

import (
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/incident"
)

// fleet is a fleet of 96,000 BMCs of which so many racks are dead, as follow tells the engine of it.
func fleet(b *testing.B, racks int) (well, broken []incident.BMC) {
	b.Helper()
	w := newWorld(b, plan{sites: 10, rows: 24, racks: 10, bmcs: 40}, 1)
	perSite := racks / 10
	for i, u := range w.units {
		state, found := u.state, *u.state.Found
		found.At = begin.Add(time.Duration(i%300) * time.Second) // asked about when the racks died
		state.Found = &found
		well = append(well, incident.BMC{State: &state, Facts: u.facts, Login: u.login})
		if rack := i / 40; rack%240*7%240 < perSite {
			down := u.state
			at := begin.Add(time.Duration(i%40) * time.Second)
			down.Health, down.Failed, down.Reason, down.Since, down.UpdatedAt = checks.Unavailable, dead.failed, dead.reason, at, at.Add(time.Minute)
			down.Found = &results.Found{Round: down.Found.Round, At: at.Add(time.Minute), Belief: down.Believed()}
			down.Seq++
			broken = append(broken, incident.BMC{State: &down, Facts: u.facts, Login: u.login, Said: "ping: no answer"})
		}
	}
	return well, broken
}

// BenchmarkSee is what a verdict that changes nothing costs the engine.
func BenchmarkSee(b *testing.B) {
	well, _ := fleet(b, 0)
	e := incident.New(incident.Defaults(interval))
	for _, one := range well {
		e.See(one)
	}
	e.Decide(begin)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if e.See(well[n%len(well)]); n%5000 == 4999 {
			e.Decide(begin.Add(time.Duration(n) * time.Millisecond))
		}
		n++
	}
}

// BenchmarkStorm is 10,000 changes in a second: 250 racks of 2,400 die at once, until they are incidents, and until they are closed.
func BenchmarkStorm(b *testing.B) {
	well, broken := fleet(b, 250)
	var longest, sum time.Duration
	for b.Loop() {
		e := incident.New(incident.Defaults(interval))
		for _, one := range well {
			e.See(one)
		}
		e.Decide(begin)
		now, opened := begin.Add(2*time.Minute), 0
		for _, one := range broken {
			e.See(one)
		}
		for range 35 {
			began := time.Now()
			o := e.Decide(now)
			opened += len(o.Incidents)
			took := time.Since(began)
			longest, sum, now = max(longest, took), sum+took, now.Add(time.Second)
		}
		if opened == 0 {
			b.Fatal("no incident")
		}
		b.ReportMetric(float64(opened), "incidents")
	}
	b.ReportMetric(float64(longest.Milliseconds()), "longest-ms")
	b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "decide-ms/op")
	b.ReportMetric(float64(len(broken)), "changes")
}
