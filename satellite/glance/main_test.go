package glance

import (
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// TestMain keeps to one processor: with the race detector Go 1.26.8 crashes now and then when two goroutines of a bubble find their
// timers expired at the same moment (unlockAndRun's race context of a bubble is shared and not locked).
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}
