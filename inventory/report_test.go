package inventory

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEachSourceIsRememberedByItsNameAndTheOneThatFailedIsBlamed(t *testing.T) {
	away := errors.New("source second: it is away")
	var broken error
	second := sourceOf(func() (Answer, error) { return answerOf(bmcs(11, 15)), broken })
	var told []Report
	s := opened(t, SyncConfig{Dir: filepath.Join(t.TempDir(), "i"), Site: "ams1", Every: time.Minute, Rule: DefaultRule(), Told: func(r Report) { told = append(told, r) }, Source: Merged{
		Named{"first", sourceOf(func() (Answer, error) { return Answer{BMCs: pointers(bmcs(1, 10)), Read: 10, Of: 10}, nil })}, Named{"second", second},
		Named{"third", sourceOf(func() (Answer, error) { return answerOf(bmcs(16, 16)), nil })},
	}})
	if _, err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := s.Report()
	if len(good.Sources) != 3 || good.Sources[0].Read != 10 || good.Sources[1].BMCs != 5 || good.Sources[2].Error != "" || good.Last == nil || *good.Last != (LastChange{Added: 16}) {
		t.Fatalf("%+v", good)
	}
	broken = away
	if _, err := s.Sync(t.Context()); !errors.Is(err, away) {
		t.Fatal(err)
	}
	bad := s.Report()
	if one := bad.Sources[1]; one.Error != away.Error() || one.Synced.IsZero() || one.BMCs != 5 || !one.Tried.After(one.Synced) {
		t.Errorf("the one that failed: %+v", one)
	}
	if !bad.Sources[0].Synced.After(good.Sources[0].Synced) || !reflect.DeepEqual(bad.Sources[2], good.Sources[2]) {
		t.Errorf("those that did not fail, or were not asked: %+v", bad.Sources)
	}
	if bad.BMCs != 16 || bad.Number != 1 || len(told) != 2 || told[1].Error == "" || told[1].EveryS != 60 || told[1].Site != "ams1" {
		t.Errorf("%+v, told %d times", bad, len(told))
	}
	again, status, err := ReadRegister(s.config.Dir)
	if err != nil || !reflect.DeepEqual(ReportOf("ams1", again, status, DefaultRule().Settle).Sources, bad.Sources) {
		t.Errorf("on the disk: %+v, %v", status, err)
	}
}

func TestWhatPeopleAskedForByAFileIsToldWithTheirNameAndAnOwnID(t *testing.T) {
	asked := make(chan Request, 2)
	s := opened(t, SyncConfig{Dir: t.TempDir(), Every: time.Hour, Rule: DefaultRule(), Asked: func(r Request, _ string) { asked <- r },
		Source: sourceOf(func() (Answer, error) { return answerOf(bmcs(1, 10)), nil })})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if text, err := Ask(t.Context(), s.config.Dir, Request{Who: "ada@desk"}); err != nil || !strings.Contains(text, "snapshot 1") {
		t.Fatal(text, err)
	}
	if _, err := Ask(t.Context(), s.config.Dir, Request{Approve: "abc", Who: "ada@desk"}); err == nil {
		t.Error("what is not withheld was approved")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if r := <-asked; r.Who != "ada@desk" || r.ID == "" || r.Approve != "" || len(asked) != 0 {
		t.Errorf("%+v, and %d more: what was refused is none", r, len(asked))
	}
}

func TestWhoeverWaitsForASyncThatIsUnderWayNeedNotWaitForEver(t *testing.T) {
	hold := make(chan struct{})
	entered := make(chan struct{})
	s := opened(t, SyncConfig{Dir: t.TempDir(), Rule: DefaultRule(), Source: sourceOf(func() (Answer, error) {
		close(entered)
		<-hold
		return answerOf(bmcs(1, 2)), nil
	})})
	ended := make(chan error, 1)
	go func() {
		_, err := s.Sync(t.Context())
		ended <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Approve(ctx, "abc", "ada"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(hold)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
