package checks_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

func TestDueSpreadsOverTheIntervalAndStays(t *testing.T) {
	const interval, n = 5 * time.Minute, 10_000
	from := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	var seconds [300]int
	for i := range n {
		id := inventory.ID(fmt.Sprintf("ams1-r%02d-u%02d", i/40, i%40))
		due := checks.Due(id, interval, from)
		if due.Before(from) || !due.Before(from.Add(interval)) {
			t.Fatalf("%s is due at %s", id, due)
		}
		if next := checks.Due(id, interval, due.Add(1)); next != due.Add(interval) || checks.Due(id, interval, due) != due {
			t.Fatalf("%s: after %s comes %s", id, due, next)
		}
		seconds[due.Sub(from)/time.Second]++
	}
	if peak, mean := slices.Max(seconds[:]), n/300; peak > 2*mean {
		t.Errorf("%d in the peak second, the mean is %d", peak, mean)
	}
}
