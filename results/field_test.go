package results_test

import (
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/results"
)

func TestField(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	state := &results.State{BMC: "a", Site: "ams1", Vendor: "Dell", Health: checks.Unavailable, Since: now.Add(-time.Hour), NeverSeen: true}
	facts := []results.Fact{{Name: "firmware", Value: "2.14"}, {Name: "model", Value: "R650"}, {Name: "vendor", Value: "DELL Inc."}}
	for name, want := range map[string]string{
		"bmc": "a", "site": "ams1", "health": "unavailable", "never_seen": "true", "since": "2026-11-22T02:00:00Z", "age": "1h0m0s",
		"vendor": "Dell", // the inventory's, not what the BMC says
		"model":  "R650", // what the BMC says where the inventory has none
		// what is not known is empty: not 0, not false, not the year 1
		"unit": "", "soft": "", "last_at": "", "firmware": "2.14", "nonsense": "",
	} {
		if got := results.Field(state, facts, name, now); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
