package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/satellite/bus"
)

var silent = slog.New(slog.DiscardHandler)

func openShared(t *testing.T, l bus.Log, path string) *Memory {
	t.Helper()
	m, err := OpenShared(Shared{Path: path, Log: l, Name: "ams1.memory", Satellite: "sat", Say: silent})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run runs m; stop ends it as a process ends that is told to.
func run(t *testing.T, m *Memory) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return sync.OnceFunc(func() { cancel(); group.Wait() })
}

func share(t *testing.T, l bus.Log, path string) (m *Memory, stop func()) {
	t.Helper()
	m = openShared(t, l, path)
	return m, run(t, m)
}

func ready(t *testing.T, memories ...*Memory) {
	t.Helper()
	for _, m := range memories {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if err := m.Ready(ctx); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestTheRuleHoldsOverALogToo(t *testing.T) {
	for name, test := range map[string]struct {
		outcomes []Outcome // every 61 min
		want     []Decision
	}{
		"a wrong password costs two logins": {[]Outcome{Refused, Refused, Refused, Refused}, []Decision{Allowed, Allowed, Fenced, Fenced}},
		"silence is no refusal":             {[]Outcome{None, None, None, Refused}, []Decision{Allowed, Allowed, Allowed, Allowed}},
		"a right password clears the fence": {[]Outcome{Refused, Accepted, Refused, Refused}, []Decision{Allowed, Allowed, Allowed, Allowed}},
		"silence leaves a fence as it was":  {[]Outcome{Refused, None, Refused, Refused}, []Decision{Allowed, Allowed, Allowed, Fenced}},
		"accepted logins go on and on":      {[]Outcome{Accepted, Accepted, Accepted}, []Decision{Allowed, Allowed, Allowed}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLog(1)
				l.delay = 20 * time.Millisecond
				a, stopA := share(t, l, "")
				b, stopB := share(t, l, "")
				defer stopA()
				defer stopB()
				ready(t, a, b)
				for i, o := range test.outcomes { // by turns
					if got := login(t, []*Memory{a, b}[i%2], time.Now(), "a", "1", checks.Routine, o); got != test.want[i] {
						t.Errorf("step %d: got %d, want %d", i+1, got, test.want[i])
					}
					time.Sleep(61 * time.Minute)
				}
			})
		})
	}
}

func TestALoginCostsTwoRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		m, stop := share(t, l, "")
		ready(t, m)
		before := l.size()
		for range 10 {
			login(t, m, time.Now(), "a", "1", checks.Routine, Accepted)
		}
		synctest.Wait()
		if n := l.size() - before; n != 20 {
			t.Errorf("10 logins wrote %d records, want 20", n)
		}
		stop()
	})
}

func TestOfManySatellitesAtOnceOneIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		l.delay = 50 * time.Millisecond
		var memories []*Memory
		for range 3 {
			m, stop := share(t, l, "")
			defer stop()
			memories = append(memories, m)
		}
		ready(t, memories...)
		var mu sync.Mutex
		count := map[Decision]int{}
		var group sync.WaitGroup
		for i := range 60 {
			group.Go(func() {
				_, permit, err := memories[i%3].Begin(context.Background(), time.Now(), "a", "c", "1", round(checks.Routine))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				count[permit.Decision]++
			})
		}
		group.Wait()
		if count[Allowed] != 1 || count[Unsure] != 59 {
			t.Errorf("decisions %v, want 1 allowed and 59 unsure", count)
		}
	})
}

func TestWithoutTheBrokerNoLoginBeginsAndNothingIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy")
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		m, stop := share(t, l, path)
		ready(t, m)
		login(t, m, time.Now(), "refused", "1", checks.Routine, Refused)
		during, permit, err := m.Begin(context.Background(), time.Now(), "a", "c", "1", round(checks.Routine))
		if err != nil || permit.Decision != Allowed {
			t.Fatal(permit, err)
		}
		if err := m.SetStop(context.Background(), Stop{On: true, By: "somebody"}); err != nil {
			t.Fatal(err)
		}
		if err := m.SetStop(context.Background(), Stop{}); err != nil {
			t.Fatal(err)
		}
		l.set(func() { l.away = true })
		if f, err := during.End(context.Background(), time.Now(), Refused); err != nil || f.At.IsZero() {
			t.Errorf("the outcome does not count at once: %+v, %v", f, err)
		}
		if got := login(t, m, time.Now(), "a", "1", checks.Routine, Refused); got != Fenced {
			t.Errorf("right after the outcome: %d, want fenced", got)
		}
		began := time.Now()
		_, _, err = m.Begin(context.Background(), time.Now(), "b", "c", "1", round(checks.Routine))
		if took := time.Since(began); err == nil || took > waitMost {
			t.Errorf("a login begins without the broker: %v after %s", err, took)
		}
		time.Sleep(time.Minute)
		stop() // the broker is still away
		again, stop := share(t, l, path)
		defer stop()
		for _, id := range []inventory.ID{"refused", "a"} {
			if got := login(t, again, time.Now(), id, "1", checks.Routine, Refused); got != Fenced {
				t.Errorf("%s after a restart without the broker: %d, want fenced", id, got)
			}
		}
		l.set(func() { l.away = false })
		ready(t, again)
		time.Sleep(time.Minute)
		other, stopOther := share(t, l, "")
		defer stopOther()
		ready(t, other)
		if f, _ := other.Fence("a"); f.Tries != 1 || f.At.IsZero() || len(f.Intents) != 0 {
			t.Errorf("another satellite reads %+v, want one refusal", f)
		}
		if f, fenced := other.Fence("b"); fenced {
			t.Errorf("a login that never was is remembered: %+v", f)
		}
	})
}

func TestALoginThatCouldNotBeWrittenDownInTimeIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		m, stop := share(t, l, "")
		defer stop()
		ready(t, m)
		for _, lose := range []float64{1, 0} { // the intent's fate is not known, or it is slow
			l.set(func() { l.lose, l.delay = lose, 20*time.Second })
			id := inventory.ID(fmt.Sprint("bmc", lose))
			if _, _, err := m.Begin(context.Background(), time.Now(), id, "c", "1", round(checks.Routine)); err == nil {
				t.Logf("%s: in time all the same", id)
			}
			time.Sleep(10 * time.Minute)
			l.set(func() { l.lose, l.delay = 0, 0 })
			time.Sleep(time.Minute)
		}
		for _, s := range m.Fences() {
			t.Errorf("stands though no login was tried: %+v", s)
		}
	})
}

func TestADamagedCopyIsSetAside(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"torn":            func(b []byte) []byte { return b[:len(b)/2] },
		"a bit":           func(b []byte) []byte { b[len(b)-20] ^= 1; return b },
		"empty":           func([]byte) []byte { return nil },
		"of another site": func(b []byte) []byte { return bytes.Replace(b, []byte("ams1.memory"), []byte("fra1.memory"), 1) },
		"a line too few":  func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy")
			synctest.Test(t, func(t *testing.T) {
				l := newLog(1)
				m, stop := share(t, l, path)
				ready(t, m)
				login(t, m, time.Now(), "a", "1", checks.Routine, Refused)
				stop()
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, damage(text), 0o600); err != nil {
					t.Fatal(err)
				}
				again, stop := share(t, l, path)
				defer stop()
				ready(t, again)
				if f, _ := again.Fence("a"); f.Tries != 1 || f.At.IsZero() {
					t.Errorf("read from the log: %+v", f)
				}
				if _, err := os.Stat(path + ".damaged"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestTheCopySparesTheLogsStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy")
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		m, stop := share(t, l, path)
		ready(t, m)
		if err := m.Learn(context.Background(), "a", checks.Known{Pin: "ab"}); err != nil {
			t.Error(err)
		}
		login(t, m, time.Now(), "a", "1", checks.Routine, Refused)
		stop()
		l.set(func() { l.start, l.records = int64(len(l.records)), nil }) // the log has forgotten
		again, stop := share(t, l, path)
		defer stop()
		ready(t, again)
		if f, _ := again.Fence("a"); f.Tries != 1 || again.Known("a").Pin != "ab" {
			t.Errorf("fence %+v, known %+v", f, again.Known("a"))
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
	})
}

func TestWhatIsOldIsRenewedByItsOwnerBeforeTheLogForgetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		a := openShared(t, l, "")
		a.Own = func(id inventory.ID) bool { return id == "mine" }
		defer run(t, a)()
		ready(t, a)
		for _, id := range []inventory.ID{"mine", "yours"} {
			login(t, a, time.Now(), id, "1", checks.Routine, Refused)
			if err := a.Learn(context.Background(), id, checks.Known{Pin: "ab"}); err != nil {
				t.Error(err)
			}
		}
		if err := a.SetStop(context.Background(), Stop{On: true, By: "somebody"}); err != nil {
			t.Error(err)
		}
		time.Sleep(47 * time.Hour)
		size := l.size()
		time.Sleep(3 * time.Hour)
		renewed := 0
		l.mu.Lock()
		newer := l.records[size:]
		l.mu.Unlock()
		for _, line := range newer {
			if r, err := decode(line); err != nil || r.Kind != "mark" {
				renewed++
			}
		}
		if renewed != 3 { // fence, known and the switch
			t.Errorf("%d records after 50 h, want 3", renewed)
		}
		l.set(func() { l.start, l.records = l.start+int64(size), l.records[size:] })
		b, stop := share(t, l, "")
		ready(t, b)
		if f, _ := b.Fence("mine"); f.Tries != 1 || b.Known("mine").Pin != "ab" || !b.Stopped().On {
			t.Errorf("a new satellite reads %+v, %+v, %+v", f, b.Known("mine"), b.Stopped())
		}
		if _, fenced := b.Fence("yours"); fenced {
			t.Error("renewed what is another's")
		}
		stop()
	})
}

func TestARenewalDoesNotBringBackWhatAPersonChanged(t *testing.T) {
	m, err := OpenShared(Shared{Say: silent})
	if err != nil {
		t.Fatal(err)
	}
	for at, line := range []string{
		`{"kind":"stop","stop":{"on":true},"id":"1"}`,
		`{"kind":"stop","stop":{"on":false},"id":"2"}`,
		`{"kind":"stop","stop":{"on":true},"id":"3","renews":"1"}`,
	} {
		if err := m.store.(*shared).see(int64(at), []byte(line)); err != nil {
			t.Error(err)
		}
	}
	if m.Stopped().On {
		t.Error("the site is stopped again")
	}
}

func TestAStopIsToldToAllAndNoLoginBeginsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		l.delay = 100 * time.Millisecond
		a, stopA := share(t, l, "")
		b, stopB := share(t, l, "")
		defer stopA()
		defer stopB()
		ready(t, a, b)
		told := b.Changed()
		if err := a.SetStop(context.Background(), Stop{On: true, By: "somebody"}); err != nil {
			t.Error(err)
		}
		select {
		case <-told:
		case <-time.After(time.Second):
			t.Error("not told")
		}
		if got := login(t, b, time.Now(), "a", "1", checks.Person, None); got != Stopped || b.Stopped().By != "somebody" {
			t.Errorf("%d, %+v", got, b.Stopped())
		}
	})
}

func TestClearsAndHoldsReachEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		a, stopA := share(t, l, "")
		b, stopB := share(t, l, "")
		defer stopA()
		defer stopB()
		ready(t, a, b)
		for i := range 5 {
			login(t, a, time.Now(), inventory.ID(fmt.Sprint("b", i)), "1", checks.Routine, Refused)
		}
		synctest.Wait()
		if held, fences := b.Holds(), b.Fences(); len(held) != 1 || held[0].Credential != "c" || len(fences) != 5 || fences[0].Unsure {
			t.Errorf("holds %+v, fences %+v", held, fences)
		}
		if err := errors.Join(b.ClearGroup(context.Background(), "c"), b.Clear(context.Background(), "b1")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, fenced := a.Fence("b1"); fenced || len(a.Holds()) != 0 || len(a.Fences()) != 4 {
			t.Errorf("after clearing: %+v, %+v", a.Holds(), a.Fences())
		}
	})
}

func TestALogThatWasMadeAnewIsWrittenAgain(t *testing.T) {
	for name, records := range map[string][][]byte{
		"and is shorter than the copy knows": nil,
		"and is longer":                      {[]byte(`{"kind":"mark","id":"1"}`), []byte(`{"kind":"mark","id":"2"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy")
			synctest.Test(t, func(t *testing.T) {
				l := newLog(1)
				m, stop := share(t, l, path)
				ready(t, m)
				login(t, m, time.Now(), "a", "1", checks.Routine, Refused)
				stop()
				l.set(func() { l.records = records })
				again := openShared(t, l, path)
				again.Own = func(inventory.ID) bool { return true }
				if records == nil {
					again.store.(*shared).at += 1000
				}
				defer run(t, again)()
				time.Sleep(15 * time.Minute)
				ready(t, again)
				other, stopOther := share(t, l, "")
				defer stopOther()
				ready(t, other)
				if f, _ := other.Fence("a"); (f.Tries != 1 || f.At.IsZero()) && records == nil {
					t.Errorf("read from the new log: %+v", f)
				}
			})
		})
	}
}

// The first record that is not shown makes a satellite look: the stop switch may not be out of order for long.
func TestADeletedLogIsNoticedByWhoeverWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		m := openShared(t, l, "")
		defer run(t, m)()
		ready(t, m)
		login(t, m, time.Now(), "a", "1", checks.Routine, Refused)
		time.Sleep(time.Hour)
		l.set(func() { l.records = nil })
		if err := m.SetStop(t.Context(), Stop{On: true, By: "ada"}); err == nil {
			t.Error("nobody can have read it")
		}
		time.Sleep(doubtAfter + 5*time.Second)
		if err := m.SetStop(t.Context(), Stop{On: true, By: "ada"}); err != nil || !m.Stopped().On {
			t.Errorf("%v, %+v", err, m.Stopped())
		}
	})
}

func TestALogThatIsDeletedWhileItIsReadIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(1)
		m := openShared(t, l, "")
		m.Own = func(inventory.ID) bool { return true }
		defer run(t, m)()
		ready(t, m)
		login(t, m, time.Now(), "a", "1", checks.Routine, Refused)
		time.Sleep(time.Hour)
		l.set(func() { l.records = nil })
		time.Sleep(30 * time.Minute)
		if got := login(t, m, time.Now(), "b", "1", checks.Routine, Accepted); got != Allowed {
			t.Errorf("a login after that: %d", got)
		}
		other, stop := share(t, l, "")
		defer stop()
		ready(t, other)
		if f, _ := other.Fence("a"); f.Tries != 1 || f.At.IsZero() {
			t.Errorf("read from the new log: %+v", f)
		}
	})
}

func TestNoRecordHasRoomForASecret(t *testing.T) {
	secret := reflect.TypeFor[inventory.Secret]()
	seen := map[reflect.Type]bool{}
	var look func(path string, of reflect.Type)
	look = func(path string, of reflect.Type) {
		if seen[of] {
			return
		}
		seen[of] = true
		if of == secret || of == reflect.TypeFor[any]() {
			t.Errorf("%s may hold a secret", path)
		}
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
			look(path+"[]", of.Elem())
		case reflect.Struct:
			for i := range of.NumField() {
				name := of.Field(i).Name
				if strings.Contains(strings.ToLower(name), "passw") {
					t.Errorf("%s.%s", path, name)
				}
				if of.PkgPath() != "time" {
					look(path+"."+name, of.Field(i).Type)
				}
			}
		}
	}
	look("record", reflect.TypeFor[record]())
	look("copy", reflect.TypeFor[copyLine]())
}
