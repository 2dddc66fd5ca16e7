package results_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

// event is a verdict that comes in, or else the clock that is looked at.
type event struct {
	at     time.Time
	word   string
	v      results.Verdict
	rounds int
}

func (e event) late() bool { return results.Late(e.v, e.at, interval) }

// story is a random life of a BMC: rounds about an interval apart, some merged, most heard at once, some hours late, twice or
// in another order; times of calm, of trouble and of flapping; and the clock is looked at now and then.
func story(r *rand.Rand) []event {
	moods := [][]string{
		{"good"}, {"good", "good", "weak", "soon", "slow"}, {"net", "tls"}, {"good", "net"}, {"good", "api", "full", "auth"},
		{"blind", "key"}, {"good", "blind", "net"}, {"good", "weak", "slow", "net", "tls", "api", "auth", "full", "blind", "key", "vague"},
	}
	var all []event
	now, lag := due, time.Duration(0)
	mood := moods[r.IntN(len(moods))]
	for range 10 + r.IntN(50) {
		now = now.Add(time.Minute + time.Duration(r.Int64N(int64(5*time.Minute))))
		if r.IntN(12) == 0 {
			mood = moods[r.IntN(len(moods))]
		}
		switch r.IntN(40) {
		case 0:
			lag = time.Duration(r.Int64N(int64(time.Hour))) // Kafka was away
		case 1, 2:
			lag = 0
		case 3:
			now = now.Add(time.Duration(r.Int64N(int64(time.Hour)))) // the satellite was
		}
		e := event{word: mood[r.IntN(len(mood))], rounds: 1, at: now.Add(15*time.Second + lag)}
		if r.IntN(8) == 0 {
			e.rounds = 1 + r.IntN(25)
			now = now.Add(time.Duration(e.rounds-1) * time.Minute)
		}
		e.v = judged(e.word, now.Truncate(time.Millisecond))
		e.at = now.Add(15*time.Second + lag)
		all = append(all, e)
		if r.IntN(6) == 0 {
			e.at = e.at.Add(time.Duration(r.Int64N(int64(20 * time.Minute))))
			all = append(all, e) // once more
		}
		if r.IntN(4) == 0 {
			all = append(all, event{at: now.Add(time.Duration(r.Int64N(int64(20 * time.Minute))))})
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return a.at.Compare(b.at) })
	return all
}

func take(s results.State, e event) (results.State, []results.Change) {
	if e.word == "" {
		return results.Age(s, e.at, interval)
	}
	return results.Apply(s, e.v, e.rounds, e.late())
}

func run(all []event) (s results.State, changes []results.Change) {
	for _, e := range all {
		var more []results.Change
		s, more = take(s, e)
		changes = append(changes, more...)
	}
	return s, changes
}

func TestWhatHoldsForAnyStory(t *testing.T) {
	stories := uint64(10_000)
	if os.Getenv("LAMPLIGHTER_LONG") != "" {
		stories = 100_000
	}
	var flapped, caughtUp, unknown atomic.Uint64
	t.Run("stories", func(t *testing.T) {
		for part := range uint64(runtime.GOMAXPROCS(0)) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < stories; seed += uint64(runtime.GOMAXPROCS(0)) {
					for _, c := range live(t, seed) {
						switch {
						case c.Kind == results.StoppedFlapping:
							flapped.Add(1)
						case c.Late:
							caughtUp.Add(1)
						case c.Kind == results.WentUnknown || c.Kind == results.WentSilent:
							unknown.Add(1)
						}
					}
				}
			})
		}
	})
	if few := stories / 50; flapped.Load() < few || caughtUp.Load() < few || unknown.Load() < few {
		t.Errorf("in %d stories flapping ended %d times, %d changes were late, %d Unknown: they are too dull to prove anything",
			stories, flapped.Load(), caughtUp.Load(), unknown.Load())
	}
}

// live holds one story against everything that holds for any, and returns its changes.
func live(t *testing.T, seed uint64) []results.Change {
	r := rand.New(rand.NewPCG(seed, 4))
	all := story(r)
	state, changes := run(all)
	for _, wrong := range []error{
		followsTheNaiveModel(all), nothingOldIsNew(r, all), needsProof(all), addsUp(state, changes),
		countsWithoutTheUnknown(all), countsWhatIsMerged(all), flaps(state),
	} {
		if wrong != nil {
			t.Fatalf("seed %d: %v", seed, wrong)
		}
	}
	if seed%100 == 0 {
		checkDocuments(t, state, changes)
	}
	return changes
}

func followsTheNaiveModel(all []event) error {
	m := naive{}
	var s results.State
	for i, e := range all {
		var changes []results.Change
		s, changes = take(s, e)
		want := m.take(e)
		if got := s.Believed(); got != m.shown() {
			return fmt.Errorf("after %s: %v is believed, want %v", told1(all[:i+1]), got, m.shown())
		}
		if got := told(changes); got != want {
			return fmt.Errorf("after %s: told %q, want %q", told1(all[:i+1]), got, want)
		}
		if (s.Flapping != nil) != m.flapping || s.Rounds != uint64(len(m.findings)) {
			return fmt.Errorf("after %s: flapping %v of %d rounds, want %v of %d", told1(all[:i+1]), s.Flapping, s.Rounds, m.flapping, len(m.findings))
		}
	}
	return nil
}

func told1(all []event) (text string) {
	for _, e := range all {
		text += fmt.Sprintf(" %s%s*%d", e.at.Sub(due).Truncate(time.Second), cmp.Or("/"+e.word, "/age"), e.rounds)
	}
	return text
}

// nothingOldIsNew: a verdict that was taken in, or an older one that the BMC never had, changes nothing at all.
func nothingOldIsNew(r *rand.Rand, all []event) error {
	var s results.State
	for i, e := range all {
		s, _ = take(s, e)
		old := all[r.IntN(i+1)]
		if old.word == "" || i%4 > 0 {
			continue
		}
		if s.Found != nil {
			made := old.v.Round.Due
			if made.After(s.Found.Round.Due) {
				made = s.Found.Round.Due
			}
			old.v = judged("auth", made.Add(-time.Duration(r.IntN(100))*time.Second))
		}
		if s.Found == nil && old.v.Round.Due.After(s.LastRound.Due) {
			continue
		}
		again, changes := results.Apply(s, old.v, old.rounds, r.IntN(2) == 0)
		if len(changes) > 0 || again != s {
			return fmt.Errorf("after %s: %v once more changed %+v to %+v", told1(all[:i+1]), old.v.Round, s, again)
		}
	}
	return nil
}

// needsProof: nobody is, or is told to be, unavailable but by a round whose trail shows it.
func needsProof(all []event) error {
	var s results.State
	seen := map[results.Belief]bool{}
	for _, e := range all {
		if e.word != "" && results.Admit(e.v, e.at) == nil {
			seen[results.Belief{Health: e.v.Health, Failed: e.v.Failed, Reason: e.v.Reason}] = true
		}
		var changes []results.Change
		s, changes = take(s, e)
		if s.Health == checks.Unavailable && !seen[s.Believed()] {
			return fmt.Errorf("%v and no round proves it", s.Believed())
		}
		for _, c := range changes {
			if c.Kind != results.HealthChanged || c.To.Health != checks.Unavailable {
				continue
			}
			if last := c.Trail[len(c.Trail)-1]; last.Outcome != checks.Failed || last.Reason != c.To.Reason || c.Round != e.v.Round {
				return fmt.Errorf("change %s to %v by %+v", c.ID, c.To, c.Trail)
			}
		}
	}
	return nil
}

// addsUp: each change begins where the one before ended, none is told twice, and together they are what is believed.
func addsUp(s results.State, changes []results.Change) error {
	var sum results.Belief
	ids, flapping := map[string]bool{}, false
	for _, c := range changes {
		if ids[c.ID] {
			return fmt.Errorf("change %s twice", c.ID)
		}
		ids[c.ID] = true
		if c.Kind == results.StartedFlapping || c.Kind == results.StoppedFlapping {
			if flapping == (c.Kind == results.StartedFlapping) || c.From != c.To {
				return fmt.Errorf("change %s while flapping is %v", c.ID, flapping)
			}
			flapping = !flapping
			continue
		}
		if c.From != sum && (c.From.Health != checks.Unknown || sum.Health != checks.Unknown) || c.From == c.To {
			return fmt.Errorf("change %s from %v to %v after %v", c.ID, c.From, c.To, sum)
		}
		sum = c.To
	}
	now, nowFlapping := s.Believed(), s.Flapping != nil
	if s.Untold != nil {
		now, nowFlapping = s.Untold.Belief, s.Untold.Flapping
	}
	if flapping != nowFlapping || now != sum && (now.Health != checks.Unknown || sum.Health != checks.Unknown) {
		return fmt.Errorf("the changes add up to %v (flapping %v), the state was told as %v (%v)", sum, flapping, now, nowFlapping)
	}
	return nil
}

// counts are all of a state that a count stands in.
func counts(s results.State) any {
	known := s.Believed()
	switch {
	case s.LastKnown != nil:
		known = s.LastKnown.Belief
	case known.Health == checks.Unknown:
		known = results.Belief{} // why is not a count
	}
	var soft results.Soft
	if s.Soft != nil {
		soft = *s.Soft
	}
	return fmt.Sprint(known, soft, s.Window, s.Flapping, s.Rounds, s.LastGoodAt, s.NeverSeen, s.Found)
}

// countsWithoutTheUnknown: Unknown rounds move no count, whenever they come.
func countsWithoutTheUnknown(all []event) error {
	var known []event
	for _, e := range all {
		if e.word != "" && e.v.Health != checks.Unknown && e.word != "vague" {
			known = append(known, e)
		}
	}
	with, _ := run(all)
	without, _ := run(known)
	if len(known) > 0 && counts(with) != counts(without) {
		return fmt.Errorf("with Unknown %v, without %v", counts(with), counts(without))
	}
	return nil
}

// countsWhatIsMerged: a record that stands for several rounds counts as each of them would.
func countsWhatIsMerged(all []event) error {
	var single []event
	for _, e := range all {
		for i := range max(1, e.rounds) {
			one := e
			one.rounds = 1
			one.v.Round.Due = one.v.Round.Due.Add(time.Duration(i-max(1, e.rounds)+1) * time.Second)
			single = append(single, one)
		}
	}
	merged, _ := run(all)
	each, _ := run(single)
	if counts(merged) != counts(each) {
		return fmt.Errorf("merged %v, one by one %v", counts(merged), counts(each))
	}
	return nil
}

// flaps: from any state flapping is found within ten alternating rounds, and left within twenty quiet ones.
func flaps(s results.State) error {
	at := due.AddDate(0, 0, 1)
	for i := range 10 {
		s, _ = results.Apply(s, judged([]string{"api", "good"}[i%2], at.Add(time.Duration(i)*time.Minute)), 1, false)
	}
	if s.Flapping == nil {
		return fmt.Errorf("not flapping: %+v", s)
	}
	for i := range 20 {
		s, _ = results.Apply(s, judged("good", at.Add(time.Duration(20+i)*time.Minute)), 1, false)
	}
	if s.Flapping != nil || s.Health != checks.Available {
		return fmt.Errorf("still flapping: %+v", s)
	}
	return nil
}
