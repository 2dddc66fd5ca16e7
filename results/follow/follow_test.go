package follow_test

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/follow"
	"lamplighter/results/store"
	"lamplighter/results/store/sqlite"
	"lamplighter/results/store/storetest"
)

const interval = 5 * time.Minute

// running is a Follower that runs.
type running struct {
	*follow.Follower
	store store.Store
	stop  func()
}

// start runs a Follower on the store in a directory.
func start(t *testing.T, dir string, c follow.Config) *running {
	t.Helper()
	if testing.Verbose() {
		c.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	kept, err := sqlite.Open(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c.Store, c.Name = kept, "results-1"
	if c.Interval == 0 {
		c.Interval = interval
	}
	f, err := follow.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r := &running{f, kept, sync.OnceFunc(func() {
		cancel()
		group.Wait()
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})}
	t.Cleanup(r.stop)
	return r
}

// history is what a BMC's rounds find, one after the other: each round fails in its own pattern.
func history(bmc string, n int) checks.Reason {
	seed := 0
	for _, letter := range bmc {
		seed = seed*31 + int(letter)
	}
	switch phase := (n + seed) % 23; {
	case phase < 4:
		return checks.NetTimeout
	case phase == 9, phase == 10:
		return checks.AuthRejected
	case phase == 14:
		return checks.APITimeout
	}
	return ""
}

// nth is the nth verdict of a BMC, counted from a time.
func nth(from time.Time, step time.Duration, bmc string, n int) results.Verdict {
	return storetest.VerdictOf(bmc, n, from.Add(time.Duration(n)*step).Truncate(time.Millisecond).UTC(), history(bmc, n))
}

// believed is what has to be believed after a number of rounds, and what the news was.
func believed(from time.Time, step time.Duration, bmc string, rounds int) (state results.State, all []results.Change) {
	for n := range rounds {
		var changes []results.Change
		state, changes = results.Apply(state, nth(from, step, bmc, n), 1, false)
		all = append(all, changes...)
	}
	return state, all
}

func TestAVerdictOfThisProcessIsKeptAndTold(t *testing.T) {
	dir, from := t.TempDir(), time.Now().Add(-2*time.Minute)
	r := start(t, dir, follow.Config{Wait: time.Millisecond})
	_, deltas, stop := r.Live().Subscribe()
	defer stop()
	var group sync.WaitGroup
	for _, bmc := range []string{"a", "b", "c"} {
		group.Go(func() {
			for n := range 50 {
				if err := r.Emit(t.Context(), nth(from, time.Second, bmc, n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	told := map[inventory.ID][]results.Change{}
	_, version := r.Live().Version()
	for last := uint64(0); last < version; {
		d := <-deltas
		if d.Version != last+1 {
			t.Fatalf("delta %d after %d", d.Version, last)
		}
		last = d.Version
		for _, c := range d.Changes {
			told[c.BMC] = append(told[c.BMC], c)
		}
	}
	for range 2 {
		for _, bmc := range []string{"a", "b", "c"} {
			state, changes := believed(from, time.Second, bmc, 50)
			got := r.Live().Get(inventory.ID(bmc))
			if got == nil || !reflect.DeepEqual(got.State, state) {
				t.Errorf("%s: got %+v, want %+v", bmc, got, state)
			}
			if len(got.Facts) < 10 {
				t.Errorf("%s: facts %v", bmc, got.Facts)
			}
			if !reflect.DeepEqual(told[inventory.ID(bmc)], changes) {
				t.Errorf("%s: told %d changes, want %d", bmc, len(told[inventory.ID(bmc)]), len(changes))
			}
		}
		r.stop()
		r = start(t, dir, follow.Config{})
	}
	if err := r.Emit(t.Context(), nth(from, time.Second, "a", 49)); err != nil {
		t.Error(err)
	}
	if s := r.Stats(); s.Known != 1 || s.Verdicts != 1 || s.Changes != 0 {
		t.Errorf("a verdict that came again: %+v", s)
	}
}

func TestWhoLooksOnSeesEachVerdictOnceAsNewWithWhatItsBMCIsKnownBy(t *testing.T) {
	var mu sync.Mutex
	isNew, known := map[bool]int{}, 0
	r := start(t, t.TempDir(), follow.Config{Wait: time.Millisecond, Seen: func(v *results.Verdict, rounds int, facts []results.Fact, news bool) {
		mu.Lock()
		defer mu.Unlock()
		isNew[news]++
		if v.BMC != "a" || rounds != 1 {
			t.Errorf("%s, %d rounds", v.Round, rounds)
		}
		known = len(facts)
	}})
	from := time.Now().Add(-2 * time.Minute)
	for _, n := range []int{6, 7, 7, 8} {
		if err := r.Emit(t.Context(), nth(from, time.Second, "a", n)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if isNew[true] != 3 || isNew[false] != 1 || known < 10 {
		t.Errorf("%v, %d facts", isNew, known)
	}
}

func TestEmitFailsOnceTheFollowerEnded(t *testing.T) {
	r := start(t, t.TempDir(), follow.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r.stop()
	if err := r.Emit(ctx, nth(time.Now().Add(-time.Minute), time.Second, "a", 0)); err == nil {
		t.Error("it was taken")
	}
}

func TestWhatIsNoVerdictIsCountedByItsFault(t *testing.T) {
	r := start(t, t.TempDir(), follow.Config{Wait: time.Millisecond, Knows: func(id inventory.ID) bool { return id != "stranger" }})
	now := time.Now().UTC().Truncate(time.Millisecond)
	good := storetest.VerdictOf("a", 0, now.Add(-time.Minute), "")
	future := storetest.VerdictOf("a", 0, now.Add(time.Hour), "")
	unproven := storetest.VerdictOf("a", 1, now.Add(-30*time.Second), checks.NetTimeout)
	unproven.Trail = nil
	other, nameless := good, good
	other.Schema = "lamplighter.verdict.v2"
	nameless.BMC = "b"
	for _, v := range []results.Verdict{good, future, unproven, other, nameless, storetest.VerdictOf("stranger", 0, now.Add(-time.Minute), ""), good} {
		if err := r.Emit(t.Context(), v); err != nil {
			t.Error(err)
		}
	}
	want := map[results.Fault]uint64{results.FromFuture: 1, results.Unproven: 1, results.OtherForm: 1, results.Nameless: 1, results.UnknownBMC: 1}
	if s := r.Stats(); !reflect.DeepEqual(s.Refused, want) || s.Verdicts != 2 || s.Known != 1 {
		t.Errorf("got %+v, want refused %v", s, want)
	}
	if all, _ := r.Live().All(); len(all) != 1 || all[0].State.LastRound.String() != good.Round.String() {
		t.Errorf("believed: %+v", all)
	}
}

func TestWhoReadsTooSlowlyIsToldToBeginAgain(t *testing.T) {
	r := start(t, t.TempDir(), follow.Config{Wait: time.Nanosecond, Batch: 1})
	version, deltas, stop := r.Live().Subscribe()
	defer stop()
	from := time.Now().Add(-4 * time.Minute)
	for n := range 100 {
		if err := r.Emit(t.Context(), nth(from, time.Second, "a", n)); err != nil {
			t.Fatal(err)
		}
	}
	seen := version
	for d := range deltas {
		seen = d.Version
	}
	missed, ok := r.Live().Since(seen)
	if _, last := r.Live().Version(); !ok || seen == version || seen+uint64(len(missed)) != last {
		t.Errorf("seen to %d, missed %d (%v), the newest is %d", seen, len(missed), ok, last)
	}
	if _, ok := r.Live().Since(1 << 40); ok {
		t.Error("a version that never was is known")
	}
}

func TestAllAreInOrderAndAReadersSliceStays(t *testing.T) {
	r := start(t, t.TempDir(), follow.Config{Wait: time.Millisecond})
	from := time.Now().Add(-time.Minute)
	for _, bmc := range []string{"c", "a", "b"} {
		if err := r.Emit(t.Context(), nth(from, time.Second, bmc, 0)); err != nil {
			t.Fatal(err)
		}
	}
	all, _ := r.Live().All()
	if err := r.Emit(t.Context(), nth(from, time.Second, "a", 1)); err != nil {
		t.Fatal(err)
	}
	newer, _ := r.Live().All()
	line := ""
	for i := range all {
		line += fmt.Sprint(all[i].State.BMC, all[i].State.Seq, newer[i].State.BMC, newer[i].State.Seq, " ")
	}
	if line != "a1a2 b1b1 c1c1 " && line != "a 1 a 2 b 1 b 1 c 1 c 1 " {
		t.Errorf("got %q", line)
	}
}
