package bmcsim

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"lamplighter/inventory"
)

// ipmitool asks a BMC by a client that nobody here wrote.
func ipmitool(t *testing.T, b inventory.BMC, suite int, user, password string, command ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	args := []string{"-I", "lanplus", "-N", "1", "-R", "2", "-v", "-H", b.Address.String(), "-p", strconv.Itoa(int(b.RMCPPort())), "-U", user, "-E"}
	if suite != 0 {
		args = append(args, "-C", strconv.Itoa(suite))
	}
	cmd := exec.CommandContext(ctx, "ipmitool", append(args, command...)...)
	cmd.Env = append(os.Environ(), "IPMI_PASSWORD="+password)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run ipmitool: %v", err)
	}
	return string(out), err == nil
}

func needIPMItool(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ipmitool"); err != nil {
		t.Skip("NOT TESTED: the simulator against ipmitool, which is not installed (apt install ipmitool)")
	}
}

func TestIPMItoolAgrees(t *testing.T) {
	needIPMItool(t)
	for _, c := range []struct {
		name     string
		suite    int
		fault    Fault
		planted  bool
		user     string
		password string
		off      bool
		command  string
		ok       bool
		want     string
	}{
		{name: "suite 3 with the right login tells that the power is on", suite: 3, ok: true, want: "Chassis Power is on"},
		{name: "suite 17 with the right login tells that the power is on", suite: 17, ok: true, want: "Chassis Power is on"},
		{name: "suite 17 tells that the power is off", suite: 17, off: true, ok: true, want: "Chassis Power is off"},
		{name: "suite 3 tells that the power is off", suite: 3, off: true, ok: true, want: "Chassis Power is off"},
		{name: "without a suite it finds one by Get Channel Cipher Suites", ok: true, want: "Chassis Power is on"},
		{name: "the power can be switched off", suite: 17, command: "power off", ok: true, want: "Down/Off"},
		{name: "the device ID is that of an IPMI 2.0 BMC", suite: 17, command: "mc info", ok: true, want: "IPMI Version              : 2.0"},
		{name: "suite 3 with a wrong password fails on RAKP 2", suite: 3, password: "wrong", want: "RAKP 2 HMAC is invalid"},
		{name: "suite 17 with a wrong password fails on RAKP 2", suite: 17, password: "wrong", want: "RAKP 2 HMAC is invalid"},
		{name: "a wrong user is unauthorised", suite: 3, user: "nobody", want: "unauthorized name"},
		{name: "fault wrong-password fails on RAKP 2", suite: 3, fault: WrongPassword, planted: true, want: "RAKP 2 HMAC is invalid"},
		{name: "fault wrong-user is unauthorised", suite: 17, fault: WrongUser, planted: true, want: "unauthorized name"},
		{name: "fault no-slots has no resources", suite: 3, fault: NoSlots, planted: true, want: "insufficient resources"},
		{name: "fault suite3-only refuses suite 17", suite: 17, fault: Suite3Only, planted: true, want: "no matching cipher suite"},
		{name: "fault suite3-only takes suite 3", suite: 3, fault: Suite3Only, planted: true, ok: true, want: "is on"},
		{name: "fault suite17-only refuses suite 3", suite: 3, fault: Suite17Only, planted: true, want: "no matching cipher suite"},
		{name: "fault no-privilege is an invalid role", suite: 3, fault: NoPrivilege, planted: true, want: "invalid role"},
		{name: "fault chassis-fail logs in and cannot tell", suite: 17, fault: ChassisFail, planted: true, want: "Unspecified error"},
		{name: "fault forged-rakp4 fails on the integrity value", suite: 17, fault: ForgedRAKP4, planted: true, want: "RAKP 4 message has invalid integrity check value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := start(t, plan(2, 1))
			b := f.BMCs()[0]
			if c.planted {
				f.bmcs[0].set.Store(uint64(setOf(c.fault)))
			}
			if c.off {
				f.bmcs[0].power.Store(uint32(Off))
			}
			user, password, command := c.user, c.password, c.command
			if user == "" {
				user = username
			}
			if password == "" {
				password = secretOf(t, f, b.ID)
			}
			if command == "" {
				command = "power status"
			}
			out, ok := ipmitool(t, b, c.suite, user, password, strings.Fields(command)...)
			if ok != c.ok || !strings.Contains(out, c.want) {
				t.Errorf("ipmitool: ok %v, want %v; %q should be in:\n%s", ok, c.ok, c.want, out)
			}
			got := f.Counters().Total
			if c.ok && (got.Logins != 1 || got.Logouts != 1 || got.Refused != 0) || got.Open != 0 {
				t.Errorf("counted %+v", got)
			}
			if !c.ok && got.Logins == 0 && c.fault == 0 && got.Refused != 1 {
				t.Errorf("counted %d refused logins, want 1", got.Refused)
			}
		})
	}
}
