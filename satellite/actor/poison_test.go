package actor_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
	"lamplighter/results/schematest"
	"lamplighter/satellite/actor"
	"lamplighter/satellite/bus"
)

func body(t *testing.T, task checks.Task) []byte {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func contains(s, part string) bool { return strings.Contains(s, part) }

var stackHash = regexp.MustCompile(`\(stack [0-9a-f]{8}\)`)

// However many satellites try it: five times, then it is dead with the place of the bug, and nobody else waited.
func TestAPanicIsTriedFiveTimesInAllAndNamesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		chain := siteChain(time.Second, 100*time.Millisecond, 100*time.Millisecond)
		chain[1].Run = func(_ context.Context, v *checks.Visit) (checks.Finding, error) {
			if strings.HasPrefix(string(v.BMC.ID), "bad") {
				tries.Add(1)
				panic("hunter2 at " + v.BMC.ID)
			}
			return checks.Finding{}, nil
		}
		s := newSeveral(t, chain, []string{"sat-a", "sat-b"}, "bad", "bad2", "good")
		s.sats[0].start(s.task("bad", 0, checks.Routine))
		s.sats[1].start(s.task("bad2", 0, checks.Routine))
		for n := range 20 {
			s.sats[0].start(s.task("good", n, checks.Routine))
			pass(time.Second)
			if got, _, _ := s.look("good"); got < n+1 {
				t.Fatalf("%d verdicts %d s after the start: a healthy BMC waited", got, n+1)
			}
		}
		pass(2 * time.Minute)
		s.end()
		if n := tries.Load(); n != 10 || len(s.dead) != 2 {
			t.Fatalf("%d tries of two tasks, %d dead", n, len(s.dead))
		}
		hash := stackHash.FindString(s.dead[0].Why)
		if hash == "" || hash != stackHash.FindString(s.dead[1].Why) || contains(s.dead[0].Why, "hunter2") {
			t.Errorf("want the same stack hash, and nothing of memory: %q and %q", s.dead[0].Why, s.dead[1].Why)
		}
		for _, v := range s.verdicts {
			last := v.Trail[len(v.Trail)-1]
			if v.BMC != "good" && (v.Reason != checks.SelfPoison || !contains(last.Error, hash)) {
				t.Errorf("%s: %s: %s", v.Round, v.Reason, last.Error)
			}
		}
	})
}

func TestAPanicOutsideACheckIsPoisonToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, checks.Chain{{Name: checks.Ping, Run: good}}, "a")
		tries := 0
		s.Sink = results.Func(func(ctx context.Context, v results.Verdict) error {
			if tries++; tries <= 5 {
				var nothing []int
				_ = nothing[tries]
			}
			return s.emit(ctx, v)
		})
		stop := s.run(t, 4)
		s.send(t, s.task("a", 0, checks.Routine))
		pass(time.Minute)
		stop()
		if v := s.one(t); v.Reason != checks.SelfPoison || len(s.dead) != 1 || !contains(s.dead[0].Why, "index out of range") {
			t.Errorf("%s, dead %+v", v.Reason, s.dead)
		}
	})
}

func TestADeadLetterIsKeptAndToldUntilItIsTaken(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, checks.Chain{{Name: checks.Ping, Run: good}}, "a")
		var told []results.DeadLetter
		s.Buried = func(_ context.Context, d results.DeadLetter) error {
			if told = append(told, d); len(told) < 3 {
				return errors.New("spool is full")
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- (&actor.Dead{Shared: s.Shared, Keep: actor.KeepIn(dir)}).Run(ctx) }()
		task := s.task("a", 0, checks.Routine)
		if err := s.Bus.Send(t.Context(), bus.Dead, bus.Message{ID: task.Round.String() + "/ping", Body: []byte("{x"), Why: "no such thing"}); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if v := s.one(t); v.Reason != checks.SelfPoison || !contains(v.Trail[0].Error, "no such thing") {
			t.Errorf("%s: %s", v.Reason, v.Trail[0].Error)
		}
		if len(told) != 3 || string(told[2].Body) != "{x" || told[2].Why != "no such thing" || told[2].Satellite != "sat" {
			t.Fatalf("told %+v", told)
		}
		text, err := json.Marshal(told[2])
		if err != nil {
			t.Fatal(err)
		}
		schematest.Validate(t, "dead.v1", text)
	})
	for pattern, want := range map[string]string{"*.dead": "{x", "*.why": "#routine/ping\nno such thing\n"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		if len(files) != 1 {
			t.Fatalf("%s: %v, want one file", pattern, files)
		}
		if text, err := os.ReadFile(files[0]); err != nil || !strings.HasSuffix(string(text), want) {
			t.Errorf("%s holds %q, %v", pattern, text, err)
		}
	}
}
