package incident_test

import (
	"testing"
	"time"

	"lamplighter/results"
)

func quiet(id, where string, from, to time.Duration) results.Silence {
	return results.Silence{Schema: results.SilenceSchema, ID: id, Seq: 1, Kind: results.Maintenance, Where: where, Who: "ann", Reason: "new switch",
		MadeAt: begin, From: begin.Add(from), Until: begin.Add(to)}
}

func (w *world) hush(s results.Silence) {
	w.t.Helper()
	if err := w.e.Silence(s); err != nil {
		w.t.Fatal(err)
	}
}

func TestASilencedRackOpensNothingUntilItsSilenceEnds(t *testing.T) {
	w := newWorld(t, small, 1)
	w.hush(quiet("sil-1", "site=s1 and rack=B03", 0, 20*time.Minute))
	w.fault = planted(time.Minute, dead, inRack("s1", "B03"))
	w.run(19 * time.Minute)
	w.wants("", "")
	w.run(2 * time.Minute)
	w.wants("rack s1/r1/B/B03 12", "1 open")
	if i := w.open()[0]; i.Silenced != nil || i.Since.Sub(begin) > 6*time.Minute {
		t.Errorf("%+v", i)
	}
}

func TestASilenceKeepsQuietWhatIsOpenAndLetsItClose(t *testing.T) {
	w := newWorld(t, small, 1)
	w.fault = until(time.Minute, 20*time.Minute, dead, inRack("s1", "B03"))
	w.run(9 * time.Minute)
	w.hush(quiet("sil-1", "rack=B03 and bmc!=s1-b03-u05", 9*time.Minute, 2*time.Hour))
	w.run(time.Minute)
	if i := w.open()[0]; i.Silenced != nil {
		t.Errorf("one of its BMCs is not silenced, and it is: %+v", i.Silenced)
	}
	w.hush(quiet("sil-2", "bmc=s1-b03-u05", 9*time.Minute, time.Hour))
	w.run(time.Minute)
	if i := w.open()[0]; i.Silenced == nil || i.Silenced.Silence != "sil-2" || i.Silenced.Kind != results.Maintenance || i.Failing != 12 {
		t.Errorf("%+v", i)
	}
	ended := quiet("sil-2", "bmc=s1-b03-u05", 9*time.Minute, time.Hour)
	ended.Seq, ended.EndedAt = 3, w.now
	w.hush(ended)
	w.run(time.Second)
	if i := w.open()[0]; i.Silenced != nil {
		t.Errorf("a silence was ended, and it is silenced: %+v", i.Silenced)
	}
	w.run(20 * time.Minute)
	w.wants("", "1 recovered")
}

func TestASilencedRackIsNoEvidence(t *testing.T) {
	w := newWorld(t, small, 1)
	w.hush(quiet("sil-1", "rack in (B01, B02)", 0, time.Hour))
	w.fault = planted(time.Minute, dead, func(u *unit) bool { return u.rack != "B04" && u.row == "B" })
	w.run(12 * time.Minute)
	w.wants("rack s1/r1/B/B03 12", "1 open")
}

func TestWhatASilenceMatchesIsWrittenDown(t *testing.T) {
	w := newWorld(t, small, 1)
	w.hush(quiet("sil-1", "rack=B03", 0, 72*time.Hour))
	w.hush(quiet("sil-2", "rack=Z99", 0, 72*time.Hour))
	w.hush(quiet("sil-3", "label.tenant=blue", 0, 72*time.Hour))
	matched := map[string]results.Silence{}
	for range 30 {
		for _, s := range w.e.Decide(w.now).Silences {
			matched[s.ID] = s
		}
		w.now = w.now.Add(time.Hour)
		for _, u := range w.units {
			w.see(u)
		}
	}
	if len(matched) != 1 || matched["sil-1"].Seq < 24 || matched["sil-1"].Idle(w.now) {
		t.Errorf("%+v", matched)
	}
	for _, s := range []results.Silence{quiet("sil-2", "rack=Z99", 0, 72*time.Hour)} {
		if !s.Idle(w.now) || s.Idle(begin.Add(time.Hour)) || s.Idle(begin.Add(100*time.Hour)) {
			t.Errorf("%s: idle %v", s.ID, s.Idle(w.now))
		}
	}
}
