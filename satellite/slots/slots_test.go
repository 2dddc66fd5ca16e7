package slots_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lamplighter/checks"
	"lamplighter/satellite/slots"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMostUrgentThenOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(2)
		now := time.Now()
		running := s.Acquire(t.Context(), checks.LaneRoutine, now)
		also := s.Acquire(t.Context(), checks.LanePerson, now)
		var order []string
		for _, w := range []struct {
			name string
			lane checks.Lane
			due  time.Duration
		}{
			{"routine new", checks.LaneRoutine, 2}, {"routine old", checks.LaneRoutine, 1}, {"confirm new", checks.LaneConfirm, 2},
			{"person", checks.LanePerson, 3}, {"confirm old", checks.LaneConfirm, 1},
		} {
			go func() {
				slot := s.Acquire(t.Context(), w.lane, now.Add(w.due))
				order = append(order, w.name)
				slot.Release()
			}()
			synctest.Wait()
		}
		also.Release()
		synctest.Wait()
		running.Release()
		synctest.Wait()
		if want := []string{"person", "confirm old", "confirm new", "routine old", "routine new"}; !slices.Equal(order, want) {
			t.Errorf("got %q, want %q", order, want)
		}
	})
}

func TestATenthIsNeverGivenToRoutine(t *testing.T) {
	for _, test := range []struct{ limit, routine int }{{1, 1}, {2, 1}, {10, 9}, {19, 18}, {20, 18}, {100, 90}} {
		s := slots.New(test.limit)
		got := 0
		for {
			if _, ok := s.Try(checks.LaneRoutine); !ok {
				break
			}
			got++
		}
		if _, ok := s.Try(checks.LanePerson); got != test.routine || !ok {
			t.Errorf("%d slots: %d given to routine, want %d; person %v", test.limit, got, test.routine, ok)
		}
	}
	for n := 1; n < 300; n++ {
		s, got := slots.ForRoutine(n), 0
		for ok := true; ok; got++ {
			_, ok = s.Try(checks.LaneRoutine)
		}
		if got-1 != n {
			t.Errorf("ForRoutine(%d) gives %d", n, got-1)
		}
	}
}

func TestStalledSlotsMakeRoomUntilTheSecondPoolIsFull(t *testing.T) {
	s := slots.New(2) // one for routine, 32 stalled
	var all []*slots.Slot
	for range 33 {
		slot, ok := s.Try(checks.LaneRoutine)
		if !ok {
			t.Fatalf("slot %d: not given", len(all)+1)
		}
		slot.Stall()
		all = append(all, slot)
	}
	if _, ok := s.Try(checks.LaneRoutine); ok {
		t.Fatal("the second pool is full, and yet another slot was given")
	}
	all[0].Release()
	all[0].Release() // no harm
	last, ok := s.Try(checks.LaneRoutine)
	if !ok {
		t.Fatal("the one that was stuck did not move on")
	}
	for _, slot := range append(all, last) {
		slot.Release()
	}
	if _, ok := s.Try(checks.LaneRoutine); !ok {
		t.Error("all released, and none is given")
	}
}

func TestWhoeverGivesUpTakesNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slots.New(2)
		first := s.Acquire(t.Context(), checks.LaneRoutine, time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		var got atomic.Pointer[slots.Slot]
		go func() { got.Store(s.Acquire(ctx, checks.LaneRoutine, time.Now())) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		first.Release()
		if _, ok := s.Try(checks.LaneRoutine); got.Load() != nil || !ok {
			t.Errorf("the waiter got %v, the slot is free: %v", got.Load(), ok)
		}
	})
}

func TestMostBoundsBothPoolsAndTheStalledGiveWay(t *testing.T) {
	for _, test := range []struct{ limit, most, fast, all int }{
		{20, 0, 20, 20 + 16*20}, {20, 100, 20, 100}, {20, 20, 20, 20}, {20, 10, 10, 10}, {20, 10_000, 20, 20 + 16*20}, {2, 1, 2, 2},
	} {
		s := slots.New(test.limit)
		if test.most > 0 {
			s.Most(test.most)
		}
		var all []*slots.Slot
		for slot, ok := s.Try(checks.LanePerson); ok; slot, ok = s.Try(checks.LanePerson) {
			all = append(all, slot)
		}
		if len(all) != test.fast {
			t.Errorf("limit %d, most %d: %d at once, want %d", test.limit, test.most, len(all), test.fast)
		}
		for i := 0; i < len(all); i++ {
			all[i].Stall()
			if slot, ok := s.Try(checks.LanePerson); ok {
				all = append(all, slot)
			}
		}
		if fast, stalled := s.Taken(); len(all) != test.all || fast+stalled != test.all {
			t.Errorf("limit %d, most %d: %d with the stalled (%d and %d), want %d", test.limit, test.most, len(all), fast, stalled, test.all)
		}
		for _, slot := range all {
			slot.Release()
		}
		if fast, stalled := s.Taken(); fast+stalled != 0 {
			t.Errorf("all released: %d and %d are taken", fast, stalled)
		}
	}
}

func TestRoomInTheSecondPoolGoesToOneThatStillRuns(t *testing.T) {
	s := slots.New(2).Most(3)
	stalled, _ := s.Try(checks.LanePerson)
	stalled.Stall()
	stuck, _ := s.Try(checks.LanePerson)
	stuck.Stall()
	stuck.Release()
	other, _ := s.Try(checks.LanePerson)
	other.Stall()
	other.Stall()
	stalled.Release()
	if fast, stalled := s.Taken(); fast != 0 || stalled != 1 {
		t.Errorf("%d fast and %d stalled, want the one that runs to be stalled", fast, stalled)
	}
	other.Release()
	if fast, stalled := s.Taken(); fast != 0 || stalled != 0 {
		t.Errorf("all released: %d fast and %d stalled", fast, stalled)
	}
}
