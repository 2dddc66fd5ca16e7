package main

import (
	"net/netip"
	"strings"
	"testing"

	"lamplighter/checks"
	"lamplighter/inventory"
	"lamplighter/results"
)

func TestAStepIsReadableAtNight(t *testing.T) {
	pin := strings.Repeat("ab", 32)
	for _, test := range []struct {
		name   string
		result checks.Result
		want   string
	}{
		{"few facts stand behind the duration, the most telling first",
			checks.Result{Check: checks.Power, Outcome: checks.OK, TookMS: 7, Facts: checks.Facts{"model": "R650", "power": "on"}},
			"  power          ok            7 ms  power=on  model=R650\n"},
		{"facts that only programs need are left out",
			checks.Result{Check: checks.IPMILogin, Outcome: checks.OK, Facts: checks.Facts{"credential_version": "4f21a", "cipher_suite": "17"}},
			"  ipmi-login     ok            0 ms  cipher_suite=17\n"},
		{"no facts leave no blanks",
			checks.Result{Check: checks.Ping, Outcome: checks.OK, TookMS: 1}, "  ping           ok            1 ms\n"},
		{"a long error is wrapped, and the flag to pass stays whole",
			checks.Result{Check: checks.TLS, Outcome: checks.Failed, Reason: checks.TLSUntrusted,
				Error: "the certificate is self-signed; if this key is the BMC's own, pass --trust pin:" + pin},
			"  tls            FAILED        0 ms\n" +
				"                 tls.untrusted: the certificate is self-signed; if this key is the BMC's own, pass\n" +
				"                 --trust pin:" + pin + "\n"},
		{"a note says what it means",
			checks.Result{Check: checks.TLS, Outcome: checks.OK, Notes: []checks.Reason{checks.TLSWeak}},
			"  tls            ok            0 ms\n                 note: tls.weak: a weak key, signature or cipher\n"},
		{"after a refusal it says when a login is tried again",
			checks.Result{Check: checks.IPMILogin, Outcome: checks.Failed, Reason: checks.AuthRejected, Error: "log in: refused",
				Facts: checks.Facts{"fence_until": "2026-11-22T04:22:36Z", "fence_at": "2026-11-22T03:25:04Z", "fence_round": "x"}},
			"  ipmi-login     FAILED        0 ms  auth.rejected: log in: refused\n" +
				"                 fence: no routine login before 2026-11-22T04:22:36Z, unless the credential changes\n"},
		{"after the last refusal it says what opens it again",
			checks.Result{Check: checks.IPMILogin, Outcome: checks.Failed, Reason: checks.AuthRejected, Error: "log in: refused",
				Facts: checks.Facts{"fence_until": "final"}},
			"  ipmi-login     FAILED        0 ms  auth.rejected: log in: refused\n" +
				"                 fence: no routine login any more, until the credential changes or a person checks\n                 again\n"},
		{"a fenced login says it once",
			checks.Result{Check: checks.IPMILogin, Outcome: checks.Failed, Reason: checks.AuthFenced, Error: "the next not before noon",
				Facts: checks.Facts{"fence_until": "noon"}},
			"  ipmi-login     FAILED        0 ms  auth.fenced: the next not before noon\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			steps{&out}.result(test.result)
			if out.String() != test.want {
				t.Errorf("got\n%s\nwant\n%s", out.String(), test.want)
			}
		})
	}
}

func TestTheFirstLineNamesABMCOnce(t *testing.T) {
	bmc := inventory.BMC{ID: "10.1.2.3", Address: netip.MustParseAddr("10.1.2.3"), Protocol: inventory.Auto}
	listed := inventory.BMC{ID: "srv-17", Address: bmc.Address, Site: "ams1", Rack: "A01", Unit: 12, Protocol: inventory.Redfish, Port: 8443}
	for want, b := range map[string]inventory.BMC{
		"10.1.2.3  (auto, trust ca)\n":                                         bmc,
		"srv-17  10.1.2.3  ams1  A01  U12  (redfish on port 8443, trust ca)\n": listed,
	} {
		var out strings.Builder
		steps{&out}.start(b, inventory.Trust{Mode: inventory.TrustCA})
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	}
}

func TestAnUnknownSaysThatItIsNotTheBMC(t *testing.T) {
	var out strings.Builder
	info := checks.SelfBlind.Info()
	steps{&out}.verdict(results.Verdict{Health: checks.Unknown, Failed: checks.Ping, Reason: checks.SelfBlind, Owner: info.Owner, NextStep: info.NextStep})
	want := "UNKNOWN at ping: self.blind, " + info.Meaning + "\n" +
		"  owner      us (who runs Lamplighter); it says nothing about the BMC\n  next step  " + info.NextStep + "\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
