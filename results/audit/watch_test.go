package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/spool"
)

// post is a site of one satellite beside a Watch in the same process, as lamplighter all has them.
type post struct {
	*Watch
	books *Books

	mu    sync.Mutex // guards the following
	heard time.Time
	fleet []inventory.BMC
}

func newPost(t *testing.T, bmcs int) *post {
	p := &post{heard: time.Now()}
	p.list(bmcs)
	p.Watch = NewWatch(WatchConfig{Interval: interval, Settle: 10 * time.Minute, Listening: p.listening, Fleet: func() []inventory.BMC {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.fleet
	}})
	p.books = NewBooks(Config{Site: "ams1", Satellite: "sat-a", Version: "1.2", Write: p.Write})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = p.Run(ctx) })
	group.Go(func() { _ = p.books.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	return p
}

func (p *post) listening() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard
}

// listen says since when verdicts are heard.
func (p *post) listen(since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = since
}

func (p *post) list(bmcs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fleet = nil
	for i := range bmcs {
		p.fleet = append(p.fleet, inventory.BMC{ID: inventory.ID(fmt.Sprint("bmc-", i)), Site: "ams1"})
	}
}

// goRound has the rounds of so many intervals gone through; of a round lost says how far it comes.
func (p *post) goRound(intervals int, lost func(round checks.Round) Where) {
	for until := time.Now().Add(time.Duration(intervals) * interval); time.Now().Before(until); {
		for _, bmc := range p.fleet {
			if due := checks.Due(bmc.ID, interval, time.Now()); due.Before(time.Now().Add(time.Second)) {
				p.round(checks.Round{BMC: bmc.ID, Due: due, Why: checks.Routine}, lost)
			}
		}
		time.Sleep(time.Second)
	}
}

func (p *post) round(round checks.Round, lost func(round checks.Round) Where) {
	where := lost(round)
	if where == NotStarted {
		return
	}
	if where == "skipped" {
		p.books.Skipped(round, "overload")
		return
	}
	p.books.Started(round)
	if where == NotJudged {
		return
	}
	p.books.Judged(round)
	if where != NotOnKafka {
		p.Verdict("ams1", "sat-a", round, 1)
	}
}

func (p *post) only(t *testing.T) Site {
	t.Helper()
	all := p.Sites()
	if len(all) != 1 || all[0].Site != "ams1" {
		t.Fatalf("%+v", all)
	}
	return all[0]
}

func TestAWatchNamesWhatIsMissingWhereAndWhoIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, 20)
		p.goRound(4, func(checks.Round) Where { return "" })
		if s := p.only(t); s.Lost != 0 || s.Silent != 0 || s.BMCs != 20 {
			t.Errorf("before anything is judged: %+v", s)
		}
		n := 0
		p.goRound(12, func(round checks.Round) Where {
			if round.BMC == "bmc-7" {
				return NotStarted
			}
			n++
			return []Where{NotJudged, NotOnKafka, "skipped", ""}[min(3, n%25)]
		})
		time.Sleep(20 * time.Minute) // until all is judged; meanwhile nothing is due for who listens to
		s := p.only(t)
		places := map[Where]int{}
		for _, loss := range s.LostRounds {
			places[loss.Where]++
		}
		if s.Expected == 0 || s.Expected != s.Seen+s.Skipped+s.Lost || places[NotStarted] == 0 || places[NotJudged] == 0 || places[NotOnKafka] == 0 || s.Skipped == 0 {
			t.Errorf("%+v; places %v", s, places)
		}
		at := slices.IndexFunc(s.SilentBMCs, func(silent Silence) bool { return silent.BMC == "bmc-7" })
		if at != 0 || s.Silent < 1 || s.SilentBMCs[at].Since.After(s.From.Add(6*interval)) {
			t.Errorf("silent: %+v", s.SilentBMCs)
		}
		if !slices.IsSortedFunc(s.LostRounds, func(a, b Loss) int { return b.Due.Compare(a.Due) }) {
			t.Error("the newest losses do not come first")
		}
		sat := s.Satellites[0]
		if sat.Satellite != "sat-a" || sat.Version != "1.2" || sat.Since.IsZero() || sat.ReportedAt.IsZero() || sat.Started <= sat.Judged || sat.Judged <= sat.Seen {
			t.Errorf("%+v", sat)
		}
	})
}

func TestARoundThatComesAfterAllIsLostNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, 10)
		var missing []checks.Round
		p.goRound(8, func(round checks.Round) Where {
			if round.BMC == "bmc-3" {
				missing = append(missing, round)
				return NotOnKafka
			}
			return ""
		})
		time.Sleep(time.Second / 2) // at the same instant it may take stock before or after this
		before := p.only(t)
		if before.Lost < 2 || before.Silent != 1 {
			t.Fatalf("%+v", before)
		}
		for _, round := range missing {
			p.Verdict("ams1", "sat-a", round, 1)
		}
		p.goRound(4, func(checks.Round) Where { return "" })
		if after := p.only(t); after.Late != before.Lost || len(after.LostRounds) != 0 || after.Silent != 0 {
			t.Errorf("%+v", after)
		}
	})
}

func TestNothingIsJudgedWhileVerdictsAreNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, 10)
		p.listen(time.Time{})
		lost := func(checks.Round) Where { return NotStarted }
		p.goRound(12, lost)
		if s := p.only(t); s.Expected != 0 || s.Lost != 0 || s.Pending == 0 {
			t.Errorf("%+v", s)
		}
		p.listen(time.Now())
		p.goRound(1, lost)
		if s := p.only(t); s.Lost == 0 || s.Silent != 10 {
			t.Errorf("%+v", s)
		}
	})
}

func TestABMCThatComesIsExpectedALittleLaterAndOneThatLeftNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, 10)
		good := func(checks.Round) Where { return "" }
		p.goRound(6, good)
		p.list(14) // none of the four is asked yet
		time.Sleep(2 * interval)
		p.goRound(6, good)
		p.list(5)
		p.goRound(6, good)
		s := p.only(t)
		lost := slices.ContainsFunc(s.LostRounds, func(l Loss) bool { return l.BMC >= "bmc-10" && l.BMC <= "bmc-13" })
		if s.BMCs != 5 || lost || s.Silent != 0 || s.Lost != 20 { // the two intervals in which nobody was asked
			t.Errorf("%+v", s)
		}
	})
}

func TestSumsReachBackADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, 3)
		p.goRound(30*12, func(checks.Round) Where { return "" }) // 30 h
		s := p.only(t)
		if day := s.Until.Sub(s.From); day < 23*time.Hour || day > 24*time.Hour || s.Expected < int(day/interval)*3 || s.Expected > int(day/interval+1)*3 || s.Seen != s.Expected {
			t.Errorf("%v: %+v", s.Until.Sub(s.From), s)
		}
	})
}

func TestAWatchThatIsToldTooMuchBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, 3)
		p.goRound(6, func(checks.Round) Where { return "" })
		synctest.Wait()
		for range mostTold + 10 {
			p.Verdict("ams1", "sat-a", checks.Round{BMC: "bmc-1", Due: time.Now(), Why: checks.Person}, 1)
		}
		time.Sleep(time.Minute)
		if s := p.only(t); s.Lost != 0 || s.Expected != 0 || s.From.Before(time.Now()) {
			t.Errorf("%+v", s)
		}
	})
}

func TestADocumentThatIsNoneIsRefused(t *testing.T) {
	w := NewWatch(WatchConfig{Interval: interval})
	for _, kind := range []spool.Kind{spool.Skip, spool.Tally} {
		for _, text := range []string{"", "{}", "nonsense", `{"schema":"lamplighter.verdict.v1"}`} {
			if w.Take(kind, []byte(text), 1) == nil {
				t.Errorf("kind %d: %q is taken in", kind, text)
			}
		}
	}
	if err := w.Take(spool.Gap, []byte("{}"), 1); err != nil || len(w.told) != 0 {
		t.Errorf("%v, %d", err, len(w.told))
	}
}

// FuzzTake has a Watch read what anybody wrote, and take stock.
func FuzzTake(f *testing.F) {
	for _, of := range []any{results.Skip{Schema: results.SkipSchema, Site: "a", Round: checks.Round{BMC: "b", Due: noon, Why: checks.Routine}}, results.Tally{Schema: results.TallySchema, Satellite: "s", Tier: results.Started, Minute: noon, Rounds: 3}} {
		text, err := json.Marshal(of)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(true, text, uint64(1))
		f.Add(false, text, uint64(1<<40))
	}
	f.Fuzz(func(t *testing.T, skip bool, text []byte, rounds uint64) {
		w := NewWatch(WatchConfig{Interval: interval, Listening: func() time.Time { return noon }, Fleet: func() []inventory.BMC { return nil }})
		_ = w.Take(map[bool]spool.Kind{true: spool.Skip, false: spool.Tally}[skip], text, rounds)
		w.take(noon)
		w.look(noon.Add(time.Hour))
		if _, err := json.Marshal(w.Sites()); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkWatch is a fleet of 100,000 for an interval: what it takes by the verdict, and keeps.
func BenchmarkWatch(b *testing.B) {
	const bmcs = 100_000
	fleet := make([]inventory.BMC, bmcs)
	for i := range fleet {
		fleet[i] = inventory.BMC{ID: inventory.ID(fmt.Sprintf("ams1-%06d", i)), Site: "ams1"}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := NewWatch(WatchConfig{Interval: interval, Settle: 10 * time.Minute, Listening: func() time.Time { return noon }, Fleet: func() []inventory.BMC { return fleet }})
	w.look(noon)
	now := noon.Add(2 * interval)
	for b.Loop() {
		now = now.Add(interval)
		for i := range fleet {
			w.Verdict("ams1", "sat-a", checks.Round{BMC: fleet[i].ID, Due: checks.Due(fleet[i].ID, interval, now), Why: checks.Routine}, 1)
		}
		w.take(now)
		w.look(now)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/bmcs, "ns/verdict")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
	runtime.KeepAlive(w)
}
