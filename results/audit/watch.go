package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/spool"
)

const (
	// lookEvery is how often a Watch takes stock.
	lookEvery = 15 * time.Second
	// takeEvery is how often what it was told goes into its ledgers.
	takeEvery = time.Second
	// mostTold bounds what it was told and has not looked at. Beyond that it begins anew: what it does not know is not lost.
	mostTold = 1 << 18
	// hours is for how long it sums up.
	hours = 24
	// mostListed bounds the lists of what is missing; the counts have all.
	mostListed = 200
	// mostSites bounds the sites that records name.
	mostSites = 1000
	// mostSatellites bounds the satellites of a site that records name.
	mostSatellites = 1000
)

// WatchConfig says what a Watch watches.
type WatchConfig struct {
	Interval time.Duration
	// Settle is how long after its planned start a round is left alone.
	Settle time.Duration
	// Fleet is which BMCs there should be, the same slice until there is another reading; nil where nobody knows.
	Fleet func() []inventory.BMC
	// Listening is since when verdicts are heard as they come; zero: not now, and nothing is judged.
	Listening func() time.Time
	Log       *slog.Logger // nil: nothing is logged
}

// Watch is an auditor that goes on: it is told what passes by, and says of each site which routine rounds are missing. Verdict and Take
// return at once and are safe for concurrent use; Run works.
//
// Nothing of it outlives the process: it judges the rounds that are due from two intervals after its start on.
type Watch struct {
	config WatchConfig

	mu     sync.Mutex // guards the following
	told   []record
	missed bool
	sites  []Site

	// Only Run uses the rest.
	books map[string]*watched
	fleet []inventory.BMC
}

// record is something that a Watch was told.
type record struct {
	site    string
	verdict Verdict
	skip    *results.Skip
	tally   *results.Tally
	rounds  uint64
}

// NewWatch makes one; Run must follow.
func NewWatch(c WatchConfig) *Watch {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Watch{config: c, books: map[string]*watched{}}
}

// Verdict says that a verdict of a site's BMC is there, which stands for so many rounds.
func (w *Watch) Verdict(site, satellite string, round checks.Round, rounds int) {
	w.tell(record{site: site, verdict: Verdict{round, satellite, uint64(max(1, rounds))}})
}

// Write takes in what Books write; a Watch in the same process is told by it: Config.Write.
func (w *Watch) Write(_ context.Context, r spool.Record) error {
	return w.Take(r.Kind, r.Value, r.Rounds)
}

// Take takes in a skip or a tally, which stands for so many. Of other kinds it has no need. An error says that it cannot be read.
func (w *Watch) Take(kind spool.Kind, document []byte, rounds uint64) error {
	switch kind {
	case spool.Skip:
		var s results.Skip
		if err := json.Unmarshal(document, &s); err != nil || s.Schema != results.SkipSchema {
			return fmt.Errorf("read a skip: schema %.64q: %w", s.Schema, cmp.Or(err, errNot))
		}
		w.tell(record{site: s.Site, skip: &s, rounds: max(1, rounds)})
	case spool.Tally:
		var t results.Tally
		if err := json.Unmarshal(document, &t); err != nil || t.Schema != results.TallySchema {
			return fmt.Errorf("read a tally: schema %.64q: %w", t.Schema, cmp.Or(err, errNot))
		}
		w.tell(record{site: t.Site, tally: &t})
	}
	return nil
}

// errNot is for a document that is of another form.
var errNot = errors.New("it is none")

func (w *Watch) tell(r record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.told) >= mostTold {
		w.missed = true
		return
	}
	w.told = append(w.told, r)
}

// Run watches until ctx ends, and returns nil.
func (w *Watch) Run(ctx context.Context) error {
	take, look := time.NewTicker(takeEvery), time.NewTicker(lookEvery)
	defer take.Stop()
	defer look.Stop()
	w.look(time.Now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-take.C:
			w.take(time.Now())
		case now := <-look.C:
			w.take(now)
			w.look(now)
		}
	}
}

// take enters what was told.
func (w *Watch) take(now time.Time) {
	w.mu.Lock()
	told, missed := w.told, w.missed
	w.told, w.missed = nil, false
	w.mu.Unlock()
	if missed {
		w.config.Log.Warn("the audit of rounds begins anew: more came than it could take in")
		clear(w.books)
		w.fleet = nil
		w.look(now)
		return
	}
	for i := range told {
		r := &told[i]
		if s := w.site(r.site, now); s != nil {
			s.take(r)
		}
	}
}

// begin is the first minute whose rounds are judged of what is first known now.
func (w *Watch) begin(now time.Time) time.Time {
	return now.Add(2*w.config.Interval + time.Minute - 1).UTC().Truncate(time.Minute)
}

// site is what is kept of one; nil: there are too many.
func (w *Watch) site(name string, now time.Time) *watched {
	if s := w.books[name]; s != nil || len(w.books) >= mostSites {
		return s
	}
	from := w.begin(now)
	s := &watched{
		name: name, from: from, sums: map[time.Time]sums{}, satellites: map[string]*satellite{},
		ledger: New(Plan{Interval: w.config.Interval, From: from, Backlog: 64}),
	}
	w.books[name] = s
	return s
}

// look judges what is due to be judged, and says how things are.
func (w *Watch) look(now time.Time) {
	w.enlist(now)
	heard := w.config.Listening()
	var all []Site
	for _, name := range slices.Sorted(maps.Keys(w.books)) {
		s := w.books[name]
		if !heard.IsZero() {
			s.close(now.Add(-w.config.Settle))
		}
		all = append(all, s.report(now))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites = all
}

// enlist takes in another reading of the inventory.
func (w *Watch) enlist(now time.Time) {
	if w.config.Fleet == nil {
		return
	}
	fleet := w.config.Fleet()
	if len(fleet) == len(w.fleet) && (len(fleet) == 0 || &fleet[0] == &w.fleet[0]) {
		return
	}
	w.fleet = fleet
	by := map[string][]inventory.ID{}
	for name := range w.books {
		by[name] = nil
	}
	for i := range fleet {
		by[fleet[i].Site] = append(by[fleet[i].Site], fleet[i].ID)
	}
	for name, ids := range by {
		if s := w.site(name, now); s != nil {
			s.bmcs = len(ids)
			s.ledger.Fleet(ids, w.begin(now))
		}
	}
}

// Sites are all, by name, as they were a few seconds ago; none before Run.
func (w *Watch) Sites() []Site {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sites
}

// Knows says whether it is known which rounds there should be.
func (w *Watch) Knows() bool { return w.config.Fleet != nil }

// Settle is how long after its planned start a round is left alone.
func (w *Watch) Settle() time.Duration { return w.config.Settle }
