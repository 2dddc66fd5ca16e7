package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"lamplighter/satellite/bus"
)

// Log runs the contract of logs; open is called once a case.
func Log(t *testing.T, open func(*testing.T) bus.Log) {
	for name, test := range map[string]func(*testing.T, bus.Log){
		"everybody reads the same records in the same order": logSame,
		"a follower goes on where another one was":           logGoesOn,
		"a follower ends with an error of its own":           logEnds,
		"records are not shared":                             logCopies,
		"logs do not mix":                                    logApart,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

const theLog = "test.memory"

type record struct {
	at   int64
	text string
}

func write(t *testing.T, l bus.Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := l.Append(t.Context(), theLog, fmt.Append(nil, i)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
}

// follow starts a follower.
func follow(t *testing.T, l bus.Log, log string, from int64) (seen <-chan record, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	all, ended := make(chan record, 10_000), make(chan error, 1)
	go func() {
		ended <- l.Follow(ctx, log, from, func(at int64, text []byte) error {
			all <- record{at, string(text)}
			return nil
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := await(t, ended, "the follower to end"); err != nil {
			t.Errorf("follow: %v", err)
		}
	})
	t.Cleanup(stop)
	return all, stop
}

func read(t *testing.T, seen <-chan record, n int) (all []record) {
	t.Helper()
	last := int64(-1)
	for range n {
		r := await(t, seen, fmt.Sprintf("record %d of %d", len(all)+1, n))
		if r.at <= last {
			t.Fatalf("a record at %d came after one at %d", r.at, last)
		}
		last, all = r.at, append(all, r)
	}
	return all
}

func logSame(t *testing.T, l bus.Log) {
	const writers, each = 5, 40
	early, _ := follow(t, l, theLog, 0)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				if err := l.Append(t.Context(), theLog, fmt.Append(nil, w, "/", i)); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	group.Wait()
	late, _ := follow(t, l, theLog, 0)
	one, two := read(t, early, writers*each), read(t, late, writers*each)
	if !slices.Equal(one, two) {
		t.Errorf("two followers read different logs:\n%v\n%v", one, two)
	}
	last := map[string]string{}
	for _, r := range one {
		last[r.text] = r.text
	}
	if len(last) != writers*each {
		t.Errorf("%d different records, want %d", len(last), writers*each)
	}
}

func logGoesOn(t *testing.T, l bus.Log) {
	write(t, l, 0, 20)
	first, stop := follow(t, l, theLog, 0)
	all := read(t, first, 20)
	stop()
	write(t, l, 20, 30)
	for _, from := range []int{0, 1, 13, 19} {
		second, stop := follow(t, l, theLog, all[from].at)
		if got := read(t, second, 30-from); got[0] != all[from] || got[len(got)-1].text != "29" {
			t.Errorf("from %v: it read %v to %v", all[from], got[0], got[len(got)-1])
		}
		stop()
	}
	fresh, _ := follow(t, l, theLog, all[19].at+11) // what comes next
	write(t, l, 30, 31)
	if got := read(t, fresh, 1)[0]; got.text != "30" {
		t.Errorf("what came next was %v, want 30", got)
	}
}

func logEnds(t *testing.T, l bus.Log) {
	write(t, l, 0, 10)
	enough := errors.New("enough")
	var seen []string
	err := l.Follow(t.Context(), theLog, 0, func(_ int64, text []byte) error {
		if seen = append(seen, string(text)); len(seen) == 5 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(seen, []string{"0", "1", "2", "3", "4"}) {
		t.Errorf("it ended with %v after %v, want enough after 0 to 4", err, seen)
	}
}

func logCopies(t *testing.T, l bus.Log) {
	text := []byte("original")
	if err := l.Append(t.Context(), theLog, text); err != nil {
		t.Fatal(err)
	}
	copy(text, "CHANGED!")
	for range 2 {
		done := errors.New("done")
		err := l.Follow(t.Context(), theLog, 0, func(_ int64, text []byte) error {
			if string(text) != "original" {
				t.Errorf("the record is %s", text)
			}
			copy(text, "CHANGED!")
			return done
		})
		if !errors.Is(err, done) {
			t.Fatal(err)
		}
	}
}

func logApart(t *testing.T, l bus.Log) {
	if err := l.Append(t.Context(), "test.other", []byte("other")); err != nil {
		t.Fatal(err)
	}
	write(t, l, 0, 1)
	for log, want := range map[string]string{theLog: "0", "test.other": "other"} {
		seen, _ := follow(t, l, log, 0)
		if got := read(t, seen, 1)[0]; got.text != want {
			t.Errorf("%s holds %v, want %s", log, got, want)
		}
	}
}
