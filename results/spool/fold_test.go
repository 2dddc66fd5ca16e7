package spool

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/inventory"
)

// sequence makes records of "a1 a1 b2": a letter is a BMC, a digit a state, * stands for 5 rounds, gap for a gap.
func sequence(text string) []Record {
	var all []Record
	for i, word := range strings.Fields(text) {
		r := Record{BMC: inventory.ID(word[:1]), State: strings.TrimSuffix(word[1:], "*"), At: noon.Add(time.Duration(i) * time.Minute), Rounds: 1, ID: fmt.Sprint(i)}
		if word == "gap" {
			r = Record{Kind: Gap}
		}
		switch word[:1] {
		case "t":
			r.Kind, r.BMC = Tally, ""
		case "s":
			r.Kind, r.BMC = Skip, "a"
		}
		if strings.HasSuffix(word, "*") {
			r.Rounds = 5
		}
		all = append(all, r)
	}
	return all
}

func TestFold(t *testing.T) {
	for name, test := range map[string]struct {
		in       string
		rounds   []uint64
		missing  uint64
		from, to int // minutes
	}{
		"nothing":                                    {"", nil, 0, 0, 0},
		"one record stays":                           {"a1", []uint64{1}, 0, 0, 0},
		"a transition and its last repeat stay":      {"a1 a1", []uint64{1, 1}, 0, 0, 0},
		"other kinds stay as they are":               {"t a1 t a1 t", []uint64{1, 1, 1, 1, 1}, 0, 0, 0},
		"repeated skips are no missing verdicts":     {"s1 s1 s1 s1", []uint64{1, 0, 0, 3}, 0, 0, 0},
		"a skip does not end a run of verdicts":      {"a1 a1 sa a1", []uint64{1, 0, 1, 2}, 1, 1, 1},
		"the last repeat stands for those before":    {"a1 a1 a1 a1", []uint64{1, 0, 0, 3}, 2, 1, 2},
		"every transition stays":                     {"a1 a2 a1 a2", []uint64{1, 1, 1, 1}, 0, 0, 0},
		"a run ends where the state changes":         {"a1 a1 a1 a2 a2 a2", []uint64{1, 0, 2, 1, 0, 2}, 2, 1, 4},
		"a BMC's runs do not end at another's":       {"a1 b1 a1 b2 a1 b1", []uint64{1, 1, 0, 1, 2, 1}, 1, 2, 2},
		"a record keeps the rounds it stood for":     {"a1 a1* a1* a1", []uint64{1, 0, 0, 11}, 2, 1, 2},
		"a transition keeps its rounds to itself":    {"a1* a1 a1", []uint64{5, 0, 2}, 1, 1, 1},
		"an older gap becomes part of the new one":   {"gap a1 a1 a1", []uint64{0, 1, 0, 2}, 1, 2, 2},
		"the range is that of the missing, not more": {"a1 b1 b1 b1 b1 a1", []uint64{1, 1, 0, 0, 3, 1}, 2, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFold()
			for _, r := range sequence(test.in) {
				f.add(r)
			}
			want := gap{records: test.missing}
			if test.missing > 0 {
				want.from, want.to = noon.Add(time.Duration(test.from)*time.Minute), noon.Add(time.Duration(test.to)*time.Minute)
			}
			if !slices.Equal(f.rounds, test.rounds) || f.gap != want {
				t.Errorf("got %v and %+v, want %v and %+v", f.rounds, f.gap, test.rounds, want)
			}
		})
	}
}

// Over random histories: no transition goes missing, no round goes uncounted, and what is missing is what the gap says.
func TestFoldKeepsTransitionsAndCounts(t *testing.T) {
	for seed := range uint64(2_000) {
		r := rand.New(rand.NewPCG(seed, 7))
		var in []Record
		for i := range r.IntN(60) {
			in = append(in, Record{BMC: inventory.ID(fmt.Sprint(r.IntN(4))), State: fmt.Sprint(r.IntN(2)), Rounds: 1 + r.Uint64N(3), ID: fmt.Sprint(i)})
		}
		f := newFold()
		for _, record := range in {
			f.add(record)
		}
		var out []Record
		for i, record := range in {
			if record.Rounds = f.rounds[i]; record.Rounds > 0 {
				out = append(out, record)
			}
		}
		if total(in) != total(out) {
			t.Fatalf("seed %d: %d rounds became %d", seed, total(in), total(out))
		}
		if f.gap.records != uint64(len(in)-len(out)) {
			t.Fatalf("seed %d: %d of %d records stay, the gap says %d are missing", seed, len(out), len(in), f.gap.records)
		}
		if before, after := transitions(in), transitions(out); !slices.Equal(before, after) {
			t.Fatalf("seed %d: transitions %v became %v", seed, before, after)
		}
	}
}

func total(records []Record) (rounds uint64) {
	for _, r := range records {
		rounds += r.Rounds
	}
	return rounds
}

// transitions are the IDs of the records that say something else of their BMC than the one before.
func transitions(records []Record) []string {
	var ids []string
	last := map[inventory.ID]string{}
	for _, r := range records {
		if state, seen := last[r.BMC]; !seen || state != r.State {
			ids = append(ids, r.ID)
		}
		last[r.BMC] = r.State
	}
	return ids
}

func TestPressed(t *testing.T) {
	limits := Limits{Bytes: 800, Age: 8 * time.Hour}
	for name, test := range map[string]struct {
		fill fill
		want bool
	}{
		"an empty spool":                         {fill{}, false},
		"less than half full":                    {fill{bytes: 399}, false},
		"half full":                              {fill{bytes: 400}, true},
		"half full of what was coalesced":        {fill{bytes: 420, bytesThen: 400}, false},
		"an eighth came in since":                {fill{bytes: 500, bytesThen: 400}, true},
		"young":                                  {fill{bytes: 1, oldest: 8*time.Hour - 1, sinceFolds: 24 * time.Hour}, false},
		"old":                                    {fill{bytes: 1, oldest: 8 * time.Hour, sinceFolds: 24 * time.Hour}, true},
		"old, and coalesced less than an eighth": {fill{bytes: 1, oldest: 9 * time.Hour, sinceFolds: time.Hour - 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := limits.pressed(test.fill); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if (Limits{Bytes: 800}).pressed(fill{oldest: 1000 * time.Hour, sinceFolds: 1000 * time.Hour}) {
		t.Error("no limit of age was set")
	}
}

func TestWindowHoldsEachBMCOnce(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		most int
		want int
	}{
		"nothing":                          {"", 9, 0},
		"other BMCs":                       {"a1 b1 c1", 9, 3},
		"no more than asked for":           {"a1 b1 c1", 2, 2},
		"a BMC's second record waits":      {"a1 b1 a2 c1", 9, 3},
		"what is about no BMC never waits": {"gap gap gap", 9, 3},
		"the same BMC twice":               {"a1 a1", 9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var entries []entry
			for _, r := range sequence(test.in) {
				entries = append(entries, entry{Record: r})
			}
			if got := window(entries, test.most); len(got) != test.want {
				t.Errorf("got %d records, want %d", len(got), test.want)
			}
		})
	}
}
