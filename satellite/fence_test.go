package main

import (
	"path/filepath"
	"strings"
	"testing"

	"lamplighter/checks"
	"lamplighter/checks/bmcsim"
	"lamplighter/inventory"
)

// refusals is how many logins a BMC refused.
func (s simulated) refusals(id inventory.ID) int64 { return s.Counters().BMCs[id].Refused }

func TestARefusedLoginIsNotRepeated(t *testing.T) {
	for _, protocol := range []inventory.Protocol{inventory.Redfish, inventory.IPMI} {
		t.Run(string(protocol), func(t *testing.T) {
			t.Parallel()
			fleet := simulateN(t, 3)
			bmc := fleet.one(t, protocol)
			fleet.plant(t, bmc.ID, bmcsim.WrongPassword)
			refusedOnce(t, fleet, bmc)
		})
	}
}

func refusedOnce(t *testing.T, fleet simulated, bmc inventory.BMC) {
	login, memory := string(bmc.Protocol)+"-login", filepath.Join(t.TempDir(), "memory")
	run := func(command string, more ...string) outcome {
		return lamplighter(t, fleet.args(command, append([]string{"--memory", memory}, more...)...)...)
	}
	step := func(what, reason string, code exitCode, refusals int64, out outcome) {
		t.Helper()
		for _, v := range verdicts(t, out.stdout) {
			if v.BMC == bmc.ID && reason != "" {
				mustEnd(t, v, login, reason)
			}
		}
		if n := fleet.refusals(bmc.ID); out.code != int(code) || n != refusals {
			t.Fatalf("%s: exit %d, %d refusals in all; want %d and %d\nstdout: %s\nstderr: %s", what, out.code, n, code, refusals, out.stdout, out.stderr)
		}
	}
	step("first sweep", "auth.rejected", exitUnavailable, 1, run("sweep", "-o", "ndjson"))
	out := run("sweep", "-o", "ndjson")
	step("second sweep", "auth.fenced", exitUnavailable, 1, out)
	for _, v := range verdicts(t, out.stdout) {
		if v.BMC == bmc.ID && (factOf(v, login, "fence_round") == "" || factOf(v, login, "fence_at") == "") {
			t.Errorf("the trail does not say when the login was refused: %+v", v.Trail)
		}
	}

	password := secretFile(t, "password", "typed in by hand")
	typed := run("check", string(bmc.ID), "--json", "--username", "lamplighter", "--password-file", password)
	step("a typed login does not obey the fence", "auth.rejected", exitUnavailable, 2, typed)
	if factOf(typed.verdict(t), login, "fence_ignored") == "" {
		t.Errorf("a typed login does not say that there is a fence: %s", typed.stdout)
	}
	step("a typed login does not set a fence", "auth.fenced", exitUnavailable, 2, run("sweep", "-o", "ndjson"))

	step("a person's check logs in", "auth.rejected", exitUnavailable, 3, run("check", string(bmc.ID), "--json"))

	changed := strings.Replace(readFile(t, fleet.file("keyring.yaml")), keyringPassword(t, fleet, bmc), "another-one", 1)
	step("a new password is tried at once", "auth.rejected", exitUnavailable, 4,
		run("sweep", "-o", "ndjson", "--keyring", secretFile(t, "keyring.yaml", changed)))

	fleet.cure(t, bmc.ID, bmcsim.WrongPassword)
	if v := run("check", string(bmc.ID), "--json").verdict(t); v.Health != checks.Available {
		t.Errorf("once the BMC takes the password: %s by %s", v.Health, v.Reason)
	}
	step("a login clears the fence", "", exitOK, 4, run("sweep", "-o", "ndjson"))
}

// keyringPassword is what the keyring holds for a BMC.
func keyringPassword(t *testing.T, fleet simulated, bmc inventory.BMC) string {
	t.Helper()
	c, err := fleet.Credentials(t.Context(), bmc.Login)
	if err != nil {
		t.Fatal(err)
	}
	return c.Password.Reveal()
}
