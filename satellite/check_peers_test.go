package main

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/checks/peers"
	"lamplighter/results"
)

// checkIPMI runs lamplighter check against one BMC, asked by RMCP: on loopback the host itself answers ICMP.
func checkIPMI(t *testing.T, addr netip.AddrPort, user, password string, more ...string) outcome {
	t.Helper()
	args := append([]string{"check", addr.Addr().String(), "--port", strconv.Itoa(int(addr.Port())), "--protocol", "ipmi",
		"--ping", "rmcp", "--username", user, "--password-file", secretFile(t, "password", password+"\n"), "--memory", "none", "--json"}, more...)
	return lamplighter(t, args...)
}

func TestCheckTellsWhatIPMISimDoes(t *testing.T) {
	sim := peers.StartIPMISim(t, 20)
	cases := []struct {
		name           string
		user, password string // empty: the right one
		prepare        func(*peers.BMC)
		health         checks.Health
		failed         checks.Name
		reason         checks.Reason
		power          string
		code           int
	}{
		{name: "right login, server on", prepare: func(b *peers.BMC) { b.SetPower(t, true) }, health: checks.Available, power: "on"},
		{name: "right login, server off", prepare: func(b *peers.BMC) { b.SetPower(t, false) }, health: checks.Available, power: "off"},
		{name: "wrong password", password: "not-it", health: checks.Unavailable, failed: checks.IPMILogin, reason: checks.AuthRejected, code: 1},
		{name: "wrong user", user: "nobody", health: checks.Unavailable, failed: checks.IPMILogin, reason: checks.AuthRejected, code: 1},
		{name: "logs in, but cannot answer chassis status", prepare: func(b *peers.BMC) { b.Disable(t) },
			health: checks.Degraded, failed: checks.Power, reason: checks.PowerUnreadable, power: "unknown", code: 3},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			bmc := sim.BMCs[1+i]
			if c.prepare != nil {
				c.prepare(bmc)
			}
			relay := peers.StartRelay(t, bmc.Address, nil)
			out := checkIPMI(t, relay.Address, or(c.user, bmc.Username), or(c.password, bmc.Password))
			v := out.verdict(t)
			if v.Health != c.health || v.Failed != c.failed || v.Reason != c.reason || out.code != c.code || power(v) != c.power {
				t.Errorf("got %s at %q by %q, power %q, exit %d; want %s at %q by %q, power %q, exit %d\n%s", v.Health, v.Failed, v.Reason, power(v),
					out.code, c.health, c.failed, c.reason, c.power, c.code, out.stdout)
			}
			counts := relay.Counts()
			if counts[peers.RAKP1] > 1 {
				t.Errorf("%d RAKP exchanges, want at most 1: ipmi_sim accepts suite 3 only", counts[peers.RAKP1])
			}
			if c.user != "" && counts[peers.RAKP3] > 0 {
				t.Errorf("%d RAKP 3 after the BMC refused the user", counts[peers.RAKP3])
			}
			if relay.Requests() > 7 {
				t.Errorf("%d request datagrams, want at most 7: %v", relay.Requests(), counts)
			}
		})
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func TestCheckComesToAVerdictOnSilence(t *testing.T) {
	t.Parallel()
	sim := peers.StartIPMISim(t, 1)
	sim.Freeze(t)
	t.Cleanup(func() { sim.Thaw(t) })
	cases := []struct {
		name string
		addr netip.AddrPort
	}{
		{"a frozen peer", sim.BMCs[0].Address},
		{"no listener", netip.MustParseAddrPort("127.77.1.1:6230")},
	}
	for _, c := range cases {
		for _, ping := range []string{"rmcp", "icmp,tcp,rmcp"} {
			t.Run(c.name+" asked by "+ping, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				out := checkIPMI(t, c.addr, "admin", "secret", "--ping", ping)
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("took %s", took)
				}
				if v := out.verdict(t); v.Health != checks.Unavailable || out.code != 1 {
					t.Errorf("got %s, exit %d; want unavailable, 1\n%s", v.Health, out.code, out.stdout)
				}
			})
		}
	}
}

func TestCheckTellsWhatPyghmiDoes(t *testing.T) {
	t.Parallel()
	bmc := peers.StartPyghmi(t, true)
	t.Run("right login", func(t *testing.T) {
		v := checkIPMI(t, bmc.Address, bmc.Username, bmc.Password).verdict(t)
		if v.Health != checks.Available || power(v) != "on" {
			t.Errorf("got %s, power %q: %+v", v.Health, power(v), v.Trail)
		}
	})
	t.Run("its silence for an unknown user is ipmi.timeout", func(t *testing.T) {
		v := checkIPMI(t, bmc.Address, "nobody", bmc.Password).verdict(t)
		if v.Reason != checks.IPMITimeout || v.Failed != checks.IPMILogin {
			t.Errorf("got %s at %s: %+v", v.Reason, v.Failed, v.Trail)
		}
	})
}

func TestCheckLogsInToGoIPMIByBothSuites(t *testing.T) {
	for _, suite := range []uint8{17, 3} {
		t.Run("suite "+strconv.Itoa(int(suite)), func(t *testing.T) {
			bmc := peers.StartGoIPMI(t, suite)
			v := checkIPMI(t, bmc.Address, bmc.Username, bmc.Password).verdict(t)
			if v.Health != checks.Available || factOf(v, "ipmi-login", "cipher_suite") != strconv.Itoa(int(suite)) {
				t.Errorf("got %s: %+v", v.Health, v.Trail)
			}
		})
	}
}

func TestCheckReadsThePowerOfRecordedMachines(t *testing.T) {
	want := map[string]struct {
		power  string
		health checks.Health
	}{
		"On": {"on", checks.Available}, "Off": {"off", checks.Available}, "PoweringOn": {"poweringon", checks.Available},
		"null": {"unknown", checks.Degraded}, "absent": {"unknown", checks.Degraded},
	}
	for _, dir := range peers.Trees(t) {
		for state, w := range want {
			t.Run(dir+" "+state, func(t *testing.T) {
				tree := peers.RedfishTree(t, dir, state)
				addr := netip.MustParseAddrPort(tree.Listener.Addr().String())
				out := lamplighter(t, "check", addr.Addr().String(), "--port", strconv.Itoa(int(addr.Port())), "--protocol", "redfish",
					"--username", peers.TreeUsername, "--password-file", secretFile(t, "password", peers.TreePassword), "--trust", "pin:"+tree.Pin(), "--memory", "none", "--json")
				v := out.verdict(t)
				if power(v) != w.power || effective(v) != w.health {
					t.Errorf("got power %q, %s by %s; want %q, %s: %+v", power(v), v.Health, v.Reason, w.power, w.health, v.Trail)
				}
			})
		}
	}
}

// effective leaves out what the test server's certificate is noted for.
func effective(v results.Verdict) checks.Health {
	if v.Failed == "" {
		return checks.Available
	}
	return v.Health
}
