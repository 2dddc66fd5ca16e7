package kafka_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"lamplighter/results"
	"lamplighter/results/schematest"
)

// checkCoalesced wants the verdicts to stand for all rounds, and one gap that says how many are missing.
func checkCoalesced(t *testing.T, verdicts, gaps []*kgo.Record, rounds int) {
	t.Helper()
	stands := 0
	for _, r := range verdicts {
		schematest.Validate(t, "verdict.v1", r.Value)
		n, err := strconv.Atoi(header(r, "ce_rounds"))
		if err != nil {
			t.Fatal(err)
		}
		stands += n
	}
	if stands != rounds || len(verdicts) == rounds {
		t.Errorf("%d verdicts stand for %d rounds, want %d", len(verdicts), stands, rounds)
	}
	if len(gaps) != 1 {
		t.Fatalf("%d gaps", len(gaps))
	}
	schematest.Validate(t, "gap.v1", gaps[0].Value)
	var gap results.Gap
	if err := json.Unmarshal(gaps[0].Value, &gap); err != nil {
		t.Fatal(err)
	}
	if gap.Verdicts != uint64(rounds-len(verdicts)) || gap.Satellite != "sat-a" || string(gaps[0].Key) != "sat-a" || header(gaps[0], "ce_type") != "bmc.gap.v1" {
		t.Errorf("of %d verdicts %d are there; the gap says %+v", rounds, len(verdicts), gap)
	}
}
