package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/checks/netnstest"
)

// TestSilenceOfAllIsOurBlindness has every BMC of a fleet silent at once, as behind an uplink that went down.
func TestSilenceOfAllIsOurBlindness(t *testing.T) {
	t.Parallel()
	if !netnstest.Enter(t) {
		return
	}
	netnstest.Link(t)
	inventory := "id,address,site,rack,protocol\n"
	for i := range 24 {
		inventory += fmt.Sprintf("b%02d,10.9.0.%d,ams1,R%d,redfish\n", i, 2+i, i/6)
	}
	path := secretFile(t, "inventory.csv", inventory)
	sweep := func(more ...string) outcome {
		return lamplighter(t, append([]string{"sweep", "--inventory", path, "--memory", "none", "-o", "ndjson"}, more...)...)
	}
	t.Run("nobody answers: we are blind", func(t *testing.T) {
		out := sweep()
		for _, v := range verdicts(t, out.stdout) {
			mustEnd(t, v, "ping", "self.blind")
			if v.Health != checks.Unknown {
				t.Errorf("%s: %s", v.BMC, v.Health)
			}
		}
		if out.code != int(exitUnknown) || !strings.Contains(out.stderr, "24 BMCs: 24 unknown") {
			t.Errorf("exit code %d, want 4: %s", out.code, out.stderr)
		}
	})
	t.Run("an anchor answers: they are gone", func(t *testing.T) {
		out := sweep("--anchor", "10.9.0.1")
		for _, v := range verdicts(t, out.stdout) {
			if v.Health != checks.Unavailable || v.Reason != checks.NetTimeout && v.Reason != checks.NetUnreachable {
				t.Errorf("%s: %s by %s: %+v", v.BMC, v.Health, v.Reason, v.Trail)
			}
		}
		if out.code != int(exitUnavailable) {
			t.Errorf("exit code %d, want 1: %s", out.code, out.stderr)
		}
	})
	t.Run("a single BMC in its only rack: said so", func(t *testing.T) {
		out := lamplighter(t, "check", "10.9.0.2", "--protocol", "redfish", "--memory", "none", "--json")
		v := out.verdict(t)
		if v.Health != checks.Unavailable || out.code != int(exitUnavailable) || !strings.Contains(out.stdout, "no other rack or anchor to compare with") {
			t.Errorf("exit code %d: %s", out.code, out.stdout)
		}
	})
}

// TestAnUplinkThatGoesDownIsNotTheirFault takes the network away in the middle of a sweep: also a probe that had begun by
// then, and has seen others answer in its window, may not blame its BMC.
func TestAnUplinkThatGoesDownIsNotTheirFault(t *testing.T) {
	t.Parallel()
	if !netnstest.Enter(t) {
		return
	}
	fleet := simulate(t, bmcsim.Plan{Seed: 1, Sites: []bmcsim.Site{{Name: "ams1", BMCs: 150, IPMI: 0.3}}})
	var stdout, stderr lockedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- execute(t.Context(), fleet.args("sweep", append([]string{"-o", "ndjson", "--memory", "none", "--parallel", "16"}, hurry...)...),
			strings.NewReader(""), &stdout, &stderr)
	}()
	eventually(t, 20*time.Second, "50 verdicts", func() bool { return strings.Count(stdout.String(), "\n") > 50 })
	netnstest.Run(t, "ip link set lo down")
	var code int
	select {
	case code = <-ended:
	case <-time.After(50 * time.Second):
		t.Fatal("the sweep did not end")
	}
	all, blind := byBMC(t, verdicts(t, stdout.String())), 0
	for id, v := range all {
		switch v.Health {
		case checks.Unavailable:
			t.Errorf("%s: %s at %q by %q: %+v", id, v.Health, v.Failed, v.Reason, v.Trail)
		case checks.Unknown:
			blind++
			if v.Reason != checks.SelfBlind {
				t.Errorf("%s: %s at %q by %q, want self.blind: %+v", id, v.Health, v.Failed, v.Reason, v.Trail)
			}
		}
	}
	if len(all) != 150 || blind < 50 || code != int(exitUnknown) {
		t.Errorf("%d verdicts, exit code %d, %d blind; want 150, 4, at least 50: %s", len(all), code, blind, stderr.String())
	}
}
