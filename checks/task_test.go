package checks

import (
	"encoding/json"
	"testing"
	"time"
)

func TestRoundIDs(t *testing.T) {
	due := time.Date(2026, 11, 22, 3, 4, 5, 678e6, time.UTC)
	cases := []struct {
		name  string
		round Round
		want  string
	}{
		{"a plain ID", Round{"srv-1", due, Routine}, "srv-1@2026-11-22T03:04:05.678Z#routine"},
		{"an ID with the separators in it", Round{"a@b#c", due, Person}, "a@b#c@2026-11-22T03:04:05.678Z#person"},
		{"another time zone is the same moment", Round{"srv-1", due.In(time.FixedZone("", 3600)), Confirm}, "srv-1@2026-11-22T03:04:05.678Z#confirm"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.round.String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			back, err := ParseRound(c.want)
			if err != nil || back.BMC != c.round.BMC || !back.Due.Equal(c.round.Due) || back.Why != c.round.Why {
				t.Errorf("parsed %+v, %v; want %+v", back, err, c.round)
			}
		})
	}
}

func TestWhatIsNoRoundID(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no time": "srv-1#routine", "no BMC": "@2026-11-22T03:04:05.678Z#routine", "no why": "srv-1@2026-11-22T03:04:05.678Z",
		"another why": "srv-1@2026-11-22T03:04:05.678Z#cron", "a time without milliseconds": "srv-1@2026-11-22T03:04:05Z#routine",
	} {
		t.Run(name, func(t *testing.T) {
			if round, err := ParseRound(text); err == nil {
				t.Errorf("%q is read as %+v", text, round)
			}
		})
	}
}

func FuzzParseRound(f *testing.F) {
	f.Add("a@b#c@2026-11-22T03:04:05.678Z#person")
	f.Add("@#")
	f.Fuzz(func(t *testing.T, text string) {
		round, err := ParseRound(text)
		if err != nil {
			return
		}
		if again, err := ParseRound(round.String()); err != nil || again.String() != round.String() {
			t.Errorf("%q became %q, then %q (%v)", text, round, again, err)
		}
	})
}

// FuzzTask: whoever can write to a mailbox cannot make the decoder panic, and what it accepts survives another trip.
func FuzzTask(f *testing.F) {
	f.Add([]byte(`{"round":"srv-1@2026-11-22T03:04:05.678Z#routine","rev":"00","check":"tls","done":[{"check":"ping","outcome":"ok","reason":"","notes":[],"facts":{}}],"expires":"2026-11-22T03:05:05Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var task Task
		if json.Unmarshal(body, &task) != nil || task.Round.BMC == "" {
			return
		}
		again, err := json.Marshal(task)
		if err != nil {
			return // a year beyond 9999
		}
		if err := json.Unmarshal(again, &task); err != nil {
			t.Errorf("%s does not survive: %v", again, err)
		}
	})
}

func TestReasonsHaveOneLineEach(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons {
		if seen[r.Reason] || r.Owner == "" || r.Meaning == "" || r.NextStep == "" || r.Letter == "" {
			t.Errorf("%+v: want one whole line for each reason", r)
		}
		if (r.Owner == OwnerUs) != (r.Health == Unknown) {
			t.Errorf("%s: Unknown and owner us go together", r.Reason)
		}
		seen[r.Reason] = true
	}
}
