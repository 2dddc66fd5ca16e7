package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"lamplighter/checks"
	"lamplighter/inventory"
)

// Config is the configuration of a satellite: one YAML file. deploy/lamplighter.yaml says what each key means.
type Config struct {
	Satellite string
	Site      string

	Inventory string
	Keyring   string
	Login     inventory.LoginPath // of BMCs whose record names no credential
	Memory    string
	Verdicts  string // a file, - for stdout, or none
	RabbitMQ  RabbitMQ
	Kafka     Kafka
	Results   Results
	Tickets   Tickets
	Incidents Incidents
	Listen    string // host:port of metrics; empty: none

	Targets    Targets
	CMDB       CMDB
	Trust      inventory.Trust
	CAFile     string
	Ping       []checks.Way
	Anchors    []netip.Addr
	ExpirySoon time.Duration
	Slow       time.Duration

	Interval time.Duration
	// Every and Timeouts hold all checks of the chain that have one.
	Every    map[checks.Name]time.Duration
	Timeouts map[checks.Name]time.Duration
	Visits   int
	// LookRound is how many BMCs are pinged when two of their rack or subnet fail; 0: none.
	LookRound int

	Fence Fence
	Drain time.Duration
	Log   Log
}

// Fence is the rule for logins after a refusal.
type Fence struct {
	PauseMin, PauseMax time.Duration
	ConfirmLogin       bool
}

// Log is what is logged, and how.
type Log struct {
	Level  slog.Level
	Format string // text or json
}

// lookRound is as many BMCs as a /24 has.
const lookRound = 256

// DefaultConfig is what holds where the file says nothing. Inventory and Keyring have no default.
func DefaultConfig() Config {
	settings := checks.DefaultSettings()
	c := Config{
		Memory: "lamplighter.memory", Verdicts: "-",
		RabbitMQ: RabbitMQ{URLs: []string{}},
		Kafka:    Kafka{Brokers: []string{}, Spool: "lamplighter.spool", SpoolSize: 2 << 30, SpoolAge: 24 * time.Hour},
		Results:  defaultResults(), Incidents: defaultIncidents(), Tickets: defaultTickets(),
		Targets: defaultTargets(), CMDB: defaultCMDB(),
		Trust: settings.Trust, Ping: settings.Ways, ExpirySoon: settings.ExpirySoon, Slow: settings.Slow,
		Interval: 5 * time.Minute, Visits: 256, LookRound: lookRound,
		Every: map[checks.Name]time.Duration{}, Timeouts: map[checks.Name]time.Duration{},
		Fence: Fence{PauseMin: 30 * time.Minute, PauseMax: time.Hour, ConfirmLogin: true},
		Drain: 20 * time.Second,
		Log:   Log{Level: slog.LevelInfo, Format: "text"},
	}
	c.Satellite, _ = os.Hostname() // Validate refuses an empty name
	for _, check := range checks.Default() {
		c.Timeouts[check.Name] = check.Timeout
		if check.Every > 0 {
			c.Every[check.Name] = check.Every
		}
	}
	return c
}

// Chain is the chain of checks with the configured times.
func (c Config) Chain() checks.Chain {
	chain := checks.Default()
	for i, check := range chain {
		chain[i].Timeout = c.Timeouts[check.Name]
		chain[i].Every = c.Every[check.Name]
	}
	return chain
}

// LoadConfig reads a configuration over the defaults and validates it. Its error has one line for each mistake.
func LoadConfig(path string) (Config, error) {
	return loadConfig(path, Config.Validate)
}

func loadConfig(path string, validate func(c Config, bad func(key, want string))) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c := DefaultConfig()
	r := newConfigReader(path)
	if r.read(text, c.settings()) {
		validate(c, r.bad)
	}
	if err := r.err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Validate calls bad for each key whose value cannot be, and says what was expected.
func (c Config) Validate(bad func(key, want string)) {
	require := func(ok bool, key, want string) {
		if !ok {
			bad(key, want)
		}
	}
	require(c.Satellite != "", "satellite", "want a name")
	require(c.Inventory != "", "inventory", "want the path of a CSV file, or cmdb")
	require(c.Keyring != "", "keyring", "want the path of a file or directory, vault:FILE, or env")
	require(c.Memory != "", "memory", "want the path of a file")
	require(c.Verdicts != "", "verdicts", "want the path of a file, or - for stdout")
	require(c.Verdicts != noFile || len(c.Kafka.Brokers) > 0, "verdicts", "want none only with kafka.brokers")
	c.RabbitMQ.validate(require)
	named := len(c.RabbitMQ.URLs) > 0
	require(!named || siteName.MatchString(c.Site), "site", wantSiteName)
	require(!named || siteName.MatchString(c.Satellite), "satellite", wantSiteName)
	c.Kafka.validate(require)
	c.Targets.validate(require)
	c.CMDB.validate(c.Inventory, require)
	c.Results.validate(require)
	c.Tickets.validate(require)
	c.Incidents.validate(require)
	require(len(c.Ping) > 0, "ping", "want at least one of icmp, tcp, rmcp")
	require(c.Interval >= time.Second, "interval", "want at least 1s")
	require(c.Visits >= 1, "visits", "want at least 1")
	require(c.LookRound >= 0 && c.LookRound <= 10_000, "look_round", "want 0 to 10000")
	require(c.Fence.PauseMax >= c.Fence.PauseMin, "fence.pause_max", "want at least fence.pause_min, "+c.Fence.PauseMin.String())
	for _, check := range checks.Default() {
		require(c.Timeouts[check.Name] <= 5*time.Minute, "timeouts."+string(check.Name), "want at most 5m")
	}
}
