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
	"lamplighter/results/api"
)

// badConfigs is what is wrong with each file of testdata/config; F stands for its path.
var badConfigs = map[string]string{
	"unknown-key":                 "F:3: intervall: unknown key; want one of satellite, site, inventory, keyring, login, memory, verdicts, listen, trust, ca_file, ping, anchors, expiry_soon, slow, interval, visits, look_round, fence, drain, log, targets, cmdb, rabbitmq, kafka, results, incidents, tickets, timeouts, every",
	"unknown-nested-key":          "F:4: fence.pause: unknown key; want one of pause_min, pause_max, confirm_login",
	"unknown-check":               "F:3: timeouts.snmp: unknown key; want one of ping, tls, redfish-login, ipmi-login, power",
	"check-without-every":         "F:3: every.ping: unknown key; want one of redfish-login, ipmi-login, power",
	"dotted-key":                  "F:3: fence.pause_min: unknown key; want one of satellite, site, inventory, keyring, login, memory, verdicts, listen, trust, ca_file, ping, anchors, expiry_soon, slow, interval, visits, look_round, fence, drain, log, targets, cmdb, rabbitmq, kafka, results, incidents, tickets, timeouts, every",
	"no-inventory":                "F:1: inventory: want the path of a CSV file, or cmdb, got none",
	"no-keyring":                  "F:1: keyring: want the path of a file or directory, vault:FILE, or env, got none",
	"empty":                       "F:1: inventory: want the path of a CSV file, or cmdb, got none\nF:1: keyring: want the path of a file or directory, vault:FILE, or env, got none",
	"empty-satellite":             "F:3: satellite: want a name, got \"\"",
	"empty-memory":                "F:3: memory: want the path of a file, got \"\"",
	"empty-verdicts":              "F:3: verdicts: want the path of a file, or - for stdout, got \"\"",
	"no-unit":                     "F:3: interval: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"300\"",
	"negative-time":               "F:3: drain: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"-5s\"",
	"zero-timeout":                "F:4: timeouts.tls: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"0s\"",
	"long-timeout":                "F:4: timeouts.tls: want at most 5m, got \"1h\"",
	"short-every":                 "F:4: every.power: want a time with its unit, such as 30s, 5m, 1h or 30d, or 0s for each round, got \"soon\"",
	"short-interval":              "F:3: interval: want at least 1s, got \"10ms\"",
	"many-days":                   "F:3: expiry_soon: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"4294967295d\"",
	"slow":                        "F:3: slow: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"10 seconds\"",
	"unknown-trust":               "F:3: trust: want ca, pin: and 64 hex digits, tofu or insecure, got \"yes\"",
	"short-pin":                   "F:3: trust: want ca, pin: and 64 hex digits, tofu or insecure, got \"pin:abc\"",
	"unknown-way":                 "F:3: ping: want a list of icmp, tcp, rmcp, each once, got [\"icmp\" \"arp\"]",
	"way-twice":                   "F:3: ping: want a list of icmp, tcp, rmcp, each once, got [\"icmp\" \"icmp\"]",
	"no-way":                      "F:3: ping: want at least one of icmp, tcp, rmcp, got []",
	"way-not-a-list":              "F:3: ping: want a list, got \"icmp\"",
	"anchor-name":                 "F:3: anchors: want a list of IP addresses, each once, got [\"gw.example\"]",
	"no-visits":                   "F:3: visits: want at least 1, got \"0\"",
	"visits-not-a-number":         "F:3: visits: want a whole number, got \"many\"",
	"fence-backwards":             "F:5: fence.pause_max: want at least fence.pause_min, 40m0s, got \"20m\"",
	"fence-not-a-section":         "F:3: fence: want keys and values",
	"confirm-not-a-bool":          "F:3: fence.confirm_login: want true or false, got \"maybe\"",
	"log-level":                   "F:3: log.level: want debug, info, warn or error, got \"loud\"",
	"log-format":                  "F:4: log.format: want text or json, got \"xml\"",
	"value-is-a-section":          "F:3: slow: want one value, got keys and values",
	"value-is-a-list":             "F:3: slow: want one value, got [\"5s\"]",
	"key-twice":                   "F:4: syntax: mapping key \"slow\" already defined at [3:1]",
	"syntax":                      "F:3: syntax: could not find flow mapping end token '}'",
	"list":                        "F:1: configuration: want keys and values",
	"two-documents":               "F:4: document: want one in a file, got another",
	"verdicts-nowhere":            "F:3: verdicts: want none only with kafka.brokers, got \"none\"",
	"kafka-unknown-key":           "F:4: kafka.topic: unknown key; want one of brokers, tls, ca_file, login, user, password_file, spool, spool_size, spool_age",
	"kafka-broker":                "F:4: kafka.brokers: want a list of host:port, each once, got [\"kafka-1\"]",
	"kafka-tls":                   "F:4: kafka.tls: want true or false, got \"on\"",
	"kafka-ca-alone":              "F:5: kafka.ca_file: want kafka.tls: true, too, got \"ca.pem\"",
	"kafka-login":                 "F:4: kafka.login: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, got \"KERBEROS\"",
	"kafka-plain":                 "F:5: kafka.login: want kafka.tls: true with PLAIN, which sends the password as it is, got \"PLAIN\"",
	"kafka-no-user":               "F:1: kafka.user: want a name with kafka.login, got none\nF:1: kafka.password_file: want the path of a file with kafka.login, got none",
	"kafka-user-alone":            "F:1: kafka.login: want a mechanism with kafka.user, got none",
	"kafka-no-spool":              "F:5: kafka.spool: want the path of a directory, got \"\"",
	"kafka-spool-size":            "F:4: kafka.spool_size: want a size with its unit, such as 512MiB or 2GiB, got \"2GB\"",
	"kafka-small-spool":           "F:4: kafka.spool_size: want at least 64MiB, got \"1MiB\"",
	"kafka-spool-age":             "F:4: kafka.spool_age: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"1\"",
	"listen":                      "F:3: listen: want host:port, or nothing, got \":9617\"",
	"rabbitmq-unknown-key":        "F:4: rabbitmq.url: unknown key; want one of urls, user, password_file, ca_file, cert_file, key_file",
	"rabbitmq-password-in-url":    "F:5: rabbitmq.urls: want a list of amqps://host:port/virtual-host, each once, without user and password; amqp:// on loopback only",
	"rabbitmq-in-the-clear":       "F:5: rabbitmq.urls: want a list of amqps://host:port/virtual-host, each once, without user and password; amqp:// on loopback only",
	"rabbitmq-no-urls":            "F:1: rabbitmq.urls: want at least one with the other keys of rabbitmq, got none",
	"rabbitmq-nobody":             "F:1: rabbitmq.user: want a name, or rabbitmq.cert_file, got none",
	"rabbitmq-no-password":        "F:1: rabbitmq.password_file: want the path of a file with rabbitmq.user, got none",
	"rabbitmq-password-alone":     "F:1: rabbitmq.user: want a name with rabbitmq.password_file, got none",
	"rabbitmq-no-key":             "F:1: rabbitmq.key_file: want the path of a file with rabbitmq.cert_file, got none",
	"rabbitmq-key-alone":          "F:1: rabbitmq.cert_file: want the path of a file with rabbitmq.key_file, got none",
	"rabbitmq-ca-in-the-clear":    "F:8: rabbitmq.ca_file: want it with an amqps:// URL only, got \"ca.pem\"",
	"rabbitmq-cert-in-the-clear":  "F:6: rabbitmq.cert_file: want it with an amqps:// URL only, got \"c.pem\"",
	"rabbitmq-no-site":            "F:1: site: want up to 63 of a-z, 0-9 and -, not - first, with rabbitmq.urls, got none",
	"rabbitmq-names":              "F:3: site: want up to 63 of a-z, 0-9 and -, not - first, with rabbitmq.urls, got \"ams1@\"\nF:4: satellite: want up to 63 of a-z, 0-9 and -, not - first, with rabbitmq.urls, got \"Sat-A\"",
	"results-unknown-key":         "F:4: results.path: unknown key; want one of store, listen, tokens, keep_history, keep_repeats, keep_changes, keep_facts, zones, proxy_socket, proxy_group, proxy_listen, proxy_cert_file, proxy_key_file, proxy_ca_file, proxy_client, proxy_user, proxy_groups, proxy_operators, proxy_viewers",
	"results-store":               "F:4: results.store: want the path of a directory, or none, got \"\"",
	"results-listen":              "F:4: results.listen: want host:port, or nothing, got \"9618\"",
	"results-open":                "F:4: results.listen: want an address of this machine alone, such as 127.0.0.1:9618, or results.tokens, too, got \"10.0.0.1:9618\"",
	"results-keep":                "F:4: results.keep_history: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"forever\"",
	"incidents-share":             "F:4: incidents.share: want percent, a whole number from 1 to 100, got \"80%\"",
	"incidents-small-share":       "F:4: incidents.share: want at least 50, got \"30\"",
	"incidents-outside":           "F:4: incidents.outside_share: want less than incidents.share, 80, got \"90\"",
	"incidents-smallest":          "F:4: incidents.smallest: want at least 2, got \"1\"",
	"incidents-hold":              "F:4: incidents.hold: want at most 5m, got \"1h\"",
	"results-repeats":             "F:5: results.keep_repeats: want at most results.keep_history, 24h0m0s, got \"2d\"",
	"tickets-comment-every":       "F:4: tickets.comment_every: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"never\"",
	"tickets-desk-alert-label":    "F:5: tickets.desks.ops.labels: want name=value of Alertmanager, got [\"dc\"]",
	"tickets-desk-field":          "F:5: tickets.desks.ops.fields: want a list of field=value, each once, got [\"assignment_group\"]",
	"tickets-desk-in-the-clear":   "F:5: tickets.desks.ops.url: want https:// where a password, token or signature is sent",
	"tickets-desk-kind":           "F:5: tickets.desks.ops.kind: want alertmanager, jira, servicenow, webhook or print, got \"pager\"",
	"tickets-desk-label":          "F:5: tickets.desks.ops.labels: want a list of labels without spaces, each once; of Alertmanager name=value, got [\"a b\"]",
	"tickets-desk-name":           "F:5: tickets.desks.Ops Team: want a name of up to 63 of a-z, 0-9 and -, not - first",
	"tickets-desk-no-kind":        "F:5: tickets.desks.ops.kind: want alertmanager, jira, servicenow, webhook or print, got none",
	"tickets-desk-no-password":    "F:5: tickets.desks.ops.password_file: want the path of a file with user, or token_file, got none",
	"tickets-desk-no-project":     "F:5: tickets.desks.ops.project: want the key of a project, such as OPS, got none",
	"tickets-desk-no-url":         "F:5: tickets.desks.ops.url: want where the desk is, got none",
	"tickets-desk-no-user":        "F:5: tickets.desks.ops.user: want a name with password_file, got none",
	"tickets-desk-not-its-key":    "F:5: tickets.desks.ops.project: want it of kind jira only, got \"OPS\"\nF:5: tickets.desks.ops.close_code: want it of kind servicenow only, got \"c\"",
	"tickets-desk-owner":          "F:5: tickets.desks.ops.owners: want a list of network, server, security, credentials, inventory, us, each once, got [\"network\" \"boss\"]",
	"tickets-desk-pages-only":     "F:5: tickets.desks.ops.pages_only: want true or false, got \"always\"",
	"tickets-desk-print-url":      "F:5: tickets.desks.ops.url: want it of kind jira or servicenow or alertmanager or webhook only",
	"tickets-desk-resend":         "F:5: tickets.desks.ops.resend: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"60\"",
	"tickets-desk-rest-and-more":  "F:5: tickets.desks.ops.rest: want it without owners and sites, got \"true\"",
	"tickets-desk-site-twice":     "F:5: tickets.desks.ops.sites: want a list of sites, each once, got [\"ams1\" \"ams1\"]",
	"tickets-desk-two-rests":      "F:6: tickets.desks.dcops.rest: want one desk with it, and ops has it, got \"true\"",
	"tickets-desk-two-secrets":    "F:5: tickets.desks.ops.token_file: want either password_file or token_file, got \"t\"",
	"tickets-desk-unknown-key":    "F:5: tickets.desks.ops.room: unknown key; want one of kind, url, user, password_file, token_file, ca_file, owners, sites, pages_only, rest, project, issue_type, data_center, resolution, table, close_code, fields, done, again, labels, resend, template_file, sign_file",
	"tickets-desk-url":            "F:5: tickets.desks.ops.url: want an https:// URL without user, password and query; http:// on loopback, or where nobody logs in",
	"tickets-desks-a-list":        "F:4: tickets.desks: want names, and keys and values for each",
	"tickets-group":               "F:4: tickets.group: want a name, got \"\"",
	"tickets-link":                "F:4: tickets.link: want a URL with {id} in it, such as https://lamplighter.example/incidents/{id}, or nothing, got \"https://lamplighter.example/incidents\"",
	"tickets-no-storm":            "F:4: tickets.storm_most: want at least 1, got \"0\"",
	"tickets-reopen":              "F:4: tickets.reopen: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"-1h\"",
	"tickets-storm-within":        "F:4: tickets.storm_within: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"10\"",
	"tickets-storm":               "F:4: tickets.storm_most: want a whole number, got \"none\"",
	"tickets-tries":               "F:4: tickets.tries: want at least 1, got \"0\"",
	"tickets-unknown-key":         "F:4: tickets.desk: unknown key; want one of group, link, comment_every, reopen, tries, storm_most, storm_within, desks",
	"login-two-parts":             "F:3: login: want a path such as racks/{site}/{rack} with at most one of {bmc}, {site}, {room}, {row}, {rack}, {vendor}, {model}, {protocol} between two slashes, got \"bmc/{site}-{rack}\"",
	"login-unknown-part":          "F:3: login: want a path such as racks/{site}/{rack} with at most one of {bmc}, {site}, {room}, {row}, {rack}, {vendor}, {model}, {protocol} between two slashes, got \"bmc/{asset}\"",
	"login-leads-away":            "F:3: login: want a path such as racks/{site}/{rack} with at most one of {bmc}, {site}, {room}, {row}, {rack}, {vendor}, {model}, {protocol} between two slashes, got \"../{bmc}\"",
	"login-empty-step":            "F:3: login: want a path such as racks/{site}/{rack} with at most one of {bmc}, {site}, {room}, {row}, {rack}, {vendor}, {model}, {protocol} between two slashes, got \"bmc//{bmc}\"",
	"cmdb-every":                  "F:4: cmdb.every: want at least 10s, got \"1s\"",
	"cmdb-gone-least-text":        "F:4: cmdb.gone_least: want a whole number, got \"few\"",
	"cmdb-gone-least":             "F:4: cmdb.gone_least: want at least 1, got \"0\"",
	"cmdb-gone-percent":           "F:4: cmdb.gone_percent: want percent, a whole number from 0 to 100, got \"101\"",
	"cmdb-no-precedence":          "F:1: cmdb.precedence: want all of cmdb.sources, the one that has precedence first, got none",
	"cmdb-precedence":             "F:4: cmdb.precedence: want names of cmdb.sources, got [\"nb\"]",
	"cmdb-quarantine":             "F:4: cmdb.quarantine: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"soon\"",
	"cmdb-settle":                 "F:4: cmdb.settle: want at least cmdb.quarantine, 1h0m0s, got \"30m\"",
	"cmdb-source-basic":           "F:5: cmdb.sources.a.basic: want true or false, got \"never\"",
	"cmdb-source-field":           "F:5: cmdb.sources.a.fields: want a list of column=field, each once, got [\"id\"]",
	"cmdb-source-filter":          "F:5: cmdb.sources.nb.filters: want a list of name=value, each once, got [\"active\"]",
	"cmdb-source-health-field":    "F:5: cmdb.sources.nb.health_field: want the name of a custom field: letters, digits and _, and no column or label of the inventory, got \"bmc_rack\"",
	"cmdb-source-health-id":       "F:5: cmdb.sources.nb.health_field: want another field than the one of id, got \"asset\"",
	"cmdb-source-health-label":    "F:5: cmdb.sources.nb.health_field: want the name of a custom field: letters, digits and _, and no column or label of the inventory, got \"bmc_ping\"",
	"cmdb-source-health-kind":     "F:5: cmdb.sources.a.health_field: want it of kind netbox only, got \"health\"",
	"cmdb-source-health-login":    "F:5: cmdb.sources.nb.health_login: want health_field, too, got \"writer\"",
	"cmdb-source-id":              "F:5: cmdb.sources.nb.id: want asset_tag, name, serial, id or cf.FIELD, got \"label\"",
	"cmdb-source-in-the-clear":    "F:5: cmdb.sources.a.url: want an https:// URL without user, password and query; http:// on loopback only",
	"cmdb-source-kind":            "F:5: cmdb.sources.a.kind: want csv, netbox, servicenow or json, got \"excel\"",
	"cmdb-source-name":            "F:5: cmdb.sources.Net Box: want a name of up to 63 of a-z, 0-9 and -, not - first",
	"cmdb-source-no-fields":       "F:5: cmdb.sources.a.fields: want at least id=FIELD and address=FIELD, got [\"id=x\"]",
	"cmdb-source-no-kind":         "F:5: cmdb.sources.a.kind: want csv, netbox, servicenow or json, got none",
	"cmdb-source-no-login":        "F:5: cmdb.sources.a.login: want the name of a credential in the keyring, got none",
	"cmdb-source-no-path":         "F:5: cmdb.sources.a.path: want the path of a CSV file, got none",
	"cmdb-source-no-table":        "F:5: cmdb.sources.a.table: want the name of a table, such as cmdb_ci_server, got none",
	"cmdb-source-no-url":          "F:5: cmdb.sources.a.url: want where the source is, got none",
	"cmdb-source-not-its-key":     "F:5: cmdb.sources.nb.path: want it of kind csv only, got \"p\"\nF:5: cmdb.sources.nb.fields: want it of kind servicenow or json only, got [\"id=x\"]\nF:5: cmdb.sources.nb.table: want it of kind servicenow only, got \"t\"\nF:5: cmdb.sources.nb.items: want it of kind json only, got \"i\"\nF:6: cmdb.sources.c.url: want it of kind netbox or servicenow or json only\nF:6: cmdb.sources.c.filters: want it of kind netbox only, got [\"a=b\"]\nF:6: cmdb.sources.c.id: want it of kind netbox only, got \"name\"",
	"cmdb-source-password-in-url": "F:5: cmdb.sources.a.url: want an https:// URL without user, password and query; http:// on loopback only",
	"cmdb-source-unknown-key":     "F:5: cmdb.sources.a.file: unknown key; want one of kind, path, url, login, ca_file, filters, fields, id, table, query, items, total, next, basic, health_field, health_login",
	"cmdb-state":                  "F:4: cmdb.state: want the path of a directory, got \"\"",
	"cmdb-unknown-key":            "F:4: cmdb.url: unknown key; want one of state, every, gone_percent, gone_least, settle, quarantine, precedence, sources",
	"cmdb-without-inventory":      "F:1: inventory: want cmdb with cmdb.sources, got \"i\"",
	"targets-loopback":            "F:4: targets.loopback: want true or false, got \"maybe\"",
	"targets-networks":            "F:4: targets.networks: want a list of networks such as 10.0.0.0/8, each once, got [\"10.1.2.3/8\"]",
	"targets-no-networks":         "F:4: targets.networks: want at least one network, or targets.loopback: true, got []",
	"targets-no-ports":            "F:4: targets.ports: want at least one port, got []",
	"targets-ports":               "F:4: targets.ports: want a list of ports from 1 to 65535, each once, got [\"443\" \"70000\"]",
	"targets-unknown-key":         "F:4: targets.network: unknown key; want one of networks, ports, loopback",
	"many-mistakes":               "F:1: keyring: want the path of a file or directory, vault:FILE, or env, got none\nF:2: slow: want a time with its unit, such as 30s, 5m, 1h or 30d, got \"5\"\nF:3: visits: want at least 1, got \"-1\"\nF:4: who: unknown key; want one of satellite, site, inventory, keyring, login, memory, verdicts, listen, trust, ca_file, ping, anchors, expiry_soon, slow, interval, visits, look_round, fence, drain, log, targets, cmdb, rabbitmq, kafka, results, incidents, tickets, timeouts, every",
	"results-proxy-group":         "F:4: results.proxy_group: want results.proxy_socket, too, got \"www-data\"",
	"results-proxy-groups":        "F:5: results.proxy_operators: want a list of groups without commas, each once, got [\"noc,dc\"]",
	"results-zone":                "F:4: results.zones: want a list of SITE=ZONE, such as ams1=Europe/Amsterdam, each once, got [\"ams1=Amsterdam\"]",
	"results-zone-twice":          "F:4: results.zones: want each site once, got [\"ams1=UTC\" \"ams1=Europe/Paris\"]",
	"results-proxy-header":        "F:5: results.proxy_user: want the name of a header that the proxy sets, such as X-Remote-User, got \"Cookie\"",
	"results-proxy-listen":        "F:4: results.proxy_listen: want host:port, or nothing, got \"9619\"",
	"results-proxy-same":          "F:5: results.proxy_groups: want another header than results.proxy_user, got \"x-remote-user\"",
	"results-proxy-tls":           "F:1: results.proxy_client: want it with results.proxy_listen, and only then, got none",
	"results-proxy-tls-alone":     "F:5: results.proxy_ca_file: want it with results.proxy_listen, and only then, got \"ca.pem\"",
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
	want.Listen = "127.0.0.1:9617"
	want.Results.Store = "/var/lib/lamplighter/results"
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
	text := `{satellite: s, site: ams1, inventory: cmdb, targets: {networks: [10.0.0.0/8], ports: [443, 8443], loopback: true},
		cmdb: {state: cs, every: 1m, settle: 2h, quarantine: 1h, gone_percent: 20, gone_least: 3, precedence: [hand, nb, own, snow], sources: {
			hand: {kind: csv, path: p.csv}, nb: {kind: netbox, url: "https://n.example", login: nl, ca_file: nc, id: cf.asset, filters: [site=ams1, status=active], health_field: bmc_health, health_login: hl},
			snow: {kind: servicenow, url: "https://s.example", login: sl, table: t, query: "a=1^b=2", fields: [id=x, address=y]},
			own: {kind: json, url: "http://127.0.0.1:8080/l", items: i, total: t, next: n, basic: true, fields: [id=x, address=y.z]}}},
		 keyring: env, login: "bmc/{site}/{bmc}", memory: m, verdicts: v, trust: tofu, ping: [rmcp], anchors: [10.0.0.1, "fe80::1"],
expiry_soon: 7d, slow: 1s, interval: 1m30s, visits: 9, look_round: 0, drain: 2s, every: {power: 0s, ipmi-login: 2h}, timeouts: {ping: 1s},
fence: {pause_min: 1m, pause_max: 2m, confirm_login: false}, log: {level: debug, format: json}, listen: "[::1]:0",
rabbitmq: {urls: ["amqps://r1:5671/ams1", "amqp://127.0.0.1/ams1"], user: ru, password_file: rp, ca_file: ra, cert_file: rc, key_file: rk},
kafka: {brokers: ["k1:9092", "[::1]:9092"], tls: true, ca_file: k.pem, login: SCRAM-SHA-512, user: u, password_file: p, spool: sp, spool_size: 512MiB, spool_age: 1h},
results: {store: st, listen: "10.0.0.1:9618", tokens: tk, keep_history: 3d, keep_repeats: 1h, keep_changes: 4d, keep_facts: 5d, zones: [ams1=Europe/Amsterdam], proxy_socket: ps, proxy_group: pg,
  proxy_listen: "10.0.0.1:9619", proxy_cert_file: pc, proxy_key_file: pk, proxy_ca_file: pa, proxy_client: p.example, proxy_user: X-User, proxy_groups: X-Groups, proxy_operators: [noc], proxy_viewers: [staff, kpi]},
incidents: {window: 20m, share: 70, outside_share: 20, smallest: 4, us_share: 30, hold: 10s, reopen: 2h, outlive: 5m},
tickets: {group: g, link: "https://l/{id}", comment_every: 1m, reopen: 2d, tries: 3, storm_most: 4, storm_within: 5m, desks: {
  am: {kind: alertmanager, url: "http://127.0.0.1:9093", labels: [team=dc], resend: 30s, pages_only: true},
  jira-net: {kind: jira, url: "https://j.example", user: ju, token_file: jt, ca_file: jc, owners: [network, us], sites: [ams1], project: OPS, issue_type: Bug, data_center: true, resolution: Fixed, done: Done, again: Open, labels: [bmc]},
  snow: {kind: servicenow, url: "https://s.example", user: su, password_file: sp, table: incident, close_code: Fixed, fields: [category=hw], done: 6, again: 1},
  hook: {kind: webhook, url: "https://h.example/in", template_file: ht, sign_file: hs}, print: {kind: print, rest: true}}}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	login, err := inventory.ParseLoginPath("bmc/{site}/{bmc}")
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Satellite: "s", Site: "ams1", Inventory: "cmdb", Keyring: "env", Login: login, Memory: "m", Verdicts: "v",
		Targets: Targets{[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []uint16{443, 8443}, true},
		CMDB: CMDB{"cs", time.Minute, 2 * time.Hour, time.Hour, 20, 3, []string{"hand", "nb", "own", "snow"}, map[string]*CMDBSource{
			"hand": {Kind: "csv", Path: "p.csv"},
			"nb":   {Kind: "netbox", URL: "https://n.example", Login: "nl", CAFile: "nc", ID: "cf.asset", Filters: []string{"site=ams1", "status=active"}, HealthField: "bmc_health", HealthLogin: "hl"},
			"snow": {Kind: "servicenow", URL: "https://s.example", Login: "sl", Table: "t", Query: "a=1^b=2", Fields: []string{"id=x", "address=y"}},
			"own":  {Kind: "json", URL: "http://127.0.0.1:8080/l", Items: "i", Total: "t", Next: "n", Basic: true, Fields: []string{"id=x", "address=y.z"}},
		}, []string{"hand", "nb", "snow", "own"}},
		Trust: inventory.Trust{Mode: inventory.TrustTOFU}, Ping: []checks.Way{checks.WayRMCP},
		Anchors:    []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1")},
		ExpirySoon: 7 * 24 * time.Hour, Slow: time.Second, Interval: 90 * time.Second, Visits: 9, Drain: 2 * time.Second,
		Every:    map[checks.Name]time.Duration{checks.Power: 0, checks.IPMILogin: 2 * time.Hour, checks.RedfishLogin: time.Hour},
		Timeouts: map[checks.Name]time.Duration{checks.Ping: time.Second, checks.TLS: 10 * time.Second, checks.RedfishLogin: 30 * time.Second, checks.IPMILogin: 10 * time.Second, checks.Power: 15 * time.Second},
		Fence:    Fence{time.Minute, 2 * time.Minute, false}, Log: Log{slog.LevelDebug, "json"}, Listen: "[::1]:0",
		RabbitMQ: RabbitMQ{[]string{"amqps://r1:5671/ams1", "amqp://127.0.0.1/ams1"}, "ru", "rp", "ra", "rc", "rk"},
		Kafka:    Kafka{[]string{"k1:9092", "[::1]:9092"}, true, "k.pem", "SCRAM-SHA-512", "u", "p", "sp", 512 << 20, time.Hour},
		Tickets: Tickets{"g", "https://l/{id}", time.Minute, 48 * time.Hour, 3, 4, 5 * time.Minute, map[string]*TicketDesk{
			"am":       {Kind: "alertmanager", URL: "http://127.0.0.1:9093", Labels: []string{"team=dc"}, Resend: 30 * time.Second, PagesOnly: true},
			"jira-net": {Kind: "jira", URL: "https://j.example", User: "ju", TokenFile: "jt", CAFile: "jc", Owners: []checks.Owner{"network", "us"}, Sites: []string{"ams1"}, Project: "OPS", IssueType: "Bug", DataCenter: true, Resolution: "Fixed", Done: "Done", Again: "Open", Labels: []string{"bmc"}},
			"snow":     {Kind: "servicenow", URL: "https://s.example", User: "su", PasswordFile: "sp", Table: "incident", CloseCode: "Fixed", Fields: []string{"category=hw"}, Done: "6", Again: "1"},
			"hook":     {Kind: "webhook", URL: "https://h.example/in", TemplateFile: "ht", SignFile: "hs"},
			"print":    {Kind: "print", Rest: true},
		}, []string{"am", "jira-net", "snow", "hook", "print"}},
		Incidents: Incidents{Window: 20 * time.Minute, Share: 70, OutsideShare: 20, Smallest: 4, UsShare: 30, Hold: 10 * time.Second, Reopen: 2 * time.Hour, Outlive: 5 * time.Minute},
		Results: Results{"st", "10.0.0.1:9618", "tk", 72 * time.Hour, time.Hour, 96 * time.Hour, 120 * time.Hour, []string{"ams1=Europe/Amsterdam"}, api.Proxy{
			Socket: "ps", Group: "pg", Listen: "10.0.0.1:9619", CertFile: "pc", KeyFile: "pk", CAFile: "pa", Client: "p.example", UserHeader: "X-User", GroupsHeader: "X-Groups",
			Operators: []string{"noc"}, Viewers: []string{"staff", "kpi"},
		}},
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

// The sources that the example shows in its comments can be had: one of each kind, with every key.
func TestTheSourcesOfTheExampleCanBe(t *testing.T) {
	text, err := os.ReadFile("../deploy/lamplighter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, sources, _ := strings.Cut(string(text), "#   sources:\n")
	sources, _, _ = strings.Cut(sources, "\ncmdb:")
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("inventory: cmdb\nkeyring: env\ncmdb:\n  sources:\n"+strings.ReplaceAll("\n"+sources, "\n#   ", "\n  ")), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path)
	if err != nil || len(c.CMDB.Sources) != 4 || len(c.CMDB.Precedence) != 4 {
		t.Fatalf("%d sources, %v", len(c.CMDB.Sources), err)
	}
	for _, s := range c.CMDB.source("x") {
		if key := strings.TrimPrefix(s.key, "cmdb.sources.x."); !strings.Contains(sources, key+":") {
			t.Errorf("no source of the example shows %s", key)
		}
	}
}

// The desks that the example shows in its comments can be had: one of each kind, and every key but those that go with none of them.
func TestTheDesksOfTheExampleCanBe(t *testing.T) {
	text, err := os.ReadFile("../deploy/lamplighter.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, desks, _ := strings.Cut(string(text), "#   desks:\n")
	desks, _, _ = strings.Cut(desks, "\ntickets:")
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("inventory: i\nkeyring: env\ntickets:\n  desks:\n"+strings.ReplaceAll("\n"+desks, "\n#   ", "\n  ")), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path)
	if err != nil || len(c.Tickets.Desks) != 5 {
		t.Fatalf("%d desks, %v", len(c.Tickets.Desks), err)
	}
	for _, s := range c.Tickets.desk("x") {
		if key := strings.TrimPrefix(s.key, "tickets.desks.x."); !strings.Contains(desks, key+":") {
			t.Errorf("no desk of the example shows %s", key)
		}
	}
}
