package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/inventory"
	"lamplighter/results"
)

func open(t *testing.T, c Config) *Spool {
	t.Helper()
	if c.Bytes == 0 {
		c.Bytes = 1 << 30
	}
	if c.Batch == 0 {
		c.Batch = 1
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t *testing.T, s *Spool) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// record is the nth of a BMC.
func record(bmc string, n int, state string) Record {
	return Record{BMC: inventory.ID(bmc), ID: fmt.Sprintf("%s/%d", bmc, n), At: noon.Add(time.Duration(n) * time.Minute), State: state, Rounds: 1,
		Value: []byte(strings.Repeat("v", 100))}
}

func fillWith(t *testing.T, s *Spool, records ...Record) {
	t.Helper()
	for _, r := range records {
		if err := s.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

// drain takes everything, as few as most at a time.
func drain(t *testing.T, s *Spool, most int) (all []Record) {
	t.Helper()
	for {
		records, err := s.Head(most)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			return all
		}
		all = append(all, records...)
		if err := s.Done(len(records)); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(records []Record) (all []string) {
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}

func TestFirstInFirstOutOverSegmentsAndRestarts(t *testing.T) {
	c := Config{Dir: t.TempDir(), Segment: 1000}
	var want []string
	for restart := range 4 {
		s := open(t, c)
		for i := range 25 {
			r := record(fmt.Sprint("b", i%7), restart*25+i, "x")
			fillWith(t, s, r)
			want = append(want, r.ID)
		}
		shut(t, s)
	}
	s := open(t, c)
	defer shut(t, s)
	if got := ids(drain(t, s, 5)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	left, _ := filepath.Glob(filepath.Join(c.Dir, "*"+segmentEnd))
	if stats := s.Stats(); stats != (Stats{}) || len(left) != 0 || s.Has("b1") {
		t.Errorf("drained, %+v and files %v are left", stats, left)
	}
	fillWith(t, s, record("b1", 1000, "x"))
	if !s.Has("b1") || len(drain(t, s, 5)) != 1 {
		t.Error("a drained spool takes no more")
	}
}

func TestHeadIsTheSameUntilDone(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	defer shut(t, s)
	fillWith(t, s, record("a", 1, "x"), record("b", 1, "x"), record("a", 2, "x"))
	for range 2 {
		if got, err := s.Head(9); err != nil || !slices.Equal(ids(got), []string{"a/1", "b/1"}) {
			t.Fatalf("got %v, %v", ids(got), err)
		}
	}
	if err := s.Done(1); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Head(9); !slices.Equal(ids(got), []string{"b/1", "a/2"}) || !s.Has("a") {
		t.Errorf("got %v", ids(got))
	}
}

func TestLongRecordsAreReadAheadOnlySoFar(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	defer shut(t, s)
	for n := range 40 {
		r := record(fmt.Sprint("b", n), n, "x")
		r.Value = make([]byte, 900<<10)
		fillWith(t, s, r)
	}
	if got, err := s.Head(1000); len(got) < 9 || len(got) > 11 || err != nil {
		t.Errorf("%d records of 900 KiB are in memory, %v", len(got), err)
	}
	if all := drain(t, s, 1000); len(all) != 40 || s.head.bytes != 0 {
		t.Errorf("%d records, %d bytes", len(all), s.head.bytes)
	}
}

func TestAppendsOfTheSameMomentShareAnFsync(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{Dir: dir, Batch: 100 * time.Millisecond})
		start := time.Now()
		var group sync.WaitGroup
		for i := range 300 {
			group.Go(func() {
				if err := s.Append(record("b", i, "x")); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("300 appends took %v of fake time, want one batch of 100ms", took)
		}
		if got, err := s.Head(1); len(got) != 1 || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
		shut(t, s)
	})
}

func TestATornEndIsCutOffWhereverItTore(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	s := open(t, c)
	fillWith(t, s, record("a", 1, "x"), record("b", 2, "x"), record("c", 3, "x"))
	shut(t, s)
	path := s.path(1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := len(whole) / 3
	for end := range len(whole) {
		if err := os.WriteFile(path, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, c)
		if torn := s.Stats().Torn; torn != int64(end%size) {
			t.Fatalf("cut at byte %d: %d bytes torn, want %d", end, torn, end%size)
		}
		got, err := s.Head(9)
		if err != nil || !slices.Equal(ids(got), []string{"a/1", "b/2", "c/3"}[:end/size]) {
			t.Fatalf("cut at byte %d: %v, %v", end, ids(got), err)
		}
		shut(t, s)
	}
}

func TestAFullSpoolTakesNothingAndSaysSo(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), Limits: Limits{Bytes: 300}})
	defer shut(t, s)
	fillWith(t, s, record("a", 1, "x"), record("b", 1, "x"))
	if err := s.Append(record("c", 1, "x")); !errors.Is(err, ErrFull) || s.Has("c") {
		t.Errorf("got %v, want %v", err, ErrFull)
	}
	drain(t, s, 9)
	fillWith(t, s, record("c", 1, "x"))
}

func TestOneProcessAtATime(t *testing.T) {
	c := Config{Dir: t.TempDir()}
	s := open(t, c)
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v", err)
	}
	shut(t, s)
	shut(t, open(t, c))
}

func TestWhatTheDiskRefusesIsNotKept(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	defer shut(t, s)
	fillWith(t, s, record("a", 1, "x"))
	_ = s.active.Close() // as a disk that fails
	if err := s.Append(record("b", 1, "x")); err == nil || s.Has("b") {
		t.Errorf("got %v", err)
	}
	s.active = nil
	fillWith(t, s, record("c", 1, "x"))
	if got := ids(drain(t, s, 9)); !slices.Equal(got, []string{"a/1", "c/1"}) {
		t.Errorf("got %v", got)
	}
}

// coalesced fills a spool with a history whose repeats go, and what must be left of it.
func history() (in []Record, want []string) {
	for n := range 40 {
		for _, bmc := range []string{"a", "b", "c"} {
			state := "up"
			if bmc == "b" && n >= 20 {
				state = "down"
			}
			in = append(in, record(bmc, n, state))
		}
	}
	return in, []string{"a/0", "b/0", "c/0", "b/19", "b/20", "a/39", "b/39", "c/39"}
}

func TestCoalesce(t *testing.T) {
	for name, done := range map[string]int{"from the start": 0, "when a part is done": 3, "when whole segments are done": 30} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Config{Dir: t.TempDir(), Segment: 1000, Site: "ams1", Satellite: "sat-a"})
			defer shut(t, s)
			in, _ := history()
			fillWith(t, s, in...)
			before := s.Stats()
			for range done {
				if _, err := s.Head(1); err != nil {
					t.Fatal(err)
				}
				if err := s.Done(1); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // a second time brings nothing, and one gap stays one
				if err := s.Coalesce(noon.Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
				fillWith(t, s, record("a", 40, "up"))
			}
			if after := s.Stats(); after.Bytes > before.Bytes/2 || !s.Has("a") {
				t.Errorf("%+v became %+v", before, after)
			}
			out := drain(t, s, 4)
			var doc results.Gap
			if err := json.Unmarshal(out[0].Value, &doc); err != nil || out[0].Kind != Gap {
				t.Fatalf("the first record is %+v, want a gap (%v)", out[0], err)
			}
			out = out[1:]
			if slices.ContainsFunc(out, func(r Record) bool { return r.Kind == Gap }) {
				t.Error("more than one gap")
			}
			if got, want := total(out), uint64(len(in)-done+2); got != want {
				t.Errorf("what is left stands for %d rounds, want %d", got, want)
			}
			if doc.Verdicts != uint64(len(in)-done+2-len(out)) || doc.From.IsZero() || doc.To.Before(doc.From) || doc.Satellite != "sat-a" || doc.Site != "ams1" {
				t.Errorf("%d of %d are left, the gap says %+v", len(out), len(in)-done+2, doc)
			}
			if !slices.Contains(ids(out), "b/20") {
				t.Errorf("the change of b is missing: %v", ids(out))
			}
			if s.Stats().Records != 0 {
				t.Errorf("drained, %+v", s.Stats())
			}
		})
	}
}

// A crash in the middle of replacing files: whatever was done of it, the next start makes it whole.
func TestACrashWhileFilesAreReplaced(t *testing.T) {
	in, want := history()
	for steps := range 25 {
		c := Config{Dir: t.TempDir(), Segment: 1000}
		s := open(t, c)
		fillWith(t, s, in...)
		files, skip, err := s.sealed()
		if err != nil {
			t.Fatal(err)
		}
		crashAfter(t, s, files, skip, steps)
		shut(t, s)

		again := open(t, c)
		out := drain(t, again, 1)
		shut(t, again)
		if out[0].Kind == Gap {
			if !slices.Equal(ids(out[1:]), want) {
				t.Fatalf("after %d steps: %v, want %v", steps, ids(out[1:]), want)
			}
		} else if steps > 0 || !slices.Equal(ids(out), ids(in)) {
			t.Fatalf("after %d steps neither old nor new is there: %v", steps, ids(out))
		}
		if left, _ := os.ReadDir(c.Dir); len(left) != 1 {
			t.Fatalf("after %d steps %v is left", steps, left)
		}
	}
}

// crashAfter writes the new files, and carries out the order to replace the old ones only so far. 0: not even the order.
func crashAfter(t *testing.T, s *Spool, files []segment, skip int64, steps int) {
	t.Helper()
	f := newFold()
	if err := s.each(files, skip, func(r Record) error { f.add(r); return nil }); err != nil {
		t.Fatal(err)
	}
	w := &rewrite{spool: s, files: files, counts: map[inventory.ID]int{}}
	i := -1
	err := errors.Join(w.keep(s.gapRecord(f.gap, noon)), s.each(files, skip, func(r Record) error {
		if i++; f.rounds[i] == 0 {
			return nil
		}
		return w.keep(r)
	}), w.seal())
	if err != nil {
		t.Fatal(err)
	}
	if steps == 0 {
		return
	}
	var order swapping
	for _, g := range w.done {
		order.Replace = append(order.Replace, g.number)
	}
	for _, g := range files[len(w.done):] {
		order.Remove = append(order.Remove, g.number)
	}
	text, _ := json.Marshal(order)
	if err := writeSynced(s.swapPath(), text); err != nil {
		t.Fatal(err)
	}
	for _, number := range order.Replace[:min(steps-1, len(order.Replace))] {
		if err := os.Rename(s.path(number)+newEnd, s.path(number)); err != nil {
			t.Fatal(err)
		}
	}
	for _, number := range order.Remove[:min(max(0, steps-1-len(order.Replace)), len(order.Remove))] {
		if err := os.Remove(s.path(number)); err != nil {
			t.Fatal(err)
		}
	}
}
