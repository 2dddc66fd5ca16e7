package results_test

import (
	"reflect"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// at is when the round of the Nth interval is judged, in stories.
func at(n float64) time.Time {
	return due.Add(time.Duration(n*float64(interval)) + 10*time.Second)
}

func TestSinceIsWhenItBrokeNotWhenItWasBelieved(t *testing.T) {
	s, changes := play("1:good good net tls net")
	last := changes[len(changes)-1]
	if !s.Since.Equal(at(3)) || !last.Since.Equal(at(3)) || !last.At.Equal(at(5)) {
		t.Errorf("since %v, the change since %v at %v; want since %v at %v", s.Since, last.Since, last.At, at(3), at(5))
	}
	if s, _ = play("1:auth good net good blind good"); !s.Since.Equal(at(4)) {
		t.Errorf("recovered since %v, want the first of the two good rounds, %v", s.Since, at(4))
	}
	if s, _ = play("1:auth age=9 10:auth"); !s.Since.Equal(at(1)) {
		t.Errorf("after silence: since %v, want %v: it was never well", s.Since, at(1))
	}
}

func TestABMCThatNeverWorkedIsAMatterOfTheInventory(t *testing.T) {
	s, changes := play("1:net net net")
	if !s.NeverSeen || s.Owner != checks.OwnerInventory || s.NextStep == "" || !changes[0].NeverSeen || changes[0].Owner != checks.OwnerInventory {
		t.Errorf("never seen: %+v", s)
	}
	if s, _ = play("1:weak net net net"); s.NeverSeen || s.Owner != checks.OwnerNetwork || s.NextStep != checks.NetTimeout.Info().NextStep {
		t.Errorf("seen once: never seen %v, owner %s", s.NeverSeen, s.Owner)
	}
	if s, _ = play("1:auth good auth"); s.NeverSeen || s.Owner != checks.OwnerCredentials {
		t.Errorf("good in between: never seen %v, owner %s", s.NeverSeen, s.Owner)
	}
	if s, _ = play("1:blind age=4"); !s.NeverSeen || s.Owner != checks.OwnerUs {
		t.Errorf("we never found out: never seen %v, owner %s", s.NeverSeen, s.Owner)
	}
}

func TestLastGoodIsTheLastRoundThatWentThrough(t *testing.T) {
	if s, _ := play("1:good weak net blind age=9"); !s.LastGoodAt.Equal(at(2)) {
		t.Errorf("last good at %v, want %v", s.LastGoodAt, at(2))
	}
	if s, _ := play("1:full full"); !s.LastGoodAt.IsZero() {
		t.Errorf("last good at %v, and it never was", s.LastGoodAt)
	}
}

func TestBesideUnknownStandsWhatWasKnownLast(t *testing.T) {
	s, _ := play("1:auth good blind key age=4.1")
	want := results.LastKnown{Belief: results.Belief{Health: checks.Unavailable, Failed: checks.RedfishLogin, Reason: checks.AuthRejected}, Since: at(1), At: at(2)}
	if s.LastKnown == nil || !reflect.DeepEqual(*s.LastKnown, want) {
		t.Errorf("got %+v, want %+v", s.LastKnown, want)
	}
	if s.Missed == nil || s.Missed.Rounds != 2 || s.Missed.Reason != checks.SelfKeyring || !s.Missed.Since.Equal(at(3)) || !s.LastAt.Equal(at(4)) {
		t.Errorf("unknown %+v, last at %v", s.Missed, s.LastAt)
	}
	if s.Owner != checks.OwnerUs || s.NextStep != checks.SelfKeyring.Info().NextStep || !s.Since.Equal(at(3)) {
		t.Errorf("owner %s, next step %q, since %v", s.Owner, s.NextStep, s.Since)
	}
	if s, _ = play("1:good age=4 5:net"); s.LastKnown == nil || !s.LastKnown.At.Equal(at(5)) {
		t.Errorf("heard again, and not yet believed: %+v, want last known at %v", s.LastKnown, at(5))
	}
	if s, _ = play("1:good blind good blind"); s.Missed == nil || s.Missed.Rounds != 1 || !s.Missed.Since.Equal(at(4)) {
		t.Errorf("a round in between: %+v, want one since %v", s.Missed, at(4))
	}
	if s, _ = play("1:auth age=4 auth"); s.LastKnown != nil || s.Missed != nil {
		t.Errorf("known again: %+v, %+v", s.LastKnown, s.Missed)
	}
}

func TestAVerdictThatDoesNotKnowThePlaceLeavesIt(t *testing.T) {
	s, _ := play("1:good")
	lost := judged("key", due.Add(time.Hour))
	lost.Address, lost.Site, lost.Rack, lost.Unit = "", "", "", 0
	if s, _ = results.Apply(s, lost, 1, false); s.Address != "10.0.0.7" || s.Rack != "A03" || s.Unit != 7 {
		t.Errorf("got %s %s %v", s.Address, s.Rack, s.Unit)
	}
	moved := judged("good", due.Add(2*time.Hour))
	moved.Address, moved.Rack = "10.0.0.8", "B01"
	if s, _ = results.Apply(s, moved, 1, false); s.Address != "10.0.0.8" || s.Rack != "B01" {
		t.Errorf("got %s %s", s.Address, s.Rack)
	}
}

func TestAChangeIsNamedByItsRound(t *testing.T) {
	_, changes := play("1:good 2:auth 3:blind age=9")
	for i, want := range []string{"a@2026-11-22T03:05:00.000Z#health", "a@2026-11-22T03:10:00.000Z#health", "a@2026-11-22T03:15:00.000Z#silent"} {
		if changes[i].ID != want {
			t.Errorf("change %d is %s, want %s", i, changes[i].ID, want)
		}
	}
	auth := changes[1]
	if auth.BMC != "a" || auth.Rack != "A03" || auth.Address != "10.0.0.7" || auth.From.Health != checks.Available || auth.Owner != checks.OwnerCredentials ||
		len(auth.Trail) != 1 || auth.Trail[0].Reason != checks.AuthRejected || auth.Round.String() != "a@2026-11-22T03:10:00.000Z#routine" {
		t.Errorf("got %+v", auth)
	}
}

func TestSeqGrowsByOneWithEachChangeOfTheDocument(t *testing.T) {
	var s results.State
	for i, word := range []string{"good", "good", "blind", "net", "net"} {
		if s, _ = results.Apply(s, judged(word, due.Add(time.Duration(i)*interval)), 1, false); s.Seq != uint64(i+1) {
			t.Errorf("after %d: seq %d", i+1, s.Seq)
		}
	}
	if s, _ = results.Age(s, at(4), interval); s.Seq != 5 {
		t.Errorf("aged too soon: seq %d", s.Seq)
	}
	if s, _ = results.Age(s, at(9), interval); s.Seq != 6 {
		t.Errorf("aged: seq %d", s.Seq)
	}
	if s, _ = results.Age(s, at(10), interval); s.Seq != 6 {
		t.Errorf("aged again: seq %d", s.Seq)
	}
}

func TestAVerdictIsLateAfterTwoIntervals(t *testing.T) {
	v := judged("good", due)
	if results.Late(v, v.At.Add(2*interval), interval) || !results.Late(v, v.At.Add(2*interval+1), interval) {
		t.Error("want late after, and not at, two intervals")
	}
}

// What a satellite counts to decide when to look again, and what is believed here, are the same.
func TestASatelliteLooksAgainAsLongAsAFailureIsNotBelieved(t *testing.T) {
	for word := range findings {
		var s results.State
		var streak results.Streak
		for i, word := range []string{"good", word, word, word, word} {
			v := judged(word, due.Add(time.Duration(i)*interval))
			_, again := results.Confirm(streak, v)
			streak = streak.After(v)
			s, _ = results.Apply(s, v, 1, false)
			if waits := s.Soft != nil && v.Failed != ""; waits != again {
				t.Errorf("%s, round %d: the satellite looks again: %v; not believed yet: %v", word, i, again, waits)
			}
		}
	}
}

func BenchmarkApply(b *testing.B) {
	for _, bench := range []struct{ name, other string }{{"steady", "good"}, {"flapping", "net"}} {
		b.Run(bench.name, func(b *testing.B) {
			var s results.State
			v := []results.Verdict{judged("good", due), judged(bench.other, due)}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				round := v[i%2]
				round.Round.Due = due.Add(time.Duration(i) * time.Millisecond)
				s, _ = results.Apply(s, round, 1, false)
			}
		})
	}
}

func BenchmarkAge(b *testing.B) {
	s, _ := play("1:good")
	b.ReportAllocs()
	for b.Loop() {
		s, _ = results.Age(s, at(2), interval)
	}
}
