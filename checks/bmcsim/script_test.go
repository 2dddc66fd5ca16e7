package bmcsim

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestScriptsAreRead(t *testing.T) {
	script, err := LoadScript(strings.NewReader(`
- rack: A01
  site: ams1
  fault: dead
- bmcs: ["ams1-*", "fra1-a01-u0?"]
  share: 2.5%
  fault: wrong-password
  from: 10s
  to: 1m30s
- bmcs: "fra1-*"
  fault: cert-expired
`))
	want := Script{
		{Site: "ams1", Rack: "A01", Fault: Dead},
		{BMCs: Globs{"ams1-*", "fra1-a01-u0?"}, Share: 0.025, Fault: WrongPassword, From: 10 * time.Second, To: 90 * time.Second},
		{BMCs: Globs{"fra1-*"}, Fault: CertExpired},
	}
	if err != nil || fmt.Sprint(script) != fmt.Sprint(want) {
		t.Errorf("read %v, %v; want %v", script, err, want)
	}
	if script, err := LoadScript(strings.NewReader("")); err != nil || len(script) != 0 {
		t.Errorf("an empty script: %v, %v", script, err)
	}
}

func TestScriptMistakesAreNamed(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an unknown key shows its line", "- fault: dead\n- fault: slow\n  racks: A01\n", "[3:3] unknown field"},
		{"an unknown fault shows its line and what there is", "- fault: deaf\n", `step 1, line 1: fault "deaf": want one of dead,`},
		{"a missing fault is named by step", "- rack: A01\n", "step 1, line 1: no fault"},
		{"a share without a percent sign", "- fault: dead\n  share: 0.1\n", "want more than 0%"},
		{"a share over everything", "- fault: dead\n  share: 101%\n", "at most 100%"},
		{"an end before the beginning", "- fault: slow\n\n- fault: dead\n  from: 10s\n  to: 5s\n", "step 2, line 3: from 10s to 5s"},
		{"a broken glob", "- fault: dead\n  bmcs: '[a'\n", "syntax error in pattern"},
		{"a time without a unit", "- fault: dead\n  from: 10x\n", "step 1, line 1: time: unknown unit"},
		{"an anchor", "- fault: dead\n- fault: slow\n  bmcs: &all ['*']\n", "step 2, line 3: anchors"},
		{"no list", "fault: dead\n", "line 1: want a list of steps"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := LoadScript(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestScriptsThatMeanNobodyAreRefused(t *testing.T) {
	for _, step := range []Step{{BMCs: Globs{"nobody-*"}, Fault: Dead}, {Fault: NoSlots}, {Rack: "Z99", Fault: Slow}} {
		p := plan(10, 0)
		p.Script = Script{step}
		if _, err := NewFleet(p); err == nil || !strings.Contains(err.Error(), "step 1: no BMC left") {
			t.Errorf("%+v: error %v", step, err)
		}
	}
}

func TestSharesAreExactAndDisjoint(t *testing.T) {
	p := plan(2000, 0.3)
	p.Script = Script{{Fault: Dead, Share: 0.1}, {Fault: WrongPassword, Share: 0.05}, {Fault: CertExpired, Share: 0.02}, {Fault: NoSlots, Share: 0.1}}
	f, err := NewFleet(p)
	if err != nil {
		t.Fatal(err)
	}
	count := map[Fault]int{}
	for id, faults := range f.Planted() {
		if len(faults) != 1 {
			t.Errorf("%s has %v, want one", id, faults)
		}
		count[faults[0]]++
	}
	want := map[Fault]int{Dead: 200, WrongPassword: 100, CertExpired: 28, NoSlots: 60}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("planted %v, want %v", count, want)
	}
}

func TestScriptsPlayInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(2, 0)
		id := "sim1-a01-u01"
		p.Script = Script{
			{BMCs: Globs{id}, Fault: Dead, To: time.Minute},
			{BMCs: Globs{id}, Fault: Slow, From: 30 * time.Second, To: 2 * time.Minute},
			{BMCs: Globs{id}, Fault: Dead, From: 50 * time.Second, To: 70 * time.Second},
		}
		f, err := NewFleet(p)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		go f.play(ctx)
		for _, c := range []struct {
			at   time.Duration
			want string
		}{{0, "[dead]"}, {29 * time.Second, "[dead]"}, {31 * time.Second, "[dead slow]"}, {65 * time.Second, "[dead slow]"}, {71 * time.Second, "[slow]"}, {121 * time.Second, "[]"}} {
			time.Sleep(time.Until(start.Add(c.at)))
			synctest.Wait()
			if got := fmt.Sprint(f.bmcs[0].faults().list()); got != c.want {
				t.Errorf("after %s: %s, want %s", c.at, got, c.want)
			}
			if got := f.bmcs[1].faults().list(); len(got) != 0 {
				t.Errorf("the other BMC has %v", got)
			}
		}
	})
}

func FuzzLoadScript(f *testing.F) {
	f.Add("- fault: dead\n  share: 10%\n  to: 1m\n")
	f.Add("- bmcs: [a, 'b*']\n  fault: slow\n  from: 1s\n")
	f.Add("- {fault: drip, rack: A01, site: x}")
	f.Add("- bmcs: &a [*a]\n  fault: dead")
	f.Fuzz(func(t *testing.T, text string) {
		script, err := LoadScript(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range script {
			if s.Fault >= faultCount || s.Share < 0 || s.Share > 1 || math.IsNaN(float64(s.Share)) || s.To != 0 && s.To <= s.From {
				t.Errorf("accepted %+v", s)
			}
		}
	})
}

func TestARowOrAVendorCanBeMeant(t *testing.T) {
	script, err := LoadScript(strings.NewReader("- {row: B, fault: dead}\n- {vendor: HPE, fault: wrong-password}\n"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFleet(Plan{Seed: 1, Shared: true, Sites: []Site{{Name: "s", BMCs: 60, PerRack: 3}}, Script: script})
	if err != nil {
		t.Fatal(err)
	}
	logins := map[string]string{}
	for _, b := range f.bmcs {
		if b.has(Dead) != (b.record.Row == "B") || b.has(WrongPassword) != (b.record.Vendor == "HPE") {
			t.Errorf("%s in row %s by %s: %v", b.record.ID, b.record.Row, b.record.Vendor, b.faults().list())
		}
		if known, ok := logins[b.record.Login]; ok && known != b.password {
			t.Errorf("login %s has two passwords", b.record.Login)
		}
		logins[b.record.Login] = b.password
	}
	if len(logins) != 4 || logins["s-hpe"] == "" {
		t.Errorf("logins: %d", len(logins))
	}
}
