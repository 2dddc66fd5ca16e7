package audit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

const interval = 5 * time.Minute

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// site is two satellites that go round a fleet for a while, and what they put on Kafka.
type site struct {
	fleet    []inventory.ID
	from, to time.Time
	rounds   []checks.Round // routine, by due
	books    map[string]*tallies

	verdicts []Verdict
	skips    []results.Skip
	tallies  []results.Tally
}

func newSite(bmcs int, lasts time.Duration) *site {
	s := &site{from: noon, to: noon.Add(lasts), books: map[string]*tallies{"sat-a": newTallies(noon), "sat-b": newTallies(noon)}}
	for i := range bmcs {
		id := inventory.ID(fmt.Sprint("bmc-", i))
		s.fleet = append(s.fleet, id)
		for due := checks.Due(id, interval, s.from); due.Before(s.to); due = due.Add(interval) {
			s.rounds = append(s.rounds, checks.Round{BMC: id, Due: due, Why: checks.Routine})
		}
	}
	slices.SortFunc(s.rounds, func(a, b checks.Round) int { return a.Due.Compare(b.Due) })
	return s
}

// owner is who goes round a BMC.
func owner(id inventory.ID) string {
	return []string{"sat-a", "sat-b"}[checks.Spread(id, "owner")%2]
}

// run goes through a round up to a tier; "" puts its verdict on Kafka.
func (s *site) run(satellite string, round checks.Round, lost Where) {
	if lost == NotStarted {
		return
	}
	s.books[satellite].add(results.Started, round)
	if lost == NotJudged {
		return
	}
	s.books[satellite].add(results.Judged, round)
	if lost == NotOnKafka {
		return
	}
	s.verdicts = append(s.verdicts, Verdict{round, satellite, 1})
}

// tick writes the tallies that are due.
func (s *site) tick(now time.Time) {
	for name, t := range s.books {
		for _, tally := range t.close(now) {
			tally.Satellite = name
			s.tallies = append(s.tallies, tally)
		}
	}
}

// ledger takes in all records in no order, some of them twice.
func (s *site) ledger(random *rand.Rand) *Ledger {
	l := New(Plan{Fleet: s.fleet, Interval: interval, From: s.from})
	var take []func()
	for _, v := range s.verdicts {
		take = append(take, func() { l.Verdict(v) })
	}
	for _, skip := range s.skips {
		take = append(take, func() { l.Skip(skip, 1) })
	}
	for _, tally := range s.tallies {
		take = append(take, func() { l.Tally(tally) })
	}
	for _, again := range take {
		if random.IntN(10) == 0 {
			take = append(take, again)
		}
	}
	random.Shuffle(len(take), func(i, j int) { take[i], take[j] = take[j], take[i] })
	for _, do := range take {
		do()
	}
	return l
}

// Whatever is lost, wherever: exactly that is named, with the place, over many random sites.
func TestWhatIsLostIsNamedAndNothingElse(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := newSite(300, time.Hour)
		want := map[checks.Round]Where{}
		now := noon
		for _, round := range s.rounds {
			for ; now.Before(round.Due); now = now.Add(time.Minute) {
				s.tick(now)
			}
			switch place := []Where{NotStarted, NotJudged, NotOnKafka, "skipped", "taken over", ""}[min(5, random.IntN(100))]; place {
			case "skipped":
				s.skips = append(s.skips, results.Skip{BMC: round.BMC, Round: round, Why: "overload"})
			case "taken over": // both judge it; the tallies of both have it
				s.run("sat-a", round, "")
				s.run("sat-b", round, "")
			case "":
				s.run(owner(round.BMC), round, "")
			default:
				want[round] = place
				s.run(owner(round.BMC), round, place)
			}
		}
		for range 30 {
			s.tick(now)
			now = now.Add(time.Minute)
		}
		report := s.ledger(random).Close(s.to)
		if report.Expected != len(s.rounds) || report.Skipped != len(s.skips) || report.Expected != report.Seen+report.Skipped+len(report.Lost) {
			t.Fatalf("seed %d: %d rounds, %d skipped, got %d expected, %d seen, %d skipped, %d lost", seed, len(s.rounds), len(s.skips),
				report.Expected, report.Seen, report.Skipped, len(report.Lost))
		}
		checkLost(t, report.Lost, want)
	}
}

// checkLost wants exactly these rounds, with the place.
func checkLost(t *testing.T, got []Loss, want map[checks.Round]Where) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d are lost, want %d", len(got), len(want))
	}
	for _, loss := range got {
		if place, ok := want[loss.Round]; !ok || place != loss.Where {
			t.Errorf("%s: %s, want %q", loss.Round, loss.Where, place)
		}
	}
}

func TestOneOfTenThousandIsNamed(t *testing.T) {
	for _, place := range []Where{NotStarted, NotJudged, NotOnKafka} {
		s := newSite(1000, 50*time.Minute)
		lost := s.rounds[4321]
		for _, round := range s.rounds {
			if round == lost {
				s.run(owner(round.BMC), round, place)
				continue
			}
			s.run(owner(round.BMC), round, "")
		}
		s.tick(s.to.Add(10 * time.Minute))
		report := s.ledger(rand.New(rand.NewPCG(1, 2))).Close(s.to)
		if report.Expected != 10_000 || len(report.Silent) != 0 {
			t.Errorf("%d rounds, silent %v", report.Expected, report.Silent)
		}
		checkLost(t, report.Lost, map[checks.Round]Where{lost: place})
	}
}

// A satellite is killed: what it counted in its last minutes is gone, the other one judges its rounds, some for the second time, and
// later it comes back. What is lost is named all the same; where, is not guessed.
func TestAKilledSatelliteMakesNobodyLookLost(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 3))
		s := newSite(300, time.Hour)
		killed, back := noon.Add(20*time.Minute+17*time.Second), noon.Add(31*time.Minute+40*time.Second)
		lost := s.rounds[random.IntN(len(s.rounds))]
		dead, now := false, noon
		for _, round := range s.rounds {
			for ; now.Before(round.Due); now = now.Add(time.Minute) {
				s.tick(now)
			}
			by := owner(round.BMC)
			switch {
			case !dead && round.Due.After(killed) && round.Due.Before(back):
				dead = true
				delete(s.books, "sat-a")
			case dead && round.Due.After(back):
				dead = false
				s.books["sat-a"] = newTallies(round.Due)
			}
			if round == lost {
				continue
			}
			if dead {
				by = "sat-b"
			}
			s.run(by, round, "")
			if by == "sat-a" && killed.Sub(round.Due) > 0 && killed.Sub(round.Due) < 20*time.Second {
				s.run("sat-b", round, "") // it did not say that it was done
			}
		}
		s.tick(s.to.Add(10 * time.Minute))
		report := s.ledger(random).Close(s.to)
		if len(report.Lost) != 1 || report.Lost[0].Round != lost || len(report.Silent) != 0 {
			t.Fatalf("seed %d: lost %v, silent %v; want %s", seed, report.Lost, report.Silent, lost)
		}
		if where := report.Lost[0].Where; where != NotStarted && where != NotKnown {
			t.Errorf("seed %d: %s", seed, where)
		}
	}
}

// A spool that was coalesced: the last record of a run stands for those between, whose rounds follow from the schedule.
func TestMergedRecordsCountAsTheirRounds(t *testing.T) {
	s := newSite(1, time.Hour)
	l := New(Plan{Fleet: s.fleet, Interval: interval, From: s.from})
	for _, v := range []Verdict{
		{s.rounds[1], "sat-a", 1},
		{s.rounds[6], "sat-a", 7}, // itself, 2 to 5, and two confirmations, but not what was before the run
		{s.rounds[7], "sat-a", 1},
		{s.rounds[11], "sat-a", 4}, // itself and 8 to 10
	} {
		l.Verdict(v)
	}
	report := l.Close(s.to)
	if report.Expected != 12 || report.Seen != 4 || report.Merged != 7 || len(report.Lost) != 1 || report.Lost[0].Round != s.rounds[0] {
		t.Errorf("%+v", report)
	}
	if l.Stats().Merged != 2 {
		t.Errorf("%+v", l.Stats())
	}
}

func TestSilenceOfTwoIntervalsIsAnAlarm(t *testing.T) {
	s := newSite(4, time.Hour)
	l := New(Plan{Fleet: s.fleet, Interval: interval, From: s.from})
	count := map[inventory.ID]int{}
	for _, round := range s.rounds {
		n := count[round.BMC]
		count[round.BMC]++
		switch {
		case round.BMC == "bmc-0" && n >= 4 && n < 9: // silent
		case round.BMC == "bmc-1" && n == 4: // one is lost
		case round.BMC == "bmc-2" && n >= 4 && n < 9: // skipped, with a reason
			l.Skip(results.Skip{BMC: round.BMC, Round: round, Why: "stopped"}, 1)
		case round.BMC == "bmc-3" && n >= 4 && n < 9: // somebody asked meanwhile
			round.Due, round.Why = round.Due.Add(time.Minute), checks.Person
			l.Verdict(Verdict{round, "sat-a", 1})
		default:
			l.Verdict(Verdict{round, "sat-a", 1})
		}
	}
	var silent []Silence
	for until := s.from; !until.After(s.to); until = until.Add(3 * time.Minute) { // as it goes on
		silent = append(silent, l.Close(until).Silent...)
	}
	want := Silence{"bmc-0", checks.Due("bmc-0", interval, noon).Add(4 * interval)}
	if !slices.Equal(silent, []Silence{want}) {
		t.Errorf("got %v, want %v", silent, want)
	}
}

func TestALateVerdictTakesTheLossBack(t *testing.T) {
	s := newSite(3, time.Hour)
	l := New(Plan{Fleet: s.fleet, Interval: interval, From: s.from})
	for _, round := range s.rounds[:18] {
		if round != s.rounds[7] {
			l.Verdict(Verdict{round, "sat-a", 1})
		}
	}
	if lost := l.Close(noon.Add(30 * time.Minute)).Lost; len(lost) != 1 || lost[0].Round != s.rounds[7] || lost[0].Where != NotKnown {
		t.Fatalf("lost %v", lost)
	}
	l.Verdict(Verdict{s.rounds[7], "sat-a", 1})
	if pending := l.Pending(s.to); pending != 18 {
		t.Errorf("%d pending, want 18", pending)
	}
	if arrived := l.Close(noon.Add(31 * time.Minute)).Arrived; !slices.Equal(arrived, s.rounds[7:8]) {
		t.Errorf("arrived %v", arrived)
	}
}

// A site that nobody looks after for a year does not fill the memory of who follows it.
func TestALedgerThatIsFollowedStaysSmall(t *testing.T) {
	s := newSite(2, time.Hour)
	l := New(Plan{Fleet: s.fleet, Interval: interval, From: s.from})
	for now := noon; now.Before(noon.Add(90 * 24 * time.Hour)); now = now.Add(time.Hour) {
		l.Close(now)
		l.Tally(results.Tally{Satellite: "sat-a", Since: noon, Minute: now, Tier: results.Started})
	}
	for id, r := range l.rows {
		if words := len(r.skipped.words) + len(r.heard.words); words > 100 || len(l.minutes) > 20 {
			t.Errorf("%s: %d words, %d minutes", id, words, len(l.minutes))
		}
	}
}

func TestWhichSolvesWhatItCanAndNoMore(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		hashes := make([]results.Hash, random.IntN(60))
		want, in := sum{}, make([]bool, len(hashes))
		for i := range hashes {
			hashes[i] = results.Hash(random.Uint64())
			if in[i] = random.IntN(3) == 0; in[i] {
				want.add(hashes[i])
			}
		}
		got, ok := which(hashes, want)
		if ok && !slices.Equal(got, in) {
			t.Fatalf("of %d: got %v, want %v", len(hashes), got, in)
		}
		if !ok && len(hashes) <= mostSolved {
			t.Fatalf("of %d: not found", len(hashes))
		}
		want.xor ^= 1 << random.IntN(64)
		if _, ok := which(hashes, want); ok {
			t.Fatalf("of %d: found what is not there", len(hashes))
		}
	}
}
