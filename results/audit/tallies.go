package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

const (
	// lag is how long after the end of a minute its first tallies are made.
	lag = time.Minute
	// mindFor is how long after a minute its rounds are known one by one, so that none counts twice.
	mindFor = 20 * time.Minute
	// mindMost bounds the rounds that are known one by one.
	mindMost = 1 << 20
	// numberFor is how long the parts of a minute are numbered on.
	numberFor = 25 * time.Hour
)

// tallies count the routine rounds that passed a satellite's tiers, minute by minute of due.
type tallies struct {
	since time.Time
	next  time.Time // minutes before it have their first tallies
	pages map[pageOf]*page
	known int // rounds in all pages
}

type pageOf struct {
	minute time.Time
	tier   results.Tier
}

type page struct {
	known  map[results.Hash]struct{}
	rounds int // that are in no tally yet
	xor    results.Hash
	part   int
}

func newTallies(since time.Time) *tallies {
	since = since.UTC().Truncate(time.Millisecond)
	return &tallies{since: since, next: since.Truncate(time.Minute), pages: map[pageOf]*page{}}
}

// add counts a round once.
func (t *tallies) add(tier results.Tier, round checks.Round) {
	if round.Why != checks.Routine {
		return
	}
	p, hash := t.page(round.Due.UTC().Truncate(time.Minute), tier), results.HashOf(round)
	if _, known := p.known[hash]; known {
		return
	}
	if t.known >= mindMost {
		t.forgetOldest()
	}
	p.known[hash] = struct{}{}
	t.known++
	p.rounds++
	p.xor ^= hash
}

func (t *tallies) page(minute time.Time, tier results.Tier) *page {
	of := pageOf{minute, tier}
	p := t.pages[of]
	if p == nil {
		p = &page{known: map[results.Hash]struct{}{}}
		t.pages[of] = p
	}
	return p
}

// forgetOldest makes room: a round of that minute that comes again counts again, and the auditor cannot tell where its others
// were lost.
func (t *tallies) forgetOldest() {
	var oldest *page
	var at time.Time
	for of, p := range t.pages {
		if len(p.known) > 0 && (oldest == nil || of.minute.Before(at)) {
			oldest, at = p, of.minute
		}
	}
	t.forget(oldest)
}

func (t *tallies) forget(p *page) {
	t.known -= len(p.known)
	clear(p.known)
}

// close makes the tallies of what is due by now: two for each minute that is over for a while, none of it left out, and more
// for rounds that came late.
func (t *tallies) close(now time.Time) (all []results.Tally) {
	over := now.Add(-lag).UTC().Truncate(time.Minute)
	if t.next.Before(over.Add(-numberFor)) {
		t.next = over.Add(-numberFor) // the process was frozen
	}
	for ; t.next.Before(over); t.next = t.next.Add(time.Minute) {
		t.page(t.next, results.Started)
		t.page(t.next, results.Judged)
	}
	for of, p := range t.pages {
		if of.minute.Before(over) && (p.part == 0 || p.rounds > 0) {
			all = append(all, t.tally(of, p))
		}
		if of.minute.Before(now.Add(-mindFor)) {
			t.forget(p)
		}
	}
	maps.DeleteFunc(t.pages, func(of pageOf, _ *page) bool { return of.minute.Before(now.Add(-numberFor)) })
	slices.SortFunc(all, func(a, b results.Tally) int {
		return cmp.Or(a.Minute.Compare(b.Minute), -cmp.Compare(a.Tier, b.Tier))
	})
	return all
}

// tally is what came to a page since the one before.
func (t *tallies) tally(of pageOf, p *page) results.Tally {
	tally := results.Tally{
		Schema: results.TallySchema, Since: t.since, Tier: of.tier, Minute: of.minute,
		Part: p.part, Rounds: p.rounds, Xor: p.xor,
	}
	p.part++
	p.rounds, p.xor = 0, 0
	return tally
}
