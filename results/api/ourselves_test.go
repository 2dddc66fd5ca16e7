package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
	"lamplighter/results/audit"
	"lamplighter/results/pace"
	"lamplighter/results/spool"
)

// filterOf is the filter by which the console finds the BMCs of a group.
func filterOf(k pace.Kind) string {
	return fmt.Sprintf("vendor=%q and firmware=%q", k.Vendor, k.Firmware)
}

func TestChecksAreCountedByVendorAndFirmwareAndEachGroupIsFoundByItsFilter(t *testing.T) {
	f := newFleet(t)
	f.good(0, 20, checks.Facts{"firmware": "2.9"})
	f.good(20, 50, checks.Facts{"firmware": `2.14 "b"`})
	f.good(50, 55, nil)
	for n := 20; n < 23; n++ {
		f.impostor(n)
	}
	r := get[pace.Report](f, "/chain?check=tls")
	if r.Rounds != 58 || len(r.Groups) != 3 || r.Groups[0].Failed != 3 || r.Groups[0].Firmware != `2.14 "b"` || r.Of != checks.TLS {
		t.Fatalf("%+v", r)
	}
	for _, g := range r.Groups {
		want := map[string]int{"2.9": 20, `2.14 "b"`: 30, "": 5}[g.Firmware]
		if p := get[page[BMC]](f, where("/bmcs", filterOf(g.Kind))); len(p.Items) != want {
			t.Errorf("%s finds %d BMCs, want %d", filterOf(g.Kind), len(p.Items), want)
		}
	}
	failing := get[page[BMC]](f, where("/bmcs", filterOf(r.Groups[0].Kind)+" and failed=tls"))
	if len(failing.Items) != 3 {
		t.Errorf("%d fail", len(failing.Items))
	}
	at := slices.IndexFunc(r.Checks, func(w pace.Whole) bool { return w.Check.Check == checks.Power })
	if power := r.Checks[at]; power.Asked != 55 || power.NotReached != 3 || power.P50 == nil || power.Before != nil {
		t.Errorf("%+v", power)
	}
	if first := get[pace.Report](f, "/chain"); first.Of != checks.Ping {
		t.Errorf("without a name it is %s", first.Of)
	}
	if status, answer, _ := f.call("GET", base+"/chain?check=dns", ""); status != 400 || !strings.Contains(string(answer), "redfish-login") {
		t.Errorf("%d %s", status, answer)
	}
}

// of is a satellite's line.
func (s Satellites) of(t *testing.T, name string) Satellite {
	t.Helper()
	at := slices.IndexFunc(s.Satellites, func(one Satellite) bool { return one.Name.Satellite == name })
	if at < 0 {
		t.Fatalf("there is no %s in %+v", name, s)
	}
	return s.Satellites[at]
}

func TestASiteThatOneSatelliteSeesIsSaidToHaveNoSecond(t *testing.T) {
	rounds := audit.NewWatch(audit.WatchConfig{Interval: 5 * time.Minute, Listening: time.Now})
	f := newFleet(t, func(f *fleet) { f.rounds = rounds })
	f.good(0, 10, nil)
	s := get[Satellites](f, "/satellites")
	a := s.of(t, "sat-a")
	if len(s.Sites) != 1 || s.Sites[0] != (Cover{Site: "ams1", BMCs: 10, Heard: 1, Alone: 10}) || !a.Heard || a.BMCs != 10 || a.Recent != 10 || a.Rounds != 10 || a.Checks != 40 {
		t.Errorf("%+v", s)
	}
	var all []results.Verdict
	for n := range 4 {
		v := f.round(n, checks.SelfPath, nil)
		v.Satellite = "sat-b"
		all = append(all, v)
	}
	f.emit(all...)
	s = get[Satellites](f, "/satellites")
	if b := s.of(t, "sat-b"); b.BMCs != 4 || len(b.Reasons) > 0 && (b.Reasons[0].Reason != checks.SelfPath || b.Reasons[0].Count != s.Sites[0].Disputed) || s.Sites[0].Alone != 0 || s.of(t, "sat-a").BMCs != 6 {
		t.Errorf("%+v", s)
	}
	if found := get[page[BMC]](f, where("/bmcs", "satellite=sat-b")); len(found.Items) != 4 {
		t.Errorf("its filter finds %d", len(found.Items))
	}
	tally := fmt.Sprintf(`{"schema":%q,"site":"ams1","satellite":"sat-a","tier":"started","minute":"2026-11-22T12:00:00Z","at":%q,"since":"2026-11-22T11:00:00Z","version":"1.4"}`, results.TallySchema, time.Now().UTC().Format(time.RFC3339))
	if err := rounds.Take(spool.Tally, []byte(tally), 1); err != nil {
		t.Fatal(err)
	}
	until(t, "its version is known", func() bool { return get[Satellites](f, "/satellites").of(t, "sat-a").Version == "1.4" })
	f.stop()
	f.rounds = nil
	f.start() // what was counted is gone, what is believed is not
	if a := get[Satellites](f, "/satellites").of(t, "sat-a"); a.BMCs != 6 || a.Rounds != 0 || !a.Heard || !a.HeardAt.IsZero() {
		t.Errorf("after a restart: %+v", a)
	}
}

func TestEachDaysCertificatesAreFoundByItsFilter(t *testing.T) {
	f := newFleet(t)
	now := time.Now().UTC()
	for n, days := range []int{-3, 0, 1, 1, 12, 30, 31, 400} {
		ends := now.Truncate(24*time.Hour).AddDate(0, 0, days).Add(24*time.Hour - time.Second)
		f.good(n, n+1, checks.Facts{"cert_not_after": ends.Format(time.RFC3339)})
	}
	f.good(8, 9, checks.Facts{"cert_not_after": "now+3d"}) // a BMC says what it likes
	f.good(9, 10, nil)
	c := get[Certificates](f, "/certificates")
	if c.Over != 1 || c.Later != 2 || c.None != 2 || len(c.Days) != 31 || c.Days[1].Count != 2 || c.Days[30].Count != 1 || c.Days[2].Count != 0 {
		t.Errorf("%+v", c)
	}
	for i, day := range c.Days {
		at, err := time.Parse(time.DateOnly, day.Day)
		if err != nil {
			t.Fatal(err)
		}
		from := day.Day
		if i == 0 {
			from = "now"
		}
		filter := fmt.Sprintf("cert_not_after>=%s and cert_not_after<%s", from, at.AddDate(0, 0, 1).Format(time.DateOnly))
		if found := get[page[BMC]](f, where("/bmcs", filter)); len(found.Items) != day.Count && i < 3 || day.Count > 0 && len(found.Items) != day.Count {
			t.Errorf("%s finds %d, want %d", filter, len(found.Items), day.Count)
		}
	}
	if c := get[Certificates](f, "/certificates?where="+url.QueryEscape("bmc=bmc-00004")); c.Days[12].Count != 1 || c.Over+c.Later+c.None != 0 {
		t.Errorf("%+v", c)
	}
}

func TestMissingRoundsAreToldOfWhoHasAnInventory(t *testing.T) {
	without := newFleet(t)
	if r := get[Rounds](without, "/audit/rounds"); r.Known || len(r.Sites) != 0 {
		t.Errorf("%+v", r)
	}
	listed := []inventory.BMC{bmcNumber(0), bmcNumber(1)}
	f := newFleet(t, func(f *fleet) {
		f.rounds = audit.NewWatch(audit.WatchConfig{Interval: 5 * time.Minute, Settle: 9 * time.Minute, Listening: time.Now, Fleet: func() []inventory.BMC { return listed }})
	})
	until(t, "the site is known", func() bool { return len(get[Rounds](f, "/audit/rounds").Sites) == 1 })
	r := get[Rounds](f, "/audit/rounds")
	if s := r.Sites[0]; !r.Known || r.SettleS != 540 || s.Site != "ams1" || s.BMCs != 2 || s.Expected != 0 || s.Until.After(s.From) || s.From.Before(r.At) {
		t.Errorf("%+v", r)
	}
}

func TestWhatPeopleDidIsAskedForByKind(t *testing.T) {
	f := newFleet(t)
	f.good(0, 2, nil)
	f.bad(1)
	for range 3 {
		f.call("PUT", base+"/bmcs/bmc-00001/ack", `{"note":"n"}`)
	}
	f.call("DELETE", base+"/bmcs/bmc-00001/ack", "")
	acks := get[page[Act]](f, "/audit?do=ack&limit=2")
	if len(acks.Items) != 2 || acks.Next == "" || acks.Items[0].Do != "ack" {
		t.Errorf("%+v", acks)
	}
	if rest := get[page[Act]](f, "/audit?do=ack&limit=2&cursor="+acks.Next); len(rest.Items) != 1 || rest.Next != "" {
		t.Errorf("%+v", rest)
	}
	if un := get[page[Act]](f, "/audit?do=unack"); len(un.Items) != 1 {
		t.Errorf("%+v", un)
	}
}
