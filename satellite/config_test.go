package main

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// badConfigs is what is wrong with each file of testdata/config; F stands for its path.
var badConfigs = map[string]string{
	"unknown-key":         "F:3: intervall: unknown key; want one of satellite, site, inventory, keyring, memory, verdicts, trust, ca_file, ping, anchors, expiry_soon, slow, interval, visits, fence, drain, log, kafka, timeouts, every",
	"unknown-nested-key":  "F:4: fence.pause: unknown key; want one of pause_min, pause_max, confirm_login",
	"unknown-check":       "F:3: timeouts.snmp: unknown key; want one of ping, tls, redfish-login, ipmi-login, power",
	"check-without-every": "F:3: every.ping: unknown key; want one of redfish-login, ipmi-login, power",
	"dotted-key":          "F:3: fence.pause_min: unknown key; want one of satellite, site, inventory, keyring, memory, verdicts, trust, ca_file, ping, anchors, expiry_soon, slow, interval, visits, fence, drain, log, kafka, timeouts, every",
	"no-inventory":        "F:1: inventory: want the path of a CSV file, got none",
	"no-keyring":          "F:1: keyring: want the path of a file or directory, or env, got none",
	"empty":               "F:1: inventory: want the path of a CSV file, got none\nF:1: keyring: want the path of a file or directory, or env, got none",
	"empty-satellite":     "F:3: satellite: want a name, got \"\"",
	"empty-memory":        "F:3: memory: want the path of a file, got \"\"",
	"empty-verdicts":      "F:3: verdicts: want the path of a file, or - for stdout, got \"\"",
	"no-unit":             "F:3: interval: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"300\"",
	"negative-time":       "F:3: drain: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"-5s\"",
	"zero-timeout":        "F:4: timeouts.tls: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"0s\"",
	"long-timeout":        "F:4: timeouts.tls: want at most 5m, got \"1h\"",
	"short-every":         "F:4: every.power: want a time with its unit, such as 30s, 5m, 1h or 30d, or 0s for each round, got \"soon\"",
	"short-interval":      "F:3: interval: want at least 1s, got \"10ms\"",
	"many-days":           "F:3: expiry_soon: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"4294967295d\"",
	"slow":                "F:3: slow: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"10 seconds\"",
	"unknown-trust":       "F:3: trust: want ca, pin: and 64 hex digits, tofu or insecure, got \"yes\"",
	"short-pin":           "F:3: trust: want ca, pin: and 64 hex digits, tofu or insecure, got \"pin:abc\"",
	"unknown-way":         "F:3: ping: want a list of icmp, tcp, rmcp, each once, got [\"icmp\" \"arp\"]",
	"way-twice":           "F:3: ping: want a list of icmp, tcp, rmcp, each once, got [\"icmp\" \"icmp\"]",
	"no-way":              "F:3: ping: want at least one of icmp, tcp, rmcp, got []",
	"way-not-a-list":      "F:3: ping: want a list, got \"icmp\"",
	"anchor-name":         "F:3: anchors: want a list of IP addresses, each once, got [\"gw.example\"]",
	"no-visits":           "F:3: visits: want at least 1, got \"0\"",
	"visits-not-a-number": "F:3: visits: want a whole number, got \"many\"",
	"fence-backwards":     "F:5: fence.pause_max: want at least fence.pause_min, 40m0s, got \"20m\"",
	"fence-not-a-section": "F:3: fence: want keys and values",
	"confirm-not-a-bool":  "F:3: fence.confirm_login: want true or false, got \"maybe\"",
	"log-level":           "F:3: log.level: want debug, info, warn or error, got \"loud\"",
	"log-format":          "F:4: log.format: want text or json, got \"xml\"",
	"value-is-a-section":  "F:3: slow: want one value, got keys and values",
	"value-is-a-list":     "F:3: slow: want one value, got [\"5s\"]",
	"key-twice":           "F:4: syntax: mapping key \"slow\" already defined at [3:1]",
	"syntax":              "F:3: syntax: could not find flow mapping end token '}'",
	"list":                "F:1: configuration: want keys and values",
	"two-documents":       "F:4: document: want one in a file, got another",
	"verdicts-nowhere":    "F:3: verdicts: want none only with kafka.brokers, got \"none\"",
	"kafka-unknown-key":   "F:4: kafka.topic: unknown key; want one of brokers, tls, ca_file, login, user, password_file, spool, spool_size, spool_age",
	"kafka-broker":        "F:4: kafka.brokers: want a list of host:port, each once, got [\"kafka-1\"]",
	"kafka-tls":           "F:4: kafka.tls: want true or false, got \"on\"",
	"kafka-ca-alone":      "F:5: kafka.ca_file: want kafka.tls: true, too, got \"ca.pem\"",
	"kafka-login":         "F:4: kafka.login: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got \"KERBEROS\"",
	"kafka-plain":         "F:5: kafka.login: want kafka.tls: true with PLAIN, which sends the password as it is, got \"PLAIN\"",
	"kafka-no-user":       "F:1: kafka.user: want a name with kafka.login, got none\nF:1: kafka.password_file: want the path of a file with kafka.login, got none",
	"kafka-user-alone":    "F:1: kafka.login: want a mechanism with kafka.user, got none",
	"kafka-no-spool":      "F:5: kafka.spool: want the path of a directory, got \"\"",
	"kafka-spool-size":    "F:4: kafka.spool_size: want a size with its unit, such as 512MiB or 2GiB, got \"2GB\"",
	"kafka-small-spool":   "F:4: kafka.spool_size: want at least 64MiB, got \"1MiB\"",
	"kafka-spool-age":     "F:4: kafka.spool_age: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"1\"",
	"many-mistakes":       "F:1: keyring: want the path of a file or directory, or env, got none\nF:2: slow: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"5\"\nF:3: visits: want at least 1, got \"-1\"\nF:4: who: unknown key; want one of satellite, site, inventory, keyring, memory, verdicts, trust, ca_file, ping, anchors, expiry_soon, slow, interval, visits, fence, drain, log, kafka, timeouts, every",
}

func TestABadConfigurationIsShownWithItsLine(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.yaml")
	if err != nil || len(files) != len(badConfigs) {
		t.Fatalf("%d files for %d messages, %v", len(files), len(badConfigs), err)
	}
	for _, file := range files {
		want := badConfigs[strings.TrimSuffix(filepath.Base(file), ".yaml")]
		_, err := LoadConfig(file)
		if err == nil || strings.ReplaceAll(err.Error(), file+":", "F:") != want {
			t.Errorf("%s\ngot  %v\nwant %s", file, err, want)
		}
	}
}

func TestAMissingConfigurationIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := LoadConfig(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
}

func TestTheExampleShowsEveryKeyAndItsDefault(t *testing.T) {
	const example = "../deploy/lamplighter.yaml"
	got, err := LoadConfig(example)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Satellite, want.Inventory, want.Keyring = "sat-a", "/etc/lamplighter/inventory.csv", "/etc/lamplighter/keyring.yaml"
	want.Memory, want.Anchors = "/var/lib/lamplighter/memory", []netip.Addr{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	r := newConfigReader(example)
	r.read(text, got.settings())
	for _, s := range got.settings() {
		if r.lines[s.key] == 0 {
			t.Errorf("the example lacks %s", s.key)
		}
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	text := `{satellite: s, site: ams1, inventory: i, keyring: env, memory: m, verdicts: v, trust: tofu, ping: [rmcp], anchors: [10.0.0.1, "fe80::1"],
expiry_soon: 7d, slow: 1s, interval: 1m30s, visits: 9, drain: 2s, every: {power: 0s, ipmi-login: 2h}, timeouts: {ping: 1s},
fence: {pause_min: 1m, pause_max: 2m, confirm_login: false}, log: {level: debug, format: json},
kafka: {brokers: ["k1:9092", "[::1]:9092"], tls: true, ca_file: k.pem, login: SCRAM-SHA-512, user: u, password_file: p, spool: sp, spool_size: 512MiB, spool_age: 1h}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Satellite: "s", Site: "ams1", Inventory: "i", Keyring: "env", Memory: "m", Verdicts: "v",
		Trust: inventory.Trust{Mode: inventory.TrustTOFU}, Ping: []checks.Way{checks.WayRMCP},
		Anchors:    []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1")},
		ExpirySoon: 7 * 24 * time.Hour, Slow: time.Second, Interval: 90 * time.Second, Visits: 9, Drain: 2 * time.Second,
		Every:    map[checks.Name]time.Duration{checks.Power: 0, checks.IPMILogin: 2 * time.Hour, checks.RedfishLogin: time.Hour},
		Timeouts: map[checks.Name]time.Duration{checks.Ping: time.Second, checks.TLS: 10 * time.Second, checks.RedfishLogin: 30 * time.Second, checks.IPMILogin: 10 * time.Second, checks.Power: 15 * time.Second},
		Fence:    Fence{time.Minute, 2 * time.Minute, false}, Log: Log{slog.LevelDebug, "json"},
		Kafka: Kafka{[]string{"k1:9092", "[::1]:9092"}, true, "k.pem", "SCRAM-SHA-512", "u", "p", "sp", 512 << 20, time.Hour},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	chain := got.Chain()
	if i := slices.IndexFunc(chain, func(c checks.Check) bool { return c.Name == checks.IPMILogin }); chain[i].Every != 2*time.Hour {
		t.Error("the chain has another time")
	}
	if chain[0].Timeout != time.Second || chain[len(chain)-1].Every != 0 || checks.Default()[0].Timeout == time.Second {
		t.Error("the chain has another time")
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("inventory: i\nkeyring: env\nlog: {level: debug}\n"))
	f.Add([]byte("? [a]\n: !!str b\n<<: *c\n---\n&x y: *x\n"))
	f.Add([]byte("ping: [icmp, [tcp]]\nevery:\n  power: |\n    1h\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c := DefaultConfig()
		r := newConfigReader("f")
		if r.read(text, c.settings()) {
			c.Validate(r.bad)
		}
		if r.err() == nil && (c.Inventory == "" || c.Visits < 1 || c.Interval < time.Second) {
			t.Errorf("accepted %+v", c)
		}
	})
}
