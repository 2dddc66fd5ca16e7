package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
	"lamplighter/results"
)

// redfishFleet is n Redfish BMCs under a trust policy; wrong, when set, has another key than it had.
func redfishFleet(t *testing.T, n int, trust inventory.TrustMode) (fleet simulated, wrong inventory.ID) {
	t.Helper()
	plan := bmcsim.One(n, 0)
	plan.Trust = trust
	fleet = simulate(t, plan)
	return fleet, fleet.BMCs()[n/2].ID
}

// secrets is how many passwords a BMC received.
func (s simulated) secrets(id inventory.ID) int64 { return s.Counters().BMCs[id].OwnSecrets }

func TestAChangedKeyUnderPinGetsNoPassword(t *testing.T) {
	t.Parallel()
	fleet, wrong := redfishFleet(t, 6, inventory.TrustPin)
	fleet.plant(t, wrong, bmcsim.CertChanged)
	for id, v := range byBMC(t, verdicts(t, fleet.sweep(t).stdout)) {
		switch {
		case id != wrong && v.Health != checks.Available:
			t.Errorf("%s: %s by %s: %+v", id, v.Health, v.Reason, v.Trail)
		case id == wrong:
			mustEnd(t, v, "tls", "tls.cert_changed")
		}
	}
	if n := fleet.secrets(wrong); n != 0 {
		t.Errorf("the BMC with the changed key received %d passwords", n)
	}
	fleet.nothingLeft(t)
}

func TestTrustOnFirstUse(t *testing.T) {
	t.Parallel()
	fleet, wrong := redfishFleet(t, 6, inventory.TrustTOFU)
	memory := filepath.Join(t.TempDir(), "memory")
	sweep := func() map[inventory.ID]results.Verdict {
		return byBMC(t, verdicts(t, lamplighter(t, fleet.args("sweep", "-o", "ndjson", "--memory", memory)...).stdout))
	}
	for _, v := range sweep() {
		mustEnd(t, v, "tls", "tls.untrusted")
	}
	if n := fleet.Counters().Total.Attempts; n != 0 {
		t.Errorf("%d logins before any key was known", n)
	}
	for id, v := range sweep() {
		if v.Health != checks.Available {
			t.Errorf("second sweep: %s: %s by %s: %+v", id, v.Health, v.Reason, v.Trail)
		}
	}
	fleet.plant(t, wrong, bmcsim.CertChanged)
	had := fleet.secrets(wrong)
	for range 2 { // a stranger's key must not be learned by being seen often
		mustEnd(t, sweep()[wrong], "tls", "tls.cert_changed")
	}
	if n := fleet.secrets(wrong); n != had {
		t.Errorf("the BMC with the changed key received %d passwords", n-had)
	}
	fleet.nothingLeft(t)
}

func TestAnUntrustedBMCIsShownWithThePinToPass(t *testing.T) {
	t.Parallel()
	fleet, _ := redfishFleet(t, 1, "")
	bmc := fleet.one(t, inventory.Redfish)
	fleet.plant(t, bmc.ID, bmcsim.CertUntrusted)
	check := func(more ...string) outcome {
		return lamplighter(t, fleet.args("check", append([]string{string(bmc.ID), "--memory", "none"}, more...)...)...)
	}
	out := check()
	_, rest, ok := strings.Cut(out.stdout, "pin:")
	if !ok || len(rest) < 64 || out.code != int(exitUnavailable) || !strings.Contains(out.stdout, "tls.untrusted") {
		t.Fatalf("exit %d, want 1 and the pin to pass:\n%s", out.code, out.stdout)
	}
	if out := check("--trust", "pin:"+rest[:64]); out.code != 0 {
		t.Errorf("with the pin that was shown: exit %d\n%s", out.code, out.stdout)
	}
	v := check("--trust", "insecure", "--json").verdict(t)
	if v.Health != checks.Degraded || !slices.ContainsFunc(v.Trail, func(r checks.Result) bool { return slices.Contains(r.Notes, checks.TLSInsecure) }) {
		t.Errorf("insecure: %s by %s: %+v", v.Health, v.Reason, v.Trail)
	}
	fleet.nothingLeft(t)
}
