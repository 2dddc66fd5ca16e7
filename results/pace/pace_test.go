package pace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// step is a check of a round: how long it took, and what came of it.
type step struct {
	check  checks.Name
	ms     int64
	reason checks.Reason
	age    int64
}

// round is a verdict of a round that was due and judged at times.
func round(satellite string, due, at time.Time, steps ...step) *results.Verdict {
	v := &results.Verdict{Site: "ams1", Satellite: satellite, Vendor: "Dell", At: at, Round: checks.Round{BMC: "b", Due: due, Why: checks.Routine}}
	for _, s := range steps {
		r := checks.Result{Check: s.check, TookMS: s.ms, AgeS: s.age, Reason: s.reason, Outcome: checks.OK, At: due.Add(time.Duration(s.ms) * time.Millisecond)}
		if s.reason != "" {
			r.Outcome = checks.Failed
			if s.reason.Info().Owner == checks.OwnerUs {
				r.Outcome = checks.OutcomeUnknown
			}
		}
		v.Trail = append(v.Trail, r)
	}
	return v
}

func facts(pairs ...string) (all []results.Fact) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, results.Fact{Name: pairs[i], Value: pairs[i+1]})
	}
	return all
}

func (r Report) of(name checks.Name) Whole {
	return r.Checks[slices.IndexFunc(r.Checks, func(w Whole) bool { return w.Check.Check == name })]
}

func TestADurationIsFoundAgainWithinSixAndAQuarterPercent(t *testing.T) {
	for ms := range int64(1 << 17) {
		got := middle(bucketOf(time.Duration(ms) * time.Millisecond))
		if ms < exact && got != float64(ms) || math.Abs(got-float64(ms)) > float64(ms)/16 {
			t.Fatalf("%d ms is found again as %v", ms, got)
		}
	}
	for _, d := range []time.Duration{-time.Hour, time.Hour, math.MaxInt64, math.MinInt64} {
		if b := bucketOf(d); b < 0 || b >= buckets {
			t.Errorf("%v is in bucket %d", d, b)
		}
	}
}

func TestPercentilesOfMergedHistogramsAreThoseOfAllDurations(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var parts [7]histogram
	var all []float64
	for range 20_000 {
		ms := math.Exp(random.NormFloat64()*1.5 + 4) // of 55 ms in the middle, as checks of a fleet are spread
		all = append(all, math.Floor(ms))
		parts[random.IntN(len(parts))].add(time.Duration(ms) * time.Millisecond)
	}
	var whole histogram
	for i := range parts {
		whole.merge(&parts[i])
	}
	slices.Sort(all)
	s := whole.spread()
	for percent, got := range map[int]*float64{50: s.P50, 95: s.P95, 99: s.P99} {
		if want := all[len(all)*percent/100-1]; math.Abs(*got-want) > want/16 {
			t.Errorf("p%d is %v, want %v", percent, *got, want)
		}
	}
	if empty := new(histogram).spread(); empty.P50 != nil || empty.P99 != nil {
		t.Error("of nothing there is a percentile")
	}
}

func TestAFailureEndsTheChainAndWhatCameAfterItWasNotReached(t *testing.T) {
	p := New(noon)
	at := noon.Add(time.Minute)
	redfish, ipmi := facts("firmware", "2.14", "protocol", "redfish"), facts("firmware", "1.0", "protocol", "ipmi")
	p.See(round("sat-a", noon, at, step{check: checks.Ping, ms: 10}, step{check: checks.TLS, ms: 3000, reason: checks.TLSTimeout}), redfish, at)
	p.See(round("sat-a", noon, at, step{check: checks.Ping, ms: 2000, reason: checks.NetTimeout}), ipmi, at)
	p.See(round("sat-a", noon, at, step{check: checks.Ping, ms: 5, reason: checks.SelfBlind}), redfish, at)
	p.See(round("sat-a", noon, at, step{check: checks.Ping, ms: 12}, step{check: checks.TLS, ms: 80}, step{check: checks.RedfishLogin, ms: 900, age: 60}, step{check: checks.Power, ms: 50}), redfish, at)
	r := p.Chain(checks.TLS, at)
	for name, want := range map[checks.Name][4]int{ // asked, failed, unknown, not reached
		checks.Ping: {4, 1, 1, 0}, checks.TLS: {2, 1, 0, 1}, checks.RedfishLogin: {0, 0, 0, 2}, checks.IPMILogin: {0, 0, 0, 1}, checks.Power: {1, 0, 0, 3},
	} {
		c := r.of(name)
		if got := [4]int{c.Asked, c.Failed, c.Unknown, c.NotReached}; got != want {
			t.Errorf("%s: asked, failed, unknown, not reached %v, want %v", name, got, want)
		}
	}
	if tls := r.of(checks.TLS); *tls.P99 > 90 {
		t.Errorf("a timeout counts as a duration: %v ms", *tls.P99)
	}
	if r.of(checks.RedfishLogin).P50 != nil {
		t.Error("what was carried over has a duration")
	}
	if len(r.Groups) != 1 || r.Groups[0].Kind != (Kind{Vendor: "Dell", Firmware: "2.14"}) || r.Groups[0].Failed != 1 || r.Groups[0].Rounds != 3 || r.Rounds != 4 {
		t.Errorf("%+v", r.Groups)
	}
}

func TestAnHourIsForgottenAndTheOneBeforeItIsComparedWith(t *testing.T) {
	p := New(noon)
	for minute := range 186 {
		at := noon.Add(time.Duration(minute) * time.Minute)
		ms := int64(10)
		if minute >= 120 {
			ms = 100 // the fleet became slower
		}
		p.See(round("sat-a", at, at, step{check: checks.Ping, ms: ms}), nil, at)
		if ping := p.Chain(checks.Ping, at).of(checks.Ping); (ping.Before != nil) != (minute >= 120) {
			t.Fatalf("after %d minutes it is compared with %+v", minute, ping.Before)
		}
	}
	r := p.Chain(checks.Ping, noon.Add(185*time.Minute+3*time.Second))
	if ping := r.of(checks.Ping); *ping.Before.P50 != 10 || ping.Before.Asked != 60 || math.Abs(*ping.P50-100) > 6 || ping.Asked != 66 || !r.From.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("%+v since %v", ping, r.From)
	}
	for _, later := range []time.Duration{6 * time.Hour, 6 * time.Hour} {
		if r := p.Chain(checks.Ping, noon.Add(later)); r.Rounds != 0 || len(r.Groups) != 0 {
			t.Errorf("after %v: %+v", later, r)
		}
	}
}

func TestWhatIsTooOldOrFromTheFutureIsNotCounted(t *testing.T) {
	p := New(noon)
	for _, at := range []time.Time{noon.Add(-3 * time.Hour), noon.Add(time.Hour), {}} {
		p.See(round("sat-a", at, at, step{check: checks.Ping, ms: 1}), nil, noon)
	}
	if r := p.Chain(checks.Ping, noon); r.Rounds != 0 {
		t.Errorf("%d rounds", r.Rounds)
	}
	if all, _ := p.Satellites(noon); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func TestASatellitesLatenessWayAndClockAreCounted(t *testing.T) {
	p := New(noon)
	for i := range 60 {
		due := noon.Add(time.Duration(i) * 10 * time.Second)
		judged := due.Add(2 * time.Second)
		begun := round("sat-a", due, judged, step{check: checks.Ping, ms: 100}, step{check: checks.TLS, ms: 10})
		begun.Trail[0].At = due.Add(600 * time.Millisecond) // begun 500 ms late
		p.See(begun, nil, judged.Add(300*time.Millisecond))
		ahead := round("sat-b", due, judged.Add(5*time.Second), step{check: checks.Ping, ms: 0})
		p.See(ahead, nil, judged) // its clock is 5 s ahead
	}
	all, from := p.Satellites(noon.Add(10 * time.Minute))
	if len(all) != 2 || !from.Equal(noon) {
		t.Fatalf("%+v since %v", all, from)
	}
	a, b := all[0], all[1]
	if a.Satellite != "sat-a" || a.Rounds != 60 || a.Checks != 120 || a.PerSecond != 0.2 || math.Abs(*a.Late.P50-500) > 32 || math.Abs(*a.Way.P50-300) > 19 || *a.Soonest != 300 {
		t.Errorf("%+v late %v way %v soonest %v", a, *a.Late.P50, *a.Way.P50, *a.Soonest)
	}
	if *b.Soonest != -5000 {
		t.Errorf("a clock that is 5 s ahead: %d ms", *b.Soonest)
	}
}

// TestWhatIsKeptIsBounded has hostile BMCs call their firmware something else in each round.
func TestWhatIsKeptIsBounded(t *testing.T) {
	if most := len(groupSlot{}.checks); len(names) > most {
		t.Fatalf("the chain has %d checks, there is room for %d", len(names), most)
	}
	p := New(noon)
	at := noon
	for i := range 20_000 {
		at = noon.Add(time.Duration(i) * 500 * time.Millisecond)
		v := round(fmt.Sprint("sat-", i), at, at, step{check: checks.Ping, ms: int64(i % 500)})
		p.See(v, facts("firmware", fmt.Sprintf("%d%0200d", i, 0)), at)
	}
	if len(p.groups) > mostGroups+1 || len(p.satellites) > mostSatellites+1 {
		t.Errorf("%d kinds, %d satellites", len(p.groups), len(p.satellites))
	}
	r := p.Chain(checks.Ping, at)
	others := slices.IndexFunc(r.Groups, func(g Group) bool { return g.Other })
	if others < 0 || r.of(checks.Ping).Asked != r.Rounds || len(r.Groups[others^1].Firmware) > mostName {
		t.Errorf("%d kinds in the report, others at %d; %d asked of %d", len(r.Groups), others, r.of(checks.Ping).Asked, r.Rounds)
	}
	p.See(round("sat-new", at.Add(4*time.Hour), at.Add(4*time.Hour), step{check: checks.Ping, ms: 1}), facts("firmware", "new"), at.Add(4*time.Hour))
	if r := p.Chain(checks.Ping, at.Add(4*time.Hour)); len(r.Groups) != 1 || r.Groups[0].Firmware != "new" {
		t.Errorf("what is gone leaves no room: %+v", r.Groups)
	}
}

// full is a pace that holds as much as it may.
func full(now time.Time) *Pace {
	p := New(now.Add(-3 * time.Hour))
	for slot := range slots {
		at := now.Add(-time.Duration(slots-1-slot) * slotLasts)
		for g := range mostGroups {
			v := round(fmt.Sprint("sat-", g), at, at, step{check: checks.Ping, ms: 10}, step{check: checks.TLS, ms: 80}, step{check: checks.RedfishLogin, ms: 500}, step{check: checks.IPMILogin, ms: 500}, step{check: checks.Power, ms: 100})
			p.See(v, facts("firmware", fmt.Sprint(g)), at)
		}
	}
	return p
}

func TestAFullPaceNeedsTwentyFourMegabytes(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := full(noon)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if mb := float64(after.HeapAlloc-before.HeapAlloc) / 1e6; mb > 26 {
		t.Errorf("%.1f MB with %d kinds and %d satellites", mb, mostGroups, mostSatellites)
	} else {
		t.Logf("%.1f MB", mb)
	}
	runtime.KeepAlive(p)
}

// BenchmarkSee is a verdict of a fleet of 300 kinds.
func BenchmarkSee(b *testing.B) {
	p := New(noon)
	var known [300][]results.Fact
	for i := range known {
		known[i] = facts("cert_not_after", "x", "firmware", fmt.Sprint("2.", i), "model", "R650", "protocol", "redfish", "serial", "x")
	}
	v := round("sat-a", noon, noon, step{check: checks.Ping, ms: 10}, step{check: checks.TLS, ms: 80}, step{check: checks.RedfishLogin, ms: 500, age: 60}, step{check: checks.Power, ms: 100, age: 60})
	v.BMC = inventory.ID("b")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.See(v, known[i%len(known)], noon)
	}
}

// BenchmarkChain is a report of as much as may be kept, made anew each time.
func BenchmarkChain(b *testing.B) {
	p := full(noon)
	b.ReportAllocs()
	for b.Loop() {
		p.reported = time.Time{}
		p.Chain(checks.TLS, noon)
	}
}
