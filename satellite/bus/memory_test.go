package bus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lamplighter/satellite/bus"
	"lamplighter/satellite/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quick() *bus.Memory {
	return &bus.Memory{HoldBack: func(int) time.Duration { return time.Millisecond }}
}

func TestMemory(t *testing.T) {
	bustest.Test(t, func(*testing.T) bus.Bus { return quick() })
}

func TestMemoryOwn(t *testing.T) {
	bustest.Own(t, func(t *testing.T, test func(*testing.T, bus.Bus)) {
		synctest.Test(t, func(t *testing.T) { test(t, quick()) })
	})
}

func TestMemoryAir(t *testing.T) {
	bustest.Air(t, func(*testing.T) bus.Air { return quick() })
}

func TestMemoryLog(t *testing.T) {
	bustest.Log(t, func(*testing.T) bus.Log { return quick() })
}

func TestMemoryHoldsBackLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bus.Memory
		var at []time.Time
		ctx, cancel := context.WithCancel(t.Context())
		if err := b.Send(ctx, "box", bus.Message{ID: "a"}); err != nil {
			t.Fatal(err)
		}
		err := b.Receive(ctx, "box", 1, 1, func(context.Context, bus.Message) error {
			if at = append(at, time.Now()); len(at) == bus.DeliveryLimit {
				cancel()
			}
			return errors.New("not now")
		})
		if err != nil {
			t.Fatal(err)
		}
		full := 100 * time.Millisecond
		for i := 1; i < len(at); i++ {
			if pause := at[i].Sub(at[i-1]); pause < full/2 || pause > full+time.Millisecond {
				t.Errorf("pause before delivery %d is %v, want %v to %v", i+1, pause, full/2, full)
			}
			full = min(2*full, 30*time.Second)
		}
	})
}
