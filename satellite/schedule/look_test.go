package schedule_test

import (
	"testing"
	"testing/synctest"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

func TestALookStartsARoundAtOnceUnlessOneRunsOrTheBMCFailsAlready(t *testing.T) {
	for name, test := range map[string]struct {
		before func(o *office)
		bmc    inventory.ID
		want   bool
	}{
		"of a BMC that was well":              {func(o *office) { o.end(o.started()[0], checks.Available, "") }, "a", true},
		"of one that we could not find out":   {func(o *office) { o.end(o.started()[0], checks.Unknown, checks.SelfPath) }, "a", true},
		"of one that fails already":           {func(o *office) { o.end(o.started()[0], checks.Unavailable, checks.NetTimeout) }, "a", false},
		"of one whose round runs":             {func(*office) {}, "a", false},
		"of one that the inventory knows not": {func(*office) {}, "stranger", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOffice(5*time.Minute, 10)
				o.Set([]inventory.BMC{{ID: "a"}})
				stop := o.begin(t)
				for len(o.started()) == 0 {
					pass(time.Second)
				}
				test.before(o)
				pass(time.Second)
				if fine := o.Fine(test.bmc); fine != test.want {
					t.Errorf("fine: %v", fine)
				}
				o.Look(test.bmc)
				pass(time.Millisecond)
				all := o.started()
				if looked := len(all) == 2; looked != test.want {
					t.Fatalf("%d rounds", len(all))
				}
				if test.want && (all[1].Round.Why != checks.Look || time.Since(all[1].Round.Due) > time.Second) {
					t.Errorf("%s: want #look, due now", all[1].Round)
				}
				for _, task := range all {
					o.end(task, checks.Available, "")
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestALookRoundCarriesTheLoginOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(5*time.Minute, 10)
		o.Set([]inventory.BMC{{ID: "a"}})
		stop := o.begin(t)
		for ended := 0; ended < 3; pass(time.Second) {
			for ; ended < len(o.started()); ended++ {
				o.end(o.started()[ended], checks.Available, "")
			}
		}
		o.Look("a")
		pass(time.Second)
		all := o.started()
		if last := all[len(all)-1]; last.Round.Why != checks.Look || len(last.Carried) == 0 {
			t.Errorf("%s carries %v", last.Round, last.Carried)
		}
		o.end(all[len(all)-1], checks.Available, "")
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatBreaksIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(5*time.Minute, 10)
		var broke []inventory.ID
		o.Config.Broke = func(bmc inventory.ID) {
			o.Fine(bmc) // it may ask back
			broke = append(broke, bmc)
		}
		o.Set([]inventory.BMC{{ID: "a"}})
		stop := o.begin(t)
		finds := []checks.Reason{"", checks.NetTimeout, checks.NetTimeout, checks.SelfBlind, checks.NetTimeout, "", checks.SelfPath, checks.NetUnreachable}
		for ended := 0; ended < len(finds); pass(time.Second) {
			for ; ended < min(len(o.started()), len(finds)); ended++ {
				health := checks.Available
				switch reason := finds[ended]; {
				case reason.Info().Owner == checks.OwnerUs:
					health = checks.Unknown
				case reason != "":
					health = checks.Unavailable
				}
				o.end(o.started()[ended], health, finds[ended])
			}
		}
		if len(broke) != 2 {
			t.Errorf("told %d times, want 2: when it fell silent, and when it did again", len(broke))
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
