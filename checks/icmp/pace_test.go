package icmp

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceLetsABurstPassAndThenHoldsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		start := time.Now()
		for range perSecond + burst {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("%d requests took %v, want 1s", perSecond+burst, took)
		}
	})
}

func TestPaceDoesNotSaveUpMoreThanABurst(t *testing.T) {
	var p pace
	now := time.Now()
	p.take(now.Add(-time.Hour))
	free := 0
	for p.take(now) == 0 {
		free++
	}
	if free != burst {
		t.Errorf("%d requests at once after an hour of rest, want %d", free, burst)
	}
}
