package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

type sourceOf func() (Answer, error)

func (f sourceOf) BMCs(context.Context, Known) (Answer, error) { return f() }

func opened(t *testing.T, c SyncConfig) *Syncing {
	t.Helper()
	s, err := OpenSyncing(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestTheLastGoodListOutlivesARestartWhileTheSourceIsAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inventory")
	away := errors.New("the CMDB is down")
	var answer atomic.Pointer[Answer]
	answer.Store(new(answerOf(bmcs(1, 20))))
	var log bytes.Buffer
	c := SyncConfig{Dir: dir, Rule: DefaultRule(), Every: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil)), Source: sourceOf(func() (Answer, error) {
		if a := answer.Load(); a != nil {
			return *a, nil
		}
		return answerOf(bmcs(1, 1)), away
	})}
	s := opened(t, c)
	if diff, err := s.Sync(t.Context()); err != nil || len(diff.Added) != 20 {
		t.Fatal(diff, err)
	}
	answer.Store(new(answerOf(bmcs(1, 3)))) // withheld, and kept over the restart
	if diff, err := s.Sync(t.Context()); err != nil || !diff.Empty() {
		t.Fatal(diff, err)
	}
	answer.Store(nil)
	if _, err := s.Sync(t.Context()); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	before, status := s.Register()
	if !strings.Contains(log.String(), "the last good one holds") || status.Error == "" || status.Synced.IsZero() || !status.Tried.After(status.Synced) {
		t.Errorf("%+v\n%s", status, log.String())
	}
	if _, err := OpenSyncing(c); !errors.Is(err, ErrBusy) {
		t.Errorf("two sync in one directory: %v", err)
	}
	_ = s.Close()
	after, again := opened(t, c).Register()
	if !reflect.DeepEqual(after, before) || !reflect.DeepEqual(again, status) {
		t.Errorf("after a restart\n%+v\n%+v", after, again)
	}
	if after.Withheld == nil || after.Withheld.Gone != 17 {
		t.Errorf("withheld: %v", after.Withheld)
	}
}

func TestASyncWithoutChangeWritesNothingButItsTime(t *testing.T) {
	dir := t.TempDir()
	changes := 0
	s := opened(t, SyncConfig{Dir: dir, Rule: DefaultRule(), Source: sourceOf(func() (Answer, error) { return answerOf(bmcs(1, 20)), nil }), Changed: func(Register, Diff) { changes++ }})
	stat := func(name string) fs.FileInfo {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	register, status := stat(registerName), stat(statusName)
	for range 3 {
		if diff, err := s.Sync(t.Context()); err != nil || !diff.Empty() {
			t.Error(diff, err)
		}
	}
	if !os.SameFile(register, stat(registerName)) {
		t.Error("the register was written again")
	}
	if os.SameFile(status, stat(statusName)) || changes != 1 {
		t.Errorf("the status was not replaced, or %d changes were told of", changes)
	}
}

func TestARegisterThatIsNotWholeIsRefused(t *testing.T) {
	var good bytes.Buffer
	at := noon
	r, _ := synced(DefaultRule(), answerOf(bmcs(1, 20)), answerOf(bmcs(1, 2)), answerOf(bmcs(1, 2), Conflict{Kind: BadRecord, BMCs: []ID{"x"}, Text: "bad"}))
	r.Made = at
	if err := writeRegister(&good, r); err != nil {
		t.Fatal(err)
	}
	if got, err := readRegister(bytes.NewReader(good.Bytes())); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, r)
	}
	for n := range good.Len() - 1 { // the last newline
		if _, err := readRegister(bytes.NewReader(good.Bytes()[:n])); err == nil {
			t.Fatalf("its first %d of %d bytes were taken", n, good.Len())
		}
	}
	for name, change := range map[string][2]string{
		"another address": {`"10.0.0.7"`, `"10.0.0.8"`}, "another format": {`"format":1`, `"format":2`}, "more BMCs": {`"bmcs":20`, `"bmcs":9000000000000`}, "none": {`"bmcs":20`, `"bmcs":-1`},
	} {
		if _, err := readRegister(strings.NewReader(strings.Replace(good.String(), change[0], change[1], 1))); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, registerName), good.Bytes()[:200], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSyncing(SyncConfig{Dir: dir}); err == nil || !strings.Contains(err.Error(), "move it away to begin anew") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadRegister(f *testing.F) {
	for _, answers := range [][]Answer{{answerOf(bmcs(1, 3))}, {answerOf(bmcs(1, 9)), answerOf(nil)}} {
		var good bytes.Buffer
		r, _ := synced(DefaultRule(), answers...)
		if err := writeRegister(&good, r); err != nil {
			f.Fatal(err)
		}
		f.Add(good.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := readRegister(bytes.NewReader(text))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeRegister(&again, r); err != nil {
			t.Fatal(err)
		}
		if _, err := readRegister(&again); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}

func TestSyncsAreSpreadAndComeSoonerAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var times []time.Duration
		syncs := func() []time.Duration { mu.Lock(); defer mu.Unlock(); return slices.Clone(times) }
		start := time.Now()
		var fail atomic.Pointer[Later]
		s := opened(t, SyncConfig{Dir: t.TempDir(), Rule: DefaultRule(), Every: 10 * time.Minute, Source: sourceOf(func() (Answer, error) {
			mu.Lock()
			times = append(times, time.Since(start))
			mu.Unlock()
			if later := fail.Load(); later != nil {
				return Answer{}, later
			}
			return answerOf(bmcs(1, 3)), nil
		})})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		at := syncs()
		if len(at) < 6 || len(at) > 7 || at[0] != 0 {
			t.Errorf("within an hour syncs at %v", at)
		}
		equal := true
		for i := 2; i < len(at); i++ {
			gap := at[i] - at[i-1]
			equal = equal && gap == at[1]-at[0]
			if gap < 9*time.Minute || gap > 11*time.Minute {
				t.Errorf("a gap of %v", gap)
			}
		}
		if equal {
			t.Error("all gaps are the same")
		}
		before := len(at)
		s.Soon()
		synctest.Wait()
		if len(syncs()) != before+1 {
			t.Error("asked for a sync, and there was none")
		}
		fail.Store(&Later{30 * time.Second, errors.New("too many requests")})
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		at = syncs()
		if n := len(at) - before - 1; n < 2 {
			t.Errorf("after failures: %d syncs", n)
		}
		if gap := at[len(at)-1] - at[len(at)-2]; gap != 30*time.Second {
			t.Errorf("asked for 30 s, it waited %v", gap)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestALimitThatNamesNoTimeIsNotAskedAgainSoonerThanAnyOtherFailure(t *testing.T) {
	s := opened(t, SyncConfig{Dir: t.TempDir(), Every: 10 * time.Minute})
	busy := errors.New("503 Service Unavailable")
	for name, err := range map[string]error{"none": &Later{0, busy}, "0": fmt.Errorf("source nb: %w", &Later{0, busy})} {
		if pause := s.pause(err); pause < 54*time.Second || pause > 66*time.Second {
			t.Errorf("Retry-After %s: the next sync is after %v", name, pause)
		}
	}
	if pause := s.pause(&Later{3 * time.Hour, busy}); pause != time.Hour {
		t.Errorf("it waits %v", pause)
	}
}

func TestASourceThatIsTooSlowAsAWholeIsCalledSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t, SyncConfig{Dir: t.TempDir(), Source: slowSource{}})
		_, err := s.Sync(t.Context())
		_, status := s.Register()
		if err == nil || !strings.Contains(status.Error, "took more than 10m0s in all") || !strings.Contains(status.Error, "filters") {
			t.Errorf("%v; status %q", err, status.Error)
		}
	})
}

type slowSource struct{}

func (slowSource) BMCs(ctx context.Context, _ Known) (Answer, error) {
	<-ctx.Done()
	return Answer{}, ctx.Err()
}

func TestPeopleAskWhoSyncs(t *testing.T) {
	dir := t.TempDir()
	var answer atomic.Pointer[Answer]
	answer.Store(&Answer{BMCs: pointers(bmcs(1, 20)), Read: 20, Of: 20})
	s := opened(t, SyncConfig{Dir: dir, Rule: DefaultRule(), Every: time.Hour, Source: sourceOf(func() (Answer, error) { return *answer.Load(), nil })})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	if text, err := Ask(ctx, dir, Request{Who: "me"}); err != nil || !strings.Contains(text, "snapshot 1 has 20 BMCs, read 20 of 20 records") {
		t.Errorf("%q, %v", text, err)
	}
	answer.Store(&Answer{})
	text, err := Ask(ctx, dir, Request{Who: "me"})
	if err != nil || !strings.Contains(text, "0 added, 0 removed, 0 changed, 0 moved") || !strings.Contains(text, "20 of 20 BMCs are missing") {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := Ask(ctx, dir, Request{Approve: "no", Who: "me"}); err == nil {
		t.Error("another digest was approved")
	}
	if text, err := Ask(ctx, dir, Request{Approve: text[len(text)-12:], Who: "me"}); err != nil || !strings.Contains(text, "20 removed") {
		t.Errorf("%q, %v", text, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Ask(soon, dir, Request{Who: "me"}); err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("nobody syncs: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, requestsName)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWhatRootAsksForIsReadByTheServiceThatSyncs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: root's requests: the test does not run as root")
	}
	dir := t.TempDir()
	s := opened(t, SyncConfig{Dir: dir, Rule: DefaultRule(), Source: sourceOf(func() (Answer, error) { return answerOf(bmcs(1, 2)), nil })})
	for _, path := range []string{dir, filepath.Join(dir, requestsName)} {
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	asking := make(chan error)
	go func() { _, err := Ask(ctx, dir, Request{Who: "root"}); asking <- err }()
	var found []string
	for deadline := time.Now().Add(time.Minute); len(found) == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		found, _ = filepath.Glob(filepath.Join(dir, requestsName, "*"+asked))
	}
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, path := range append(found, filepath.Join(dir, registerName), filepath.Join(dir, statusName)) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 12345 {
			t.Errorf("%s is the file of user %d", filepath.Base(path), owner)
		}
	}
	if len(found) != 1 {
		t.Errorf("requests %v", found)
	}
	cancel()
	<-asking
}
