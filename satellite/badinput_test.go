package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// badInput is a command line that must end with exit code 2 before anything is asked; $ stands for the fleet's directory.
type badInput struct {
	name string
	args []string
	want []string // on stderr
}

// runBadInput runs the cases against a living fleet, which must not be asked anything.
func runBadInput(t *testing.T, fleet simulated, cases []badInput) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.args {
				c.args[i] = strings.ReplaceAll(c.args[i], "$", fleet.dir)
			}
			out := lamplighter(t, c.args...)
			if out.code != int(exitUsage) || out.stdout != "" {
				t.Errorf("exit code %d, want 2 and nothing on stdout: %s", out.code, out.stdout)
			}
			for _, want := range c.want {
				if want = strings.ReplaceAll(want, "$", fleet.dir); !strings.Contains(out.stderr, want) {
					t.Errorf("want %q in:\n%s", want, out.stderr)
				}
			}
		})
	}
	if c := fleet.Counters(); c.Total.Connections+c.Total.Datagrams+c.Strays != 0 {
		t.Errorf("bad input, and yet something was asked: %+v", c.Total)
	}
}

// put writes a file beside the fleet's.
func (s simulated) put(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.file(name), mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func TestBadFlagsAreNamed(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 3)
	fleet.put(t, "open.yaml", readFile(t, fleet.file("keyring.yaml")), 0o644)
	bad := func(name string, want string, flags ...string) badInput {
		return badInput{name, append([]string{"sweep", "--inventory", "$/inventory.csv", "--keyring", "$/keyring.yaml", "--memory", "none"}, flags...), []string{want}}
	}
	runBadInput(t, fleet, []badInput{
		bad("trust", `lamplighter: --trust: trust "sometimes": want ca, pin:HEX, tofu or insecure`, "--trust", "sometimes"),
		bad("a short pin", `want pin: and 64 hex digits`, "--trust", "pin:12"),
		bad("ping", `lamplighter: --ping: "icmp,pigeon": want a list of icmp, tcp, rmcp`, "--ping", "icmp,pigeon"),
		bad("a timeout without a time", `lamplighter: --timeout "tls": want check=duration, for example tls=20s`, "--timeout", "tls"),
		bad("a timeout of nothing", `--timeout "tls=0s": want check=duration`, "--timeout", "tls=0s"),
		bad("a timeout of an unknown check", `want one of ping, tls, redfish-login, ipmi-login, power`, "--timeout", "login=3s"),
		bad("only", `lamplighter: --only "broken": want failed, available, degraded, unavailable or unknown`, "--only", "broken"),
		bad("output", `lamplighter: --output "xml": want one of table, json, ndjson, csv, name`, "-o", "xml"),
		bad("parallel", `lamplighter: --parallel 0: want at least 1`, "--parallel", "0"),
		bad("anchor", `lamplighter: --anchor "gateway": want an IP address`, "--anchor", "gateway"),
		bad("log", `lamplighter: --log "loud": want debug, info, warn or error`, "--log", "loud"),
		bad("ca", `lamplighter: --ca: open $/nope.pem: no such file`, "--ca", "$/nope.pem"),
		bad("site", `lamplighter: --site nowhere: none of the 3 BMCs in $/inventory.csv is there`, "--site", "nowhere"),
		bad("a password on the command line", `lamplighter: unknown flag: --password`, "--password", "x"),
		bad("a memory that cannot be", `site memory /dev/null/memory/file: `, "--memory", "/dev/null/memory/file"),
		bad("a way out of it", `not a directory; --memory names another file, or none`, "--memory", "/dev/null/memory/file"),
		bad("no such keyring", `lamplighter: keyring cannot be read: stat $/nope.yaml: no such file`, "--keyring", "$/nope.yaml"),
		bad("an open keyring", `lamplighter: keyring cannot be read: $/open.yaml: mode is 0644, want 0600 or stricter, so that only its owner can read it: chmod 600 $/open.yaml`, "--keyring", "$/open.yaml"),
		bad("no such inventory", `lamplighter: read inventory: open $/nope.csv: no such file`, "--inventory", "$/nope.csv"),
		{"an inventory is needed", []string{"sweep"}, []string{`"inventory" not set`}},
		{"check of nobody", []string{"check"}, []string{"lamplighter: check: want the address or ID of one BMC"}},
		{"check of an unknown ID", []string{"check", "sim9", "--inventory", "$/inventory.csv"}, []string{"lamplighter: sim9: neither an ID nor an address in $/inventory.csv"}},
		{"a protocol", []string{"check", "127.10.0.1", "--protocol", "ssh"}, []string{`"ssh": want redfish, ipmi or auto`}},
		{"a user without a password", []string{"check", "127.10.0.1", "--username", "x"}, []string{"--username needs --password-file"}},
		{"a password without a user", []string{"check", "127.10.0.1", "--password-file", "$/open.yaml"}, []string{"--password-file needs --username"}},
		{"an open password file", []string{"check", "127.10.0.1", "--username", "x", "--password-file", "$/open.yaml"}, []string{"--password-file: ", "chmod 600 $/open.yaml"}},
		{"no such password file", []string{"check", "127.10.0.1", "--username", "x", "--password-file", "$/nope"}, []string{"lamplighter: --password-file: stat $/nope: no such file"}},
		{"an unknown command", []string{"swep"}, []string{`unknown command "swep"`, "sweep"}},
	})
}

func TestBadInventoriesAreNamedLineByLine(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 3)
	fleet.put(t, "bad.csv", `id,address,protocol,port,login,trust,unit
a,127.10.0.1,redfish,,,,
b,127.10.0.999,ssh,,,,
,127.10.0.3,ipmi,99999,,pin:12,
a,127.10.0.4,ipmi,,,,x
d,127.10.0.1,redfish,,,,
e,127.10.0.6
`, 0o644)
	fleet.put(t, "nobody.csv", "id,address\n", 0o644)
	fleet.put(t, "header.csv", "name;ip\na;127.10.0.1\n", 0o644)
	fleet.put(t, "login.csv", "id,address,login\na,127.10.0.1,nosuch\nb,127.10.0.2,\n", 0o644)
	sweep := func(inventory string) []string {
		return []string{"sweep", "--inventory", "$/" + inventory, "--keyring", "$/keyring.yaml", "--memory", "none"}
	}
	runBadInput(t, fleet, []badInput{
		{"all bad lines at once", sweep("bad.csv"), []string{
			`$/bad.csv:3: address: want an IP address, got "127.10.0.999"`,
			`$/bad.csv:3: protocol: want redfish, ipmi or auto, got "ssh"`,
			`$/bad.csv:4: id: want the asset ID, got ""`,
			`$/bad.csv:4: port: want a port from 1 to 65535, got "99999"`,
			`$/bad.csv:4: trust: want ca, pin: and 64 hex digits, tofu or insecure, got "pin:12"`,
			`$/bad.csv:5: unit: want a number of rack units from 1, whole or half, got "x"`,
			`$/bad.csv:5: id: want an ID that no other line has, got "a", which line 2 has`,
			`$/bad.csv:6: address: want an address and port that no other line has, got 127.10.0.1, which line 2 has`,
			`$/bad.csv:7: cells: want 7 as in the header, got 2`,
		}},
		{"nobody in it", sweep("nobody.csv"), []string{"read inventory: $/nobody.csv has a header line and no BMC"}},
		{"semicolons", sweep("header.csv"), []string{`$/header.csv:1: header: want columns separated by commas, got semicolons: export the table with commas`}},
		{"credentials that are not in the keyring", sweep("login.csv"), []string{
			"credentials that the inventory asks for (login; empty: default): ",
			`no such credential: "nosuch" in $/keyring.yaml`, `no such credential: "default" in $/keyring.yaml`,
		}},
	})
}

func TestBadConfigurationsAreNamed(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 3)
	fleet.put(t, "open.yaml", readFile(t, fleet.file("keyring.yaml")), 0o644)
	good := []string{"inventory: $/inventory.csv", "keyring: $/keyring.yaml", "memory: $/memory", "verdicts: $/verdicts", "interval: 1s", "targets: {loopback: true}"}
	bad := func(name string, line int, text, want string) badInput {
		lines := slices.Clone(good)
		lines[line] = text
		file := strings.ReplaceAll(name, " ", "-") + ".conf"
		fleet.put(t, file, strings.ReplaceAll(strings.Join(lines, "\n"), "$", fleet.dir), 0o644)
		return badInput{name, []string{"all", "--config", "$/" + file}, []string{strings.ReplaceAll(want, "FILE", "$/"+file)}}
	}
	runBadInput(t, fleet, []badInput{
		bad("unknown key", 4, "intervall: 5m", "FILE:5: intervall: unknown key; want one of satellite, site, inventory,"),
		bad("number without a unit", 4, "interval: 300", `FILE:5: interval: want a time with its unit, such as 30s, 5m, 1h or 30d, got "300"`),
		bad("no inventory named", 0, "", "inventory: want the path of a CSV file, or cmdb, got none"),
		bad("no such inventory", 0, "inventory: $/nope.csv", "lamplighter: read inventory: open $/nope.csv: no such file"),
		bad("no such keyring", 1, "keyring: $/nope.yaml", "lamplighter: keyring cannot be read: stat $/nope.yaml: no such file"),
		bad("an open keyring", 1, "keyring: $/open.yaml", "chmod 600 $/open.yaml"),
		bad("no such directory of memory", 2, "memory: /dev/null/x/memory", "site memory /dev/null/x/memory: "),
		bad("no such directory of verdicts", 3, "verdicts: /dev/null/x/verdicts", "verdict file: "),
		bad("no such site", 4, "site: nowhere", `lamplighter: site "nowhere": none of the 3 BMCs in $/inventory.csv is in it`),
		{"no such file", []string{"all", "--config", "$/nope.conf"}, []string{"lamplighter: read configuration: open $/nope.conf: no such file"}},
		{"no file named", []string{"all"}, []string{`"config" not set; lamplighter all --help shows the use`}},
		{"nobody to check again", []string{"recheck", "--config", "$/nope.conf"}, []string{"want one BMC, got 0; lamplighter recheck --help shows the use"}},
	})
}

func TestWithoutCredentialsCheckGoesAsFarAsTheLogin(t *testing.T) {
	t.Parallel()
	fleet := simulateN(t, 3)
	for _, protocol := range []inventory.Protocol{inventory.Redfish, inventory.IPMI} {
		t.Run(string(protocol), func(t *testing.T) {
			bmc := fleet.one(t, protocol)
			out := lamplighter(t, "check", string(bmc.ID), "--inventory", fleet.file("inventory.csv"), "--ca", fleet.file("ca.pem"), "--memory", "none", "--json")
			v := out.verdict(t)
			mustEnd(t, v, string(protocol)+"-login", "self.no_credential")
			if out.code != int(exitUnknown) || v.Health != checks.Unknown || !strings.Contains(v.Trail[len(v.Trail)-1].Error, "--keyring") {
				t.Errorf("exit code %d, want 4 and a hint: %+v", out.code, v.Trail)
			}
		})
	}
	if n := fleet.Counters().Total.Attempts; n != 0 {
		t.Errorf("%d logins without a credential", n)
	}
}

func TestTheMemoryOfAPersonIsMade(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	fleet := simulateN(t, 1)
	if out := lamplighter(t, fleet.args("sweep")...); out.code != 0 {
		t.Fatalf("exit code %d: %s", out.code, out.stderr)
	}
	info, err := os.Stat(filepath.Join(os.Getenv("XDG_STATE_HOME"), "lamplighter", "memory"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("site memory: %v, %v; want a file of mode 0600", info, err)
	}
}
